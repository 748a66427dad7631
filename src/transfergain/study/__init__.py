"""Check what the user asks for: a study, given by a file, flags or Python."""

from __future__ import annotations

from transfergain.study.data_keys import TaskEntry as TaskEntry
from transfergain.study.file import load as load
from transfergain.study.file import load_keys as load_keys
from transfergain.study.keys import Study as Study

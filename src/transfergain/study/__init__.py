"""A study: what the user asked for, in a file, flags or Python, checked."""

from __future__ import annotations

from transfergain.study.file import load as load
from transfergain.study.keys import Study as Study
from transfergain.study.keys import TaskEntry as TaskEntry

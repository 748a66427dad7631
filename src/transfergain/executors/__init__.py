"""Ways to run trials; one file and one line each."""

from __future__ import annotations

from transfergain.executors.base import Executor
from transfergain.executors.local import LocalExecutor
from transfergain.executors.ray import RayExecutor

EXECUTORS: dict[str, type[Executor]] = {
    "local": LocalExecutor,
    "ray": RayExecutor,
}

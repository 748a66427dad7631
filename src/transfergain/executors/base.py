"""The interface of executors, which run jobs and yield their outcomes, and of what they start ahead of their bench."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from transfergain.outcome import Outcome
from transfergain.trial import Bench
from transfergain.types import TrialSpec


@dataclass(frozen=True)
class Job:
    """A trial to run, where to save its model, and the file that a long training keeps its state in (None: nowhere)."""

    spec: TrialSpec
    save_to: Path | None = None
    state: Path | None = None


Watch = Callable[[TrialSpec, int, int, float | None], None]
"""Called while a trial runs: (spec, step, step cap, best dev score so far)."""

T = TypeVar("T")


class Ahead:
    """What an executor starts before the study is set up, to lose no time: here nothing. Use as a context manager."""

    def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """Answer a question that needs torch, where that is loaded the soonest: here in this process."""
        return question(*arguments)

    def close(self) -> None:
        """Stop what no executor has adopted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Executor(ABC):
    """Run jobs in any order, at least once each; the store makes it exactly once. Use as a context manager."""

    own_machine = True
    """Whether workers are processes of this machine, so that their number is chosen for it where the user gives none."""
    workers = 1
    """Trials that run at once."""

    @abstractmethod
    def __init__(self, bench: Bench, workers: int) -> None: ...

    @classmethod
    def ahead(cls, workers: int, threads: int) -> Ahead:
        """Start what can be started before there is a bench, for so many workers of so many threads."""
        return Ahead()

    def adopt(self, ahead: Ahead) -> None:  # noqa: B027 (most start nothing ahead)
        """Take over what was started ahead."""

    @abstractmethod
    def submit(self, jobs: Sequence[Job], watch: Watch) -> Iterator[tuple[TrialSpec, Outcome]]:
        """Yield every job's outcome as it finishes; a job whose worker dies yields a `failed` outcome."""

    @abstractmethod
    def close(self) -> None:
        """Stop the workers, without waiting for trials in flight."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

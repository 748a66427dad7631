"""Keep out of a study's files what is nobody else's business: folders of this machine, and on request all texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transfergain.outcome import Evaluated, Outcome
from transfergain.study import Study
from transfergain.types import Checkpoint, Status

FILE_KEYS = ("model", "train_file", "validation_file", "test_file", "dataset_name")
"""Keys of a study that may name a file or folder."""
RAISED = re.compile(r"([A-Z]\w*): .*?( \[\w+\.py:\d+\])?", re.DOTALL)
"""An exception as workers describe it: its type, its message, and where it was raised."""
ENDED = re.compile(r"the worker process ended with code -?\d+")
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
LEFT_OUT = "its message is left out, as --no-texts asks"
NAMED_FILE_KEYS = ("shift", "adapt")
"""Keys of a study that hold files by name."""
NAMED_FILES_KEYS = ("predictions", "unlabelled")
"""Keys that hold several files by name."""

FILES_KEYS = ("unlabelled_file",)
"""Keys of a study that hold several files."""


def shown(path: str) -> str:
    """Name a file as a study's files may show it: relative to the current folder, or by its name alone."""
    place = Path(path)
    if not place.is_absolute() and ".." not in place.parts:
        return path
    here = Path.cwd()
    return place.relative_to(here).as_posix() if place.is_relative_to(here) and place != here else place.name


def without_places(request: Mapping[str, Any]) -> dict[str, Any]:
    """Name the files of a request, those of its data sets too, by what `shown` makes of them."""
    kept = dict(request)
    kept |= {key: shown(kept[key]) for key in FILE_KEYS if kept.get(key)}
    kept |= {key: {name: shown(path) for name, path in kept[key].items()} for key in NAMED_FILE_KEYS if kept.get(key)}
    for key in NAMED_FILES_KEYS:
        if kept.get(key):
            kept[key] = {name: [shown(path) for path in paths] for name, paths in kept[key].items()}
    kept |= {key: [shown(path) for path in kept[key]] for key in FILES_KEYS if kept.get(key)}
    if kept.get("tasks"):
        kept["tasks"] = [without_places(entry) for entry in kept["tasks"]]
    return kept


@dataclass(frozen=True)
class Privacy:
    """What of a study's trials is kept."""

    checkpoint: str = ""
    """The name of the checkpoint as the user gave it: maybe a folder, which errors quote."""
    texts: bool = True

    @classmethod
    def of(cls, study: Study, checkpoint: Checkpoint) -> Privacy:
        """Read what the user asked for."""
        return cls(checkpoint.name, not study.no_texts)

    def line(self, text: str) -> str:
        """Clean a line that may quote the checkpoint's folder."""
        return text.replace(self.checkpoint, shown(self.checkpoint)) if self.checkpoint else text

    def outcome(self, outcome: Outcome) -> Outcome:
        """Clean what became of a trial: its error, and predictions that are texts where none are to be kept."""
        kept = replace(outcome, error=self.line(outcome.error))
        if self.texts:
            return kept
        if outcome.status == Status.FAILED:
            kept = replace(kept, error=_without_quotes(kept.error))
        return replace(kept, evaluated={split: _without_texts(found) for split, found in outcome.evaluated.items()})


def _without_quotes(error: str) -> str:
    """Shorten the error of a trial by what may quote a text: a library's message, a process's last words, all in quotes."""
    if found := RAISED.fullmatch(error):
        return f"{found[1]}{found[2] or ''}: {LEFT_OUT}"
    if found := ENDED.match(error):
        return f"{found[0]}: {LEFT_OUT}"
    return QUOTED.sub('"..."', error)


def _without_texts(found: Evaluated) -> Evaluated:
    """Empty the predictions that are texts; how each scored stays in the counts."""
    return replace(found, predictions=tuple("" if _holds_text(value) else value for value in found.predictions))


def _holds_text(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_text, value.values()))
    return isinstance(value, str) or (isinstance(value, list | tuple) and any(map(_holds_text, value)))

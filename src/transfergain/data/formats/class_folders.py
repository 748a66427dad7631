"""Read a folder a class, a file a text: `pos/1.txt`, `neg/1.txt`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transfergain.counts import Noun
from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

UNLABELLED = {"unsup", "unsupervised", "unlabeled", "unlabelled"}
"""Folders that stand beside those of the classes and hold texts of none."""
NO_TEXT = Noun("file that is no .txt", "files that are no .txt")


@dataclass(frozen=True)
class Texts(Table):
    """A table with a file a row."""

    files: Sequence[str] = ()

    def where(self, index: int) -> str:
        """Name a row (0-based) for the user by its file: `imdb/train/pos/7.txt`."""
        return f"{self.name}/{self.files[index]}"


def recognises(folder: Path) -> bool:
    """Tell whether a folder holds two folders of texts or more, and no text itself."""
    return len(_folders(folder)) > 1 and not any(f.suffix == ".txt" for f in folder.iterdir() if f.is_file())


def read(folder: Path) -> Texts:
    """Read a row a file: its text, and its folder's name as label. Raises UserError naming the file."""
    rows, files, left_out = [], [], Counter[Noun]()
    for inner in _folders(folder):
        for file in sorted(inner.iterdir()):
            if inner.name.lower() in UNLABELLED:
                left_out[Noun(*(f"{what} without a class ({inner.name})" for what in ("text", "texts")))] += 1
            elif file.suffix.lower() != ".txt" or not file.is_file():
                left_out[NO_TEXT] += 1
            else:
                rows.append({"text": unpacked.read_text(file), "label": inner.name})
                files.append(f"{inner.name}/{file.name}")
    if not rows:
        raise UserError(f"{folder} holds no texts; a folder a class with .txt files in it is expected")
    return Texts(folder.name, rows, left_out=left_out, files=files)


def _folders(folder: Path) -> list[Path]:
    """List the folders that hold texts."""
    inner = [f for f in sorted(folder.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    return [f for f in inner if any(file.suffix.lower() == ".txt" for file in f.iterdir())]

"""What a task kind is: columns in, an `AutoModelFor...` with its inputs, predictions out, metrics.

Tasks import no torch: they hand lists of token ids to the engine and receive numpy logits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.data.prepare import Parsed
from transfergain.data.sources import Table
from transfergain.types import Example


@dataclass(frozen=True)
class Task:
    """One task kind. Everything about it lives in its own file."""

    name: str
    title: str
    columns: Mapping[str, str]
    """Column option of a study (`text_column`) -> its default."""
    auto_class: str
    """Name of the `transformers` auto class that carries the head."""
    metrics: tuple[str, ...]
    """Names in METRICS; the first is the primary metric."""
    parse: Callable[[Mapping[str, Table], Mapping[str, str]], Parsed]
    """(tables by split, columns by option) -> examples. Raises UserError naming the file and row."""
    text: Callable[[Example], str]
    """What duplicates and overlap are judged by."""
    stratum: Callable[[Example], Hashable]
    """What budgets and carved splits are stratified by."""
    encode: Callable[[Sequence[Example], Any, int], list[dict[str, Any]]]
    """(examples, tokenizer, max length) -> one feature an example: token id lists and `labels`."""
    decode: Callable[[Sequence[NDArray[np.float32]]], list[Any]]
    """Logits, one array a feature -> predictions."""
    chance: Callable[[Sequence[Example], Sequence[str]], float]
    """The primary score of a guess that knows only the label frequencies of the evaluated split."""
    citation: str

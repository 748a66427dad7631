"""Register the metrics: counts of each example, and a function of their sum; one file and one line each.

A metric never sees a whole test set: `counts` turns one split into an integer array of shape (examples, k), and `finish`
turns sums of its rows, of any shape (..., k), into scores of shape (...). So one vectorised resampling or jackknife serves
every metric, and `finish(counts.sum(0))` equals the reference implementation to 1e-9 (tests/conformance).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.metrics import accuracy, bleu, chrf, entity_f1, label_sets, macro_f1, squad


@dataclass(frozen=True)
class Metric:
    """A score in [0, 1], higher is better; its error is 1 - score."""

    title: str
    counts: Callable[[Sequence[Any], Sequence[Any], Sequence[str]], NDArray[Any]]
    """(predictions, targets, labels) -> (examples, k)."""
    finish: Callable[[NDArray[Any]], NDArray[np.float64]]
    """Sums of counts (..., k) -> scores (...)."""
    citation: str
    breakdown: Callable[[NDArray[Any], Sequence[str]], Mapping[str, Mapping[str, float]]] | None = None
    """Sum of counts (k,), labels -> part (an entity type) -> figure (`precision`) -> value; None without parts."""
    part: str = "type"
    """What the parts are, in a word."""
    signature: Callable[[], str] | None = None
    """How exactly the score was computed, as its reference implementation prints it; None where there is one way only."""


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", accuracy.counts, accuracy.finish, "share of examples whose class is predicted"),
    "macro_f1": Metric("macro F1", macro_f1.counts, macro_f1.finish, "mean over classes of F1, as scikit-learn's"),
    "micro_f1": Metric(
        "micro F1",
        label_sets.counts,
        label_sets.micro,
        "F1 of all (text, label) pairs together, as scikit-learn's",
        label_sets.breakdown,
        part="label",
    ),
    "label_macro_f1": Metric(
        "macro F1", label_sets.counts, label_sets.macro, "mean over labels of F1, as scikit-learn's of label indicators"
    ),
    "subset_accuracy": Metric(
        "subset accuracy", label_sets.subset_counts, accuracy.finish, "share of texts whose whole set of labels is predicted"
    ),
    "entity_f1": Metric(
        "entity F1",
        entity_f1.counts,
        entity_f1.finish,
        "micro F1 of whole entities of the right type, as seqeval's strict IOB2",
        entity_f1.breakdown,
    ),
    "entity_precision": Metric(
        "entity precision", entity_f1.counts, entity_f1.finish_precision, "share of predicted entities that are right"
    ),
    "entity_recall": Metric(
        "entity recall", entity_f1.counts, entity_f1.finish_recall, "share of the entities that are found"
    ),
    "squad_f1": Metric("token F1", squad.f1_counts, squad.finish, "mean token F1 with the best gold answer, as SQuAD's"),
    "exact_match": Metric("exact match", squad.exact_counts, squad.finish, "share of answers like a gold one, as SQuAD's"),
    "chrf": Metric("chrF", chrf.counts, chrf.finish, "character n-gram F-score, as sacrebleu's", signature=chrf.signature),
    "bleu": Metric("BLEU", bleu.counts, bleu.finish, "BLEU of the corpus, as sacrebleu's", signature=bleu.signature),
}

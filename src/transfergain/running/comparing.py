"""Compare two systems by their predictions for the same test file, paired by example, without any study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.special import bdtr

from transfergain.analysis import pairing
from transfergain.analysis.cells import Cell
from transfergain.data import given, prepare
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.options import OptionKind
from transfergain.outcome import Outcome
from transfergain.running.tabular import Tabular
from transfergain.split import TEST
from transfergain.study import Study
from transfergain.tasks import find
from transfergain.tasks.scoring import evaluate
from transfergain.types import Dataset, Status, Target


@dataclass(frozen=True)
class ComparedMetric:
    """Both systems by one metric, and their difference; scores are in [0, 1]."""

    metric: str
    score_a: float
    low_a: float | None
    high_a: float | None
    score_b: float
    low_b: float | None
    high_b: float | None
    difference: float
    """Of A over B."""
    low: float | None
    high: float | None
    p_value: float | None
    """Two-sided: the inversion of the interval."""


@dataclass(frozen=True)
class Discordant:
    """The examples that one system alone gets right, and the exact test of McNemar (1947) that neither gets more of them."""

    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True)
class Comparison(Tabular):
    """What two systems score on the same test file. Several files of one system are replicates of it."""

    task: str
    test_file: str
    examples: int
    clusters: int
    """What is drawn independently: the examples, or their articles."""
    a: tuple[str, ...]
    b: tuple[str, ...]
    rows: tuple[ComparedMetric, ...]
    """The task's primary metric first."""
    discordant: Discordant | None
    """Of one file each, where an example has one right class."""
    notes: tuple[str, ...] = ()


def compare(a: Sequence[str], b: Sequence[str], study: Study) -> Comparison:
    """Compare the predictions of these files on the study's test file. Raises UserError naming the file, row or flag."""
    entry, task = study.entries()[0], find(study.task)
    if not entry.test_file:
        raise UserError("compare-predictions needs the file of the true answers: give --test-file FILE")
    if not a or not b:
        raise UserError("compare-predictions needs files of two systems: transfergain compare-predictions A.csv B.csv")
    given_by = Counter(Path(path).resolve() for path in (*a, *b))
    if twice := [path for path in (*a, *b) if given_by[Path(path).resolve()] > 1]:
        raise UserError(
            f"{twice[0]} is given twice: a file of predictions is one replicate of one system; leave it out once"
        )
    source = entry.source()
    options = task.defaults(OptionKind.PARSE) | dict(source.options)
    data = prepare.load_test(source, task)
    task = find(data.task)
    data = given.attach(data, {"A": a, "B": b}, task, options)
    cells = [_cell(data, name) for name in ("A", "B")]
    rows = tuple(_row(cells[0], cells[1], metric) for metric in task.metrics)
    return Comparison(
        task=task.name,
        test_file=Path(entry.test_file).name,
        examples=len(data.test),
        clusters=cells[0].counts(TEST, task.metrics[0], [0]).shape[1],
        a=tuple(Path(path).name for path in a),
        b=tuple(Path(path).name for path in b),
        rows=rows,
        discordant=_discordant(data) if task.target is Target.LABEL and len(a) == len(b) == 1 else None,
        notes=data.notes,
    )


def _cell(data: Dataset, name: str) -> Cell:
    """Score the files of one system."""
    task = find(data.task)
    outcomes = {
        i: Outcome(Status.DONE, evaluated={TEST: evaluate(task, file.predictions[TEST], data.test, data.labels)})
        for i, file in enumerate(data.given[name])
    }
    return Cell(data.task, data.name, name, 0, False, False, data.labels, outcomes, given=True)


def _row(a: Cell, b: Cell, metric: str) -> ComparedMetric:
    pair = pairing.compare(a.side(TEST, metric), b.side(TEST, metric), ())
    assert pair is not None, "systems without seeds have none that they must share"
    mine, theirs, found = pairing.score(pair.mine), pairing.score(pair.theirs), pair.result
    return ComparedMetric(
        metric=METRICS[metric].title,
        score_a=mine.estimate,
        low_a=mine.low,
        high_a=mine.high,
        score_b=theirs.estimate,
        low_b=theirs.low,
        high_b=theirs.high,
        difference=found.estimate,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
    )


def _discordant(data: Dataset) -> Discordant:
    right = [
        [prediction == example.target for prediction, example in zip(file.predictions[TEST], data.test, strict=True)]
        for (file,) in (data.given["A"], data.given["B"])
    ]
    only_a = sum(mine and not theirs for mine, theirs in zip(*right, strict=True))
    only_b = sum(theirs and not mine for mine, theirs in zip(*right, strict=True))
    few, both = min(only_a, only_b), only_a + only_b
    return Discordant(only_a, only_b, min(1.0, 2 * float(bdtr(few, both, 0.5))) if both else 1.0)

"""Measure arms on shifted and perturbed test sets: gain, gap, retention, drop (docs/methods.md, robustness)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from transfergain.analysis import stats, words
from transfergain.analysis.effective import effective_robustness
from transfergain.analysis.gain import Cell
from transfergain.analysis.rows import GainRow, Measure, RobustnessRow
from transfergain.analysis.stats import Values
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.split import TEST, Kind, Split

GAIN_MEASURES = {Kind.SHIFT: Measure.OOD_GAIN, Kind.PERTURBED: Measure.PERTURBATION_GAIN}
"""Kind of split -> what a gain on it is called here."""


def rows(trials: DatasetTrials, gains: Sequence[GainRow]) -> list[RobustnessRow]:
    """Measure one data set; `gains` are those of `analysis.gain`."""
    found = [*_gains(trials, gains)]
    for cells in trials.cells.values():
        for cell in cells.values():
            for split in cell.splits():
                if split.kind is Kind.SHIFT:
                    found += _transfer(trials, cell, split)
                elif split.kind is Kind.PERTURBED:
                    found.append(_drop(trials, cell, split))
    for cells in trials.treated.values():
        for split in _shifts(cells):
            found.append(effective_robustness(trials, cells, split))
    return found


def _shifts(cells: Mapping[int, Cell]) -> list[Split]:
    return list(dict.fromkeys(split for cell in cells.values() for split in cell.splits() if split.kind is Kind.SHIFT))


def _gains(trials: DatasetTrials, gains: Sequence[GainRow]) -> Iterator[RobustnessRow]:
    """Repeat the rows of gains on those splits, as they are."""
    for gain, repeated in trials.repeated(gains):
        if measure := GAIN_MEASURES.get(gain.split.kind):
            yield RobustnessRow(**repeated, measure=measure)


def _transfer(trials: DatasetTrials, cell: Cell, split: Split) -> list[RobustnessRow]:
    """Measure `gap` and `retention` of one arm: its own scores, at home and away."""
    seeds = common([cell], split)
    home, away = trials.values(cell, TEST, seeds), trials.values(cell, split, seeds)
    inside, outside = float(home.scores.mean()), float(away.scores.mean())
    start = f"{trials.dataset}: {cell.arm} with {cell.budget:,} labels"
    gap = stats.sum_interval(inside - outside, [home, _times(away, -1.0)])
    less = words.plain(gap.estimate, gap.low, gap.high)
    gap_row = RobustnessRow(
        **trials.place(cell, split),
        measure=Measure.GAP,
        reference="",
        n_seeds=len(seeds),
        estimate=gap.estimate,
        low=gap.low,
        high=gap.high,
        sentence=f"{start} scores {less} less on {split.title} than at home.",
    )
    kept, sentence = None, f"{start} scores 0 at home: no retention."
    if inside > 0:
        ratio = outside / inside
        kept = stats.sum_interval(ratio, [_times(away, 1 / inside), _times(home, -ratio / inside)])
        sentence = f"{start} keeps {100 * ratio:.0f} % of its score on {split.title}"
        if kept.low is not None and kept.high is not None:
            sentence += f" ({words.LEVEL} {100 * kept.low:.0f} to {100 * kept.high:.0f} %)"
        sentence += "."
    retention = RobustnessRow(
        **trials.place(cell, split),
        measure=Measure.RETENTION,
        reference="",
        n_seeds=len(seeds),
        estimate=kept.estimate if kept else None,
        low=kept.low if kept else None,
        high=kept.high if kept else None,
        sentence=sentence,
    )
    return [gap_row, retention]


def _times(part: Values, factor: float) -> Values:
    return Values(factor * part.scores, factor * part.values)


def unseen(cells: Sequence[Cell]) -> set[Split]:
    """Find the perturbed splits in which a trial of these cells reads the very tokens of the test set."""
    return {
        split
        for cell in cells
        for outcome in cell.outcomes.values()
        for split in outcome.evaluated
        if split in outcome.details.read_as_test
    }


def _drop(trials: DatasetTrials, cell: Cell, split: Split) -> RobustnessRow:
    """Measure `perturbation_drop`: what a perturbation costs one arm, paired by test cluster."""
    seeds = common([cell], split)
    result = stats.interval(*trials.values(cell, TEST, seeds).minus(trials.values(cell, split, seeds)))
    loss = words.plain(result.estimate, result.low, result.high)
    sentence = f"{trials.dataset}: {cell.arm} with {cell.budget:,} labels loses {loss} to {split.title}."
    if split in unseen([cell]):
        sentence = f"{trials.dataset}: {cell.arm} reads {split.title} as the test set itself: its tokenizer undoes it."
    return RobustnessRow(
        **trials.place(cell, split),
        measure=Measure.PERTURBATION_DROP,
        reference="",
        n_seeds=len(seeds),
        estimate=result.estimate,
        low=result.low,
        high=result.high,
        sentence=sentence,
    )

"""Measure arms on shifted and perturbed test sets: gain, gap, retention, drop (docs/methods.md, robustness)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

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
    for cells in trials.treated.values() if trials.has_scratch else ():
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
    gap = _possible_loss(stats.sum_interval(inside - outside, [home, _times(away, -1.0)]), inside)
    gap_row = RobustnessRow(
        **trials.place(cell, split),
        measure=Measure.GAP,
        reference="",
        n_seeds=len(seeds),
        estimate=gap.estimate,
        low=gap.low,
        high=gap.high,
        sentence=f"{start} scores {_loss(gap)} on {split.title} than at home.",
    )
    kept, sentence = None, f"{start} scores 0 at home, so there is nothing to keep on {split.title}."
    if inside > 0:
        ratio = outside / inside
        kept = stats.sum_interval(ratio, [_times(away, 1 / inside), _times(home, -ratio / inside)])
        if kept.low is not None and kept.high is not None:
            kept = replace(kept, low=max(0.0, kept.low), high=min(1 / inside, kept.high))
        sentence = f"{start} keeps {words.scored(ratio, kept.low, kept.high)} of its score on {split.title}."
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


def _possible_loss(found: stats.Estimate, before: float) -> stats.Estimate:
    """Cut the interval of a loss from the mean score `before` at what is possible."""
    return stats.possible_gain(found, 1 - before)


def _loss(found: stats.Estimate) -> str:
    """Write `9.1 points less (95 %: 5.0 to 13.2)`, or of a loss below 0 `1.2 points more (95 %: -0.5 to 2.9)`."""
    sign, word = (1, "less") if found.estimate >= 0 else (-1, "more")
    text = f"{words.in_percent(sign * found.estimate)} points {word}"
    if found.low is None or found.high is None:
        return text
    low, high = sorted((100 * sign * found.low, 100 * sign * found.high))
    return f"{text} (95 %: {low:z.1f} to {high:z.1f})"


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
    home = trials.values(cell, TEST, seeds)
    result = stats.interval(*home.minus(trials.values(cell, split, seeds)))
    result = _possible_loss(result, float(home.scores.mean()))
    where = f"on {split.title} than on the test set as it is"
    sentence = f"{trials.dataset}: {cell.arm} with {cell.budget:,} labels scores {_loss(result)} {where}."
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

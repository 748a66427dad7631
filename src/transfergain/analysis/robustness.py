"""Scores on shifted and perturbed test sets: gain, gap, retention, effective robustness (docs/methods.md, robustness)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transfergain.analysis import stats, words
from transfergain.analysis.effective import effective_robustness
from transfergain.analysis.gain import Cell
from transfergain.analysis.stats import Values
from transfergain.analysis.view import Row, View, common
from transfergain.perturbations import PREFIX

SHIFT = "shift:"


def rows(view: View, gains: Sequence[Mapping[str, Any]]) -> list[Row]:
    """All rows of one data set; `gains` are those of `analysis.gain`."""
    found = [*_gains(view, gains)]
    for cells in view.cells.values():
        for cell in cells.values():
            for split in cell.splits():
                if split.startswith(SHIFT):
                    found += _transfer(view, cell, split)
                elif split.startswith(PREFIX):
                    found.append(_drop(view, cell, split))
    for cells in view.treated.values():
        for split in _shifts(cells):
            found.append(effective_robustness(view, cells, split))
    return found


def _shifts(cells: Mapping[int, Cell]) -> list[str]:
    return list(dict.fromkeys(split for cell in cells.values() for split in cell.splits() if split.startswith(SHIFT)))


def _gains(view: View, gains: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """`ood_gain` and `perturbation_gain`: the rows of gains on those splits, as they are."""
    for gain in gains:
        kind = {SHIFT: "ood_gain", PREFIX: "perturbation_gain"}.get(gain["split"].partition(":")[0] + ":")
        if kind and (gain["dataset"], gain["metric"]) == (view.dataset, view.metric):
            cell = view.cells[gain["arm"]][gain["budget"]]
            keys = ("estimate", "low", "high", "n_seeds", "verdict", "sentence")
            yield view.row(kind, cell, gain["split"], **{key: gain[key] for key in keys})


def _transfer(view: View, cell: Cell, split: str) -> list[Row]:
    """`gap` and `retention` of one arm: its own scores, at home and away."""
    seeds, name = common([cell], split), words.split_name(split)
    home, away = view.values(cell, "test", seeds), view.values(cell, split, seeds)
    inside, outside = float(home.scores.mean()), float(away.scores.mean())
    start = f"{view.dataset}: {cell.arm} with {cell.budget:,} labels"
    gap = stats.sum_interval(inside - outside, [home, _times(away, -1.0)])
    known = {"n_seeds": len(seeds), "reference": ""}
    found = [
        view.row(
            "gap", cell, split, **known, estimate=gap.estimate, low=gap.low, high=gap.high,
            sentence=f"{start} scores {words.plain(gap.estimate, gap.low, gap.high)} less on {name} than at home.",
        )
    ]  # fmt: skip
    if inside <= 0:
        return [*found, view.row("retention", cell, split, **known, sentence=f"{start} scores 0 at home: no retention.")]
    ratio = outside / inside
    kept = stats.sum_interval(ratio, [_times(away, 1 / inside), _times(home, -ratio / inside)])
    sentence = f"{start} keeps {100 * ratio:.0f} % of its score on {name}"
    if kept.low is not None and kept.high is not None:
        sentence += f" ({words.LEVEL} {100 * kept.low:.0f} to {100 * kept.high:.0f} %)"
    keys = {"estimate": ratio, "low": kept.low, "high": kept.high, "sentence": f"{sentence}."}
    return [*found, view.row("retention", cell, split, **known | keys)]


def _times(part: Values, factor: float) -> Values:
    return Values(factor * part.scores, factor * part.values)


def unseen(cells: Sequence[Cell]) -> set[str]:
    """The perturbed splits in which trials of these cells read the very tokens of the test set."""
    return {split for cell in cells for o in cell.outcomes.values() for split in o.details.get("read_as_test", ())}


def _drop(view: View, cell: Cell, split: str) -> Row:
    """`perturbation_drop`: what a perturbation costs one arm, paired by test cluster."""
    seeds = common([cell], split)
    result = stats.interval(*view.values(cell, "test", seeds).minus(view.values(cell, split, seeds)))
    loss, noise = words.plain(result.estimate, result.low, result.high), words.split_name(split)
    sentence = f"{view.dataset}: {cell.arm} with {cell.budget:,} labels loses {loss} to {noise}."
    if split in unseen([cell]):
        sentence = f"{view.dataset}: {cell.arm} reads {noise} as the test set itself: its tokenizer undoes it."
    return view.row(
        "perturbation_drop", cell, split, reference="", n_seeds=len(seeds),
        estimate=result.estimate, low=result.low, high=result.high, sentence=sentence,
    )  # fmt: skip

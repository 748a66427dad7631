"""Measure adapting to a shifted domain with k of its labels, and the ladder of arms (docs/methods.md, adaptation)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, invert
from transfergain.analysis.rows import AdaptationRow, Censored, GainRow, Measure, Verdict
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.arms import REFERENCE
from transfergain.outcome import AdaptationDetails
from transfergain.split import TEST, Kind, Split, adapted, shift

ENOUGH_GAIN_SHARE = 0.95
"""Share of the gain by adapting everything, that counts as adapted."""
Grid = Mapping[str, Mapping[str, Sequence[int]]]
"""Shift -> method -> the numbers of its labels (k) that a cell was adapted with, in order."""


def rows(trials: DatasetTrials, gains: Sequence[GainRow]) -> tuple[list[AdaptationRow], list[AdaptationRow]]:
    """Measure one data set: (rows for findings, rows in seconds for timings)."""
    found = [*_gains(trials, gains)]
    for cells in trials.cells.values():
        for cell in cells.values():
            for name, methods in _grid(cell).items():
                if cell.budget in trials.reference and cell.arm != REFERENCE:
                    found += _equivalents(trials, cell, trials.reference[cell.budget], name, methods)
                found.append(_effort(trials, cell, name, methods))
    ladder, timed = _ladder(trials)
    return found + ladder, timed


def _grid(cell: Cell) -> Grid:
    grid: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for split in cell.splits():
        if split.kind is Kind.ADAPTED:
            grid[split.name][split.method].append(split.labels)
    return {name: {method: sorted(ks) for method, ks in methods.items()} for name, methods in grid.items()}


def _after(name: str, k: int, method: str) -> Split:
    """Name a shift after adapting with k of its labels; with none, as the arm met it."""
    return adapted(name, k, method) if k else shift(name)


def _gains(trials: DatasetTrials, gains: Sequence[GainRow]) -> Iterator[AdaptationRow]:
    """Repeat the rows of gains on adapted splits; k = 0 is the shift as the arm met it."""
    for gain, repeated in trials.repeated(gains):
        cell, split = trials.cells[gain.arm][gain.budget], gain.split
        if split.kind is Kind.ADAPTED or (split.kind is Kind.SHIFT and split.name in _grid(cell)):
            yield AdaptationRow(**repeated, measure=Measure.ADAPTED_SCORE_GAIN, k=split.labels, method=split.method)


def _equivalents(
    trials: DatasetTrials, cell: Cell, reference: Cell, name: str, methods: Mapping[str, Sequence[int]]
) -> Iterator[AdaptationRow]:
    """Find the target labels with which adapting scratch by the same method scores as much, for each method and k."""
    there = _grid(reference).get(name, {})
    for method, mine in methods.items():
        curve = [shift(name), *(adapted(name, k, method) for k in there.get(method, []))]
        for k in (0, *mine):
            yield _equivalent(trials, cell, reference, adapted(name, k, method), curve)


def _equivalent(trials: DatasetTrials, cell: Cell, reference: Cell, goal: Split, curve: Sequence[Split]) -> AdaptationRow:
    """Measure one `target_label_equivalent`: `curve` is scratch on the shift and after each of its adaptations."""
    name, k, method, n_max = goal.name, goal.labels, goal.method, curve[-1].labels
    split = _after(name, k, method)
    look = trials.look_at(sorted(set(common([cell], split)).intersection(*(common([reference], other) for other in curve))))
    seeds = look.seeds
    row = AdaptationRow(
        **trials.place(cell, split),
        measure=Measure.TARGET_LABEL_EQUIVALENT,
        reference=REFERENCE,
        k=k,
        method=method,
        n_max=n_max,
        n_seeds=len(seeds),
    )
    if len(curve) < 2 or not seeds:
        sentence = f"{trials.dataset}: {REFERENCE} was not adapted to {name} by {method} in the seeds of {cell.arm}."
        return replace(row, sentence=sentence)
    values = [trials.values(reference, other, seeds) for other in curve]
    found = _in_labels(invert(trials.values(cell, split, seeds), values, [math.log1p(s.labels) for s in curve], look.design))
    verdict, endless = _judge(found, k, look.begun), trials.endless([cell], [reference], look)
    score = f"{trials.dataset}: what {cell.arm} scores on {name} with {k:,} of its labels"
    needs = f"takes {REFERENCE} {_amount(found, n_max)} (both by {method}{_interval(found)}{look.clause})"
    row = replace(row, **found._asdict(), verdict=verdict, endless=endless, level=look.level)
    return replace(row, sentence=f"{score} {needs}: {verdict}{words.with_endless(row)}.")


def _in_labels(found: Inverse) -> Inverse:
    """Turn what was found on a curve over log(1 + labels) into labels."""
    estimate, low, high = (None if x is None else max(0.0, math.expm1(x)) for x in found[:1] + found[2:4])
    assert estimate is not None
    return found._replace(estimate=estimate, low=low, high=high)


def _amount(found: Inverse, n_max: int) -> str:
    if found.censored is Censored.ABOVE:
        return f"more than {n_max:,}"
    return "none, and scores more" if found.censored is Censored.BELOW else words.number(found.estimate)


def _interval(found: Inverse) -> str:
    """Say the interval. Nothing lies below no labels at all, so only the upper end is ever open."""
    if found.low is None:
        return ""
    return f", {words.measured_interval(found.low, found.high, False, found.high_open, words.number)}"


def _judge(found: Inverse, k: int, begun: bool) -> Verdict:
    """Judge an arm adapted with k labels by how many scratch takes."""
    if found.low is None or found.high is None or not begun:
        return Verdict.INCONCLUSIVE
    if found.low > k or (found.low == found.high and found.high_open and found.low >= k):
        return Verdict.SUPPORTED
    return Verdict.NEGATIVE_TRANSFER if found.high < k and not found.high_open else Verdict.INCONCLUSIVE


def _detail(cell: Cell, split: Split, detail: Callable[[AdaptationDetails], float | None]) -> float | None:
    """Average a detail of adapting over seeds; None where no seed has it."""
    found = [o.details.adapted[split] for o in cell.outcomes.values() if split in o.details.adapted]
    known = [float(x) for details in found if (x := detail(details)) is not None]
    return float(np.mean(known)) if known else None


def _effort(trials: DatasetTrials, cell: Cell, name: str, methods: Mapping[str, Sequence[int]]) -> AdaptationRow:
    """Find the method with the fewest trained parameters that reaches ENOUGH_GAIN_SHARE of the gain by adapting the most."""
    k = max(k for ks in methods.values() for k in ks)
    sizes = {m: _detail(cell, adapted(name, k, m), attrgetter("trained_parameters")) for m, ks in methods.items() if k in ks}
    known = sorted((n, m) for m, n in sizes.items() if n is not None)
    most = known[-1][1] if known else next(iter(methods))
    row = AdaptationRow(**trials.place(cell, adapted(name, k, most)), measure=Measure.EFFORT, reference="", k=k, shares={})
    start = f"{trials.dataset}: {cell.arm} on {name} with {k:,} of its labels"
    if not known:
        return replace(row, sentence=f"{start}: the trained parameters are not recorded.")
    splits = {m: adapted(name, k, m) for _, m in known}
    seeds = [r for r in common([cell], shift(name)) if all(s in cell.outcomes[r].evaluated for s in splits.values())]
    row = replace(row, n_seeds=len(seeds))
    if not seeds:
        return replace(row, sentence=f"{start}: no seed was adapted by every method.")
    before = float(trials.values(cell, shift(name), seeds).scores.mean())
    after = {m: float(trials.values(cell, s, seeds).scores.mean()) for m, s in splits.items()}
    whole = after[most] - before
    if whole <= 0:
        nothing = f"adapting by {most} gains nothing ({words.from_to(before, after[most])}), so no effort is enough."
        return replace(row, sentence=f"{start}: {nothing}")
    shares = {m: (score - before) / whole for m, score in after.items()}
    parameters, method = next((n, m) for n, m in known if shares[m] >= ENOUGH_GAIN_SHARE)
    steps = _detail(cell, splits[method], attrgetter("best_step"))
    text = f"{start}: {method} reaches {100 * shares[method]:.0f} % of the gain by {most}"
    taken = f" in {words.of_unit(words.number(steps), 'steps')}" if steps else ""
    text += f" with {words.number(parameters)} trained parameters{taken}."
    row = replace(row, split=splits[method], method=method, shares=shares, sentence=text)
    return replace(row, estimate=parameters, trained_parameters=parameters, steps=steps)


def _ladder(trials: DatasetTrials) -> tuple[list[AdaptationRow], list[AdaptationRow]]:
    """Rank every pretrained arm at its largest budget by trained parameters, against the one that trains most."""
    tops = [cells[max(cells)] for cells in trials.treated.values()]
    sized = sorted(((_parameters(cell), cell.arm, cell) for cell in tops), key=lambda item: item[:2])
    found = [_rung(trials, cell, sized[-1][2]) for _, _, cell in sized]
    return found, [timed for (_, _, cell), row in zip(sized, found, strict=True) if (timed := _timed(cell, row))]


def _rung(trials: DatasetTrials, cell: Cell, best: Cell) -> AdaptationRow:
    """Measure one `ladder` row: the arm's score, and what it costs against the arm that trains most."""
    parameters, largest = _parameters(cell), _parameters(best)
    seeds, own = common([cell, best]) if cell.budget == best.budget else [], common([cell])
    score = stats.of_score(trials.values(cell, TEST, own))
    row = AdaptationRow(
        **trials.place(cell, TEST),
        measure=Measure.LADDER,
        reference=best.arm,
        n_seeds=len(own),
        estimate=score.estimate,
        low=score.low,
        high=score.high,
        trained_parameters=parameters or None,
    )
    text = f"{trials.dataset}: {cell.arm} scores {words.scored(score.estimate, score.low, score.high)}"
    if parameters and largest:
        share = "" if cell is best else f" ({_percent(parameters / largest)} of {best.arm}'s)"
        text += f", training {words.number(parameters)} parameters{share}"
    if seeds and cell is not best:
        own_here = trials.values(cell, TEST, seeds)
        costs = stats.interval(*trials.values(best, TEST, seeds).minus(own_here))
        costs = stats.possible_gain(costs, float(own_here.scores.mean()))
        ends = (None, None) if costs.low is None or costs.high is None else (-costs.high, -costs.low)
        text += f"; {words.gained(-costs.estimate, *ends)} against {best.arm}"
        row = replace(row, costs=costs.estimate, costs_low=costs.low, costs_high=costs.high)
    return replace(row, sentence=f"{text}.")


def _timed(cell: Cell, row: AdaptationRow) -> AdaptationRow | None:
    """Restate a row of the ladder in seconds of training; None where they were not recorded."""
    seconds = [s for r in common([cell]) if (s := cell.outcomes[r].details.train_seconds) is not None]
    if not seconds:
        return None
    mean = float(np.mean(seconds))
    sentence = f"{row.dataset}: {cell.arm} trains {words.number(mean)} seconds."
    return replace(row, measure=Measure.EFFORT, unit="seconds", estimate=mean, low=None, high=None, sentence=sentence)


def _parameters(cell: Cell) -> float:
    """Return the trained parameters of an arm; 0 where they were not recorded."""
    return float(max((o.details.trained_parameters or 0 for o in cell.outcomes.values()), default=0))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1g} %"

"""Adapting to a shifted domain with k of its labels, and the ladder of arms (docs/methods.md, adaptation)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, invert
from transfergain.analysis.view import Row, View, common
from transfergain.arms import REFERENCE

PREFIX = "adapted:"
SHARE = 0.95
"""Of the gain by adapting everything, that counts as adapted."""


class Adapted(NamedTuple):
    """A split `adapted:NAME@K/METHOD`."""

    name: str
    k: int
    method: str


def parse(split: str) -> Adapted | None:
    """The parts of an adapted split's name; None for other splits."""
    if not split.startswith(PREFIX):
        return None
    name, _, setting = split.removeprefix(PREFIX).rpartition("@")
    k, _, method = setting.partition("/")
    return Adapted(name, int(k), method)


def rows(view: View, gains: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[Row]]:
    """(rows for findings, rows in seconds for timings) of one data set."""
    found = [*_gains(view, gains)]
    for cells in view.cells.values():
        for cell in cells.values():
            for name, methods in _grid(cell).items():
                if cell.budget in view.reference and cell.arm != REFERENCE:
                    found += _equivalents(view, cell, view.reference[cell.budget], name, methods)
                found.append(_effort(view, cell, name, methods))
    ladder, timed = _ladder(view)
    return found + ladder, timed


def _grid(cell: Cell) -> dict[str, dict[str, list[int]]]:
    """Shift -> method -> its k, in order."""
    grid: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for split in cell.splits():
        if adapted := parse(split):
            grid[adapted.name][adapted.method].append(adapted.k)
    return {name: {method: sorted(ks) for method, ks in methods.items()} for name, methods in grid.items()}


def _split(name: str, k: int, method: str) -> str:
    return f"{PREFIX}{name}@{k}/{method}" if k else f"shift:{name}"


def _gains(view: View, gains: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """`adapted_score_gain`: the rows of gains on adapted splits; k = 0 is the shift as the arm met it."""
    for gain in gains:
        if (gain["dataset"], gain["metric"]) != (view.dataset, view.metric):
            continue
        cell, split = view.cells[gain["arm"]][gain["budget"]], gain["split"]
        adapted = parse(split)
        if not adapted and split.removeprefix("shift:") in _grid(cell):
            adapted = Adapted(split.removeprefix("shift:"), 0, "")
        if adapted:
            keys = ("estimate", "low", "high", "n_seeds", "verdict", "sentence")
            known = {key: gain[key] for key in keys}
            yield view.row("adapted_score_gain", cell, split, **known, k=adapted.k, method=adapted.method)


def _equivalents(view: View, cell: Cell, reference: Cell, name: str, methods: Mapping[str, Sequence[int]]) -> Iterator[Row]:
    """`target_label_equivalent`: target labels with which adapting scratch by the same method scores as much."""
    there = _grid(reference).get(name, {})
    for method, mine in methods.items():
        ks = [0, *there.get(method, [])]
        splits = [_split(name, k, method) for k in ks]
        for k in (0, *mine):
            split = _split(name, k, method)
            seeds = sorted(set(common([cell], split)).intersection(*(common([reference], other) for other in splits)))
            base = {"k": k, "method": method, "n_max": ks[-1], "n_seeds": len(seeds)}
            if len(ks) < 2 or not seeds:
                sentence = f"{view.dataset}: {REFERENCE} was not adapted to {name} by {method} in the seeds of {cell.arm}."
                yield view.row("target_label_equivalent", cell, split, **base, sentence=sentence)
                continue
            curve = [view.values(reference, other, seeds) for other in splits]
            found = _in_labels(invert(view.values(cell, split, seeds), curve, [math.log1p(k) for k in ks]))
            verdict, still = view.settled(_word(found, k), [cell], [reference], seeds)
            score = f"{view.dataset}: what {cell.arm} scores on {name} with {k:,} of its labels"
            needs = f"takes {REFERENCE} {_amount(found, ks[-1])} (both by {method}{_interval(found)}{still})"
            base |= found._asdict() | {"verdict": verdict, "sentence": f"{score} {needs}: {verdict}."}
            yield view.row("target_label_equivalent", cell, split, **base)


def _in_labels(found: Inverse) -> Inverse:
    """What was found on a curve over log(1 + labels), in labels."""
    estimate, low, high = (None if x is None else max(0.0, math.expm1(x)) for x in found[:1] + found[2:4])
    assert estimate is not None
    return found._replace(estimate=estimate, low=low, high=high)


def _amount(found: Inverse, n_max: int) -> str:
    return {"above": f"more than {n_max:,}", "below": "none, and scores more", "": words.number(found.estimate)}[
        found.censored
    ]


def _interval(found: Inverse) -> str:
    """Nothing lies below no labels at all, so only the upper end is ever said to be open."""
    if found.low is None:
        return ""
    return f", {words.measured_interval(found.low, found.high, False, found.high_open, words.number)}"


def _word(found: Inverse, k: int) -> str:
    """The verdict of an arm adapted with k labels, by how many scratch takes."""
    if found.low is None or found.high is None:
        return "inconclusive"
    if found.low > k or (found.low == found.high and found.high_open and found.low >= k):
        return "supported"
    return "negative transfer" if found.high < k and not found.high_open else "inconclusive"


def _detail(cell: Cell, split: str, key: str) -> float | None:
    """The mean over seeds of a detail of adapting; None where no seed has it."""
    found = [o.details.get("adapted", {}).get(split, {}).get(key) for o in cell.outcomes.values()]
    known = [float(x) for x in found if x is not None]
    return float(np.mean(known)) if known else None


def _effort(view: View, cell: Cell, name: str, methods: Mapping[str, Sequence[int]]) -> Row:
    """`effort`: the method with the fewest trained parameters that reaches 95 % of what adapting most of them gains."""
    k = max(k for ks in methods.values() for k in ks)
    size = {m: _detail(cell, _split(name, k, m), "trained_parameters") for m, ks in methods.items() if k in ks}
    known = sorted((n, m) for m, n in size.items() if n is not None)
    base: Row = {"k": k, "method": "", "trained_parameters": None, "steps": None, "shares": {}, "reference": ""}
    start = f"{view.dataset}: {cell.arm} on {name} with {k:,} of its labels"
    split = _split(name, k, known[-1][1] if known else next(iter(methods)))
    if not known:
        return view.row("effort", cell, split, **base, sentence=f"{start}: the trained parameters are not recorded.")
    seeds = common([cell], _split(name, 0, ""))
    seeds = [r for r in seeds if all(_split(name, k, m) in cell.outcomes[r].evaluated for _, m in known)]
    base["n_seeds"] = len(seeds)
    if not seeds:
        return view.row("effort", cell, split, **base, sentence=f"{start}: no seed was adapted by every method.")
    before = float(view.values(cell, _split(name, 0, ""), seeds).scores.mean())
    after = {m: float(view.values(cell, _split(name, k, m), seeds).scores.mean()) for _, m in known}
    most = known[-1][1]
    whole = after[most] - before
    if whole <= 0:
        sentence = f"{start}: adapting by {most} gains nothing ({before:.3f} to {after[most]:.3f}), so no effort is enough."
        return view.row("effort", cell, split, **base, sentence=sentence)
    base["shares"] = {m: (score - before) / whole for m, score in after.items()}
    parameters, method = next((n, m) for n, m in known if base["shares"][m] >= SHARE)
    steps = _detail(cell, _split(name, k, method), "best_step")
    text = f"{start}: {method} reaches {100 * base['shares'][method]:.0f} % of the gain by {most}"
    text += f" with {words.number(parameters)} trained parameters" + (f" in {words.number(steps)} steps." if steps else ".")
    base |= {"method": method, "trained_parameters": parameters, "steps": steps}
    return view.row("effort", cell, _split(name, k, method), **base, estimate=parameters, sentence=text)


def _ladder(view: View) -> tuple[list[Row], list[Row]]:
    """`ladder`: every pretrained arm at its largest budget, by trained parameters, against the one that trains most."""
    tops = [cells[max(cells)] for cells in view.treated.values()]
    sized = sorted(((_parameters(cell), cell.arm, cell) for cell in tops), key=lambda item: item[:2])
    found, timed = list[Row](), list[Row]()
    for parameters, _, cell in sized:
        best, largest = sized[-1][2], sized[-1][0]
        seeds = common([cell, best]) if cell.budget == best.budget else []
        own = common([cell])
        score = stats.of_score(view.values(cell, "test", own))
        costs = None
        if seeds and cell is not best:
            costs = stats.interval(*view.values(best, "test", seeds).minus(view.values(cell, "test", seeds)))
        row = view.row(
            "ladder", cell, "test", reference=best.arm, n_seeds=len(own),
            estimate=score.estimate, low=score.low, high=score.high, trained_parameters=parameters or None,
            costs=costs and costs.estimate, costs_low=costs and costs.low,
            costs_high=costs and costs.high,
        )  # fmt: skip
        text = f"{view.dataset}: {cell.arm} scores {words.plain(score.estimate, score.low, score.high)}"
        if parameters and largest:
            text += f", training {words.number(parameters)} parameters ({_percent(parameters / largest)} of {best.arm}'s)"
        if costs:
            ends = (None, None) if costs.low is None or costs.high is None else (-costs.high, -costs.low)
            text += f"; {words.signed(-costs.estimate, *ends)} against {best.arm}"
        found.append(row | {"sentence": f"{text}."})
        seconds = [s for r in own if (s := cell.outcomes[r].details.get("train_seconds")) is not None]
        if seconds:
            mean = float(np.mean(seconds))
            timed.append(row | {"measure": "effort", "unit": "seconds", "estimate": mean, "low": None, "high": None,
                                "sentence": f"{view.dataset}: {cell.arm} trains {words.number(mean)} seconds."})  # fmt: skip
    return found, timed


def _parameters(cell: Cell) -> float:
    """Trained parameters of an arm; 0 where they were not recorded."""
    return float(max((o.details.get("trained_parameters") or 0 for o in cell.outcomes.values()), default=0))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1g} %"

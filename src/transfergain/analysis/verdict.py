"""Judge claims: what an interval says about one, and what would settle it."""

from __future__ import annotations

from typing import NamedTuple

from transfergain.analysis import words
from transfergain.analysis.power import detectable, needed
from transfergain.analysis.rows import Verdict
from transfergain.analysis.stats import ROUNDING, Design, Estimate
from transfergain.counts import counted

ALPHA = 0.05
RATIO_MARGIN = 1.25
"""The smallest ratio of labels or of training cost that matters: a saving of a fifth."""

VERDICTS = {
    Verdict.SUPPORTED: "Holm-corrected p below .05 and the interval above 0",
    Verdict.NEGATIVE_TRANSFER: "the interval lies below 0: the pretrained arm is worse",
    Verdict.NOT_SUPPORTED: "the interval lies below the margin: no gain that matters",
    Verdict.INCONCLUSIVE: "the interval holds both no gain and a gain that matters, or Holm-corrected p is .05 or more",
}
"""What each verdict on a gain at equal training means, for readers."""


class Judgement(NamedTuple):
    """A verdict, and the clause that explains it."""

    verdict: Verdict
    why: str
    seeds: int | None = None
    """Seeds that would probably settle an inconclusive one, where seeds would."""


def judge(result: Estimate, p_holm: float | None, margin: float, looks: Design | None = None) -> Judgement:
    """Judge one gain at equal training (docs/methods.md): `margin` is the smallest gain that matters, in score.

    `looks` are those of the study that `result` is from; None is a single look.
    """
    if result.low is None or result.high is None or p_holm is None:
        return Judgement(Verdict.INCONCLUSIVE, "one seed shows no variance between seeds; run at least 3")
    if looks is not None and result.components is not None and not looks.begun(result.components.seeds):
        return Judgement(Verdict.INCONCLUSIVE, f"{words.seeds(result.components.seeds)}, fewer than the first look takes")
    points = words.margin(margin)
    if result.low == result.high:
        verdict = Verdict.SUPPORTED if result.estimate > 0 else Verdict.NOT_SUPPORTED
        verdict = Verdict.NEGATIVE_TRANSFER if result.estimate < 0 else verdict
        return Judgement(verdict, "no variance at all between seeds and test examples")
    if result.low > 0 and p_holm < ALPHA:
        least = f"at least {points}" if result.low >= margin else f"maybe less than {points}"
        return Judgement(Verdict.SUPPORTED, least)
    if result.high < 0:
        return Judgement(Verdict.NEGATIVE_TRANSFER, "it is worse")
    if result.high < margin:
        return Judgement(Verdict.NOT_SUPPORTED, f"a gain of {points} or more is ruled out")
    if result.low > 0:
        why = f"above 0 on its own, but p = {p_holm:.2f} after Holm's correction over the data sets"
        return Judgement(Verdict.INCONCLUSIVE, why)
    return _what_it_takes(result, margin, looks)


def judge_ratio(
    low: float | None, high: float | None, low_open: bool = False, high_open: bool = False, *, begun: bool = True
) -> Verdict:
    """Judge a ratio such as a speed-up by its interval; an open end lies anywhere beyond. Nothing is decided until the
    study's looks have begun.

    *Supported* above 1, *negative transfer* below 1, *not supported* where it also rules out RATIO_MARGIN.
    """
    if low is None or high is None or not begun:
        return Verdict.INCONCLUSIVE
    beyond = low == high and low_open != high_open  # all of the interval lies beyond the one end that is open
    if (low > 1 and not low_open) or (low >= 1 and beyond and high_open):
        return Verdict.SUPPORTED
    if (high < 1 and not high_open) or (high <= 1 and beyond and low_open):
        return Verdict.NEGATIVE_TRANSFER
    return Verdict.NOT_SUPPORTED if high < RATIO_MARGIN and not high_open else Verdict.INCONCLUSIVE


def judge_sign(low: float | None, high: float | None, no_effect: float = 0.0, *, begun: bool = True) -> Verdict:
    """Judge an estimate whose smallest difference from `no_effect` that matters is not known: above it is *supported*.

    Nothing is decided until the study's looks have begun.
    """
    if low is None or high is None or not begun:
        return Verdict.INCONCLUSIVE
    if low > no_effect + ROUNDING:
        return Verdict.SUPPORTED
    return Verdict.NEGATIVE_TRANSFER if high < no_effect - ROUNDING else Verdict.INCONCLUSIVE


def _what_it_takes(result: Estimate, margin: float, looks: Design | None) -> Judgement:
    if result.components is None:
        return Judgement(Verdict.INCONCLUSIVE, "the interval is too wide to tell; more runs or test examples narrow it")
    effect = max(abs(result.estimate), margin)
    seeds, clusters = needed(result.components, effect, looks)
    found = detectable(result.components, result.components.seeds, result.components.clusters, looks=looks)
    options = [counted(seeds, "seed")] if seeds else []
    options += [f"{clusters:,} test examples"] if clusters else []
    needs = f"needs about {' or '.join(options)}" if options else "needs far more seeds and test examples"
    return Judgement(Verdict.INCONCLUSIVE, f"{needs} (detectable now: {words.in_percent(found)} points)", seeds)

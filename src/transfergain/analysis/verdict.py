"""Verdicts in words: what an interval says about a claim, and what would settle it."""

from __future__ import annotations

from typing import NamedTuple

from transfergain.analysis.stats import Estimate, detectable, needed

ALPHA = 0.05
RATIO_MARGIN = 1.25
"""The smallest ratio of labels or of training cost that matters: a saving of a fifth."""

VERDICTS = {
    "supported": "Holm-corrected p below .05 and the interval above 0",
    "negative transfer": "the interval lies below 0: the pretrained arm is worse",
    "not supported": "the interval lies below the margin: no gain that matters",
    "inconclusive": "the interval holds both no gain and a gain that matters, or Holm-corrected p is .05 or more, or it "
    "speaks against an arm that was still improving at the step cap",
    "void": "the scratch arm was still improving at the step cap: no fair comparison",
}
STILL = "was still improving at the step cap"
AGAINST = ("negative transfer", "not supported")
"""What may be said of an arm only when it had its steps: more of them might have made it better."""


class Verdict(NamedTuple):
    """A word of VERDICTS, and the clause that explains it."""

    word: str
    why: str
    seeds: int | None = None
    """Seeds that would probably settle an inconclusive one, where seeds would."""
    cut_short: bool = False
    """Whether more training steps would settle it: half or more of an arm's runs were still improving at the step cap."""


def half(count: int, of: int) -> bool:
    """Whether so many runs that still improved at the step cap are too many."""
    return count > 0 and 2 * count >= of


def judge(
    result: Estimate, p_holm: float | None, margin: float, unconverged: int, seeds: int, arm_unconverged: int = 0
) -> Verdict:
    """The verdict on one gain (docs/methods.md): `margin` is the smallest gain that matters, in score.

    `unconverged` of the reference's `seeds` trials were still improving at the step cap; half of them or more voids it. As
    many of the arm's own leave open what would speak against it.
    """
    if half(unconverged, seeds):
        return Verdict("void", f"scratch {_cut_short(unconverged, seeds)}", cut_short=True)
    verdict = _judge(result, p_holm, margin)
    if verdict.word in AGAINST and half(arm_unconverged, seeds):
        return Verdict("inconclusive", f"the pretrained arm {_cut_short(arm_unconverged, seeds)}", cut_short=True)
    return verdict


def _cut_short(unconverged: int, seeds: int) -> str:
    return f"{STILL} in {unconverged} of {seeds} seeds: raise --epochs or --min-steps"


def _judge(result: Estimate, p_holm: float | None, margin: float) -> Verdict:
    """The verdict of the interval alone."""
    if result.low is None or result.high is None or p_holm is None:
        return Verdict("inconclusive", "one seed shows no variance between seeds; run at least 3")
    if result.low == result.high:
        word = "supported" if result.estimate > 0 else "negative transfer" if result.estimate < 0 else "not supported"
        return Verdict(word, "no variance at all between seeds and test examples")
    if result.low > 0 and p_holm < ALPHA:
        return Verdict("supported", "meaningful" if result.low >= margin else f"may be under {_points(margin)}")
    if result.high < 0:
        return Verdict("negative transfer", "the pretrained arm is worse")
    if result.high < margin:
        return Verdict("not supported", f"a gain of {_points(margin)} or more is ruled out")
    if result.low > 0:
        return Verdict(
            "inconclusive", f"above 0 on its own, but p = {p_holm:.2f} after Holm's correction over the data sets"
        )
    return _what_it_takes(result, margin)


def judge_ratio(low: float | None, high: float | None, low_open: bool = False, high_open: bool = False) -> str:
    """The word on a ratio such as a speed-up, from its interval; an open end lies anywhere beyond.

    *Supported* above 1, *negative transfer* below 1, *not supported* where it also rules out RATIO_MARGIN.
    """
    if low is None or high is None:
        return "inconclusive"
    beyond = low == high  # with an open end: all of the interval lies beyond it
    if (low > 1 and not low_open) or (low >= 1 and beyond and high_open):
        return "supported"
    if (high < 1 and not high_open) or (high <= 1 and beyond and low_open):
        return "negative transfer"
    return "not supported" if high < RATIO_MARGIN and not high_open else "inconclusive"


def judge_sign(low: float | None, high: float | None) -> str:
    """The word on a difference whose smallest size that matters is not known: `supported` is above 0."""
    if low is None or high is None:
        return "inconclusive"
    return "supported" if low > 0 else "negative transfer" if high < 0 else "inconclusive"


def _points(score: float) -> str:
    return "1 point" if score == 0.01 else f"{100 * score:g} points"


def _what_it_takes(result: Estimate, margin: float) -> Verdict:
    assert result.components is not None
    effect = max(abs(result.estimate), margin)
    seeds, clusters = needed(result.components, effect)
    found = detectable(result.components, result.components.seeds, result.components.clusters)
    options = [f"{seeds} seeds"] if seeds else []
    options += [f"{clusters:,} test examples"] if clusters else []
    needs = f"needs about {' or '.join(options)}" if options else "needs far more seeds and test examples"
    return Verdict("inconclusive", f"{needs} (detectable now: {100 * found:.1f} points)", seeds)

"""The four claims in the order of the report, each with one verdict and one sentence a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from transfergain.analysis import words
from transfergain.arms import REFERENCE
from transfergain.arms.full import FULL

BENEFITS = ("performance", "data efficiency", "convergence", "robustness")
NOT_MEASURED = "not measured"
Row = Mapping[str, Any]


class Tables(Protocol):
    """What of `Findings` is read here."""

    @property
    def gains(self) -> Sequence[Row]: ...
    @property
    def data_efficiency(self) -> Sequence[Row]: ...
    @property
    def convergence(self) -> Sequence[Row]: ...
    @property
    def robustness(self) -> Sequence[Row]: ...


def headline_arm(study: Mapping[str, Any]) -> str:
    """The arm that the first answer is about: full fine-tuning, or the study's first pretrained arm without it."""
    arms = [arm for arm in study["arms"] if arm != REFERENCE]
    return FULL.name if FULL.name in arms else arms[0] if arms else ""


def lead(study: Mapping[str, Any], data: Mapping[str, Any], tables: Tables) -> list[dict[str, Any]]:
    """One row a data set and benefit: benefit, dataset, arm, verdict, sentence.

    Which row leads is fixed by the plan, never by the outcome: the largest budget, but for data efficiency the smallest,
    where the range to measure a multiple of labels in is the widest.
    """
    arm, found = headline_arm(study), list[dict[str, Any]]()
    for dataset, entry in data.items():

        def mine(rows: Sequence[Row], dataset: str = dataset, metric: str = entry["metric"]) -> list[Row]:
            return [r for r in rows if (r["dataset"], r["arm"], r["metric"]) == (dataset, arm, metric)]

        answers = (
            _performance(mine(tables.gains)),
            _data_efficiency(mine(tables.data_efficiency)),
            _convergence(mine(tables.convergence)),
            _robustness(mine(tables.robustness)),
        )
        for benefit, (verdict, sentence) in zip(BENEFITS, answers, strict=True):
            sentence = sentence or f"{dataset}: {_nothing(benefit, arm)}."
            found.append({"benefit": benefit, "dataset": dataset, "arm": arm, "verdict": verdict, "sentence": sentence})
    return found


def _nothing(benefit: str, arm: str) -> str:
    if not arm:
        return f"the study has no arm beside {REFERENCE}"
    why = {"robustness": "no test set from another domain (--shift) and no perturbation"}
    return why.get(benefit, f"no seed of {arm} and {REFERENCE} has finished with the same labels")


def _top(rows: Sequence[Row]) -> list[Row]:
    largest = max((row["budget"] for row in rows), default=0)
    return [row for row in rows if row["budget"] == largest]


def _performance(gains: Sequence[Row]) -> tuple[str, str]:
    for row in _top([row for row in gains if row["split"] == "test"]):
        below = row["verdict"] == "supported" and row["below_floor"]
        return ("not supported" if below else row["verdict"]), row["sentence"]
    return NOT_MEASURED, ""


def _data_efficiency(rows: Sequence[Row]) -> tuple[str, str]:
    multipliers = sorted((r for r in rows if r["measure"] == "multiplier"), key=lambda r: r["budget"])
    if not multipliers:
        return NOT_MEASURED, ""
    first, *others = multipliers
    elsewhere = [r for r in others if r["verdict"] == "supported"]
    if elsewhere and first["verdict"] in ("inconclusive", "not supported", "negative transfer"):
        budgets = words.listed([f"{r['budget']:,}" for r in elsewhere])
        return "partly", f"{first['sentence'].removesuffix('.')}; supported with {budgets} labels."
    return first["verdict"], first["sentence"]


def _convergence(rows: Sequence[Row]) -> tuple[str, str]:
    for row in _top([row for row in rows if row["unit"] == "steps"]):
        return row["verdict"], row["sentence"]
    return NOT_MEASURED, ""


def _robustness(rows: Sequence[Row]) -> tuple[str, str]:
    gains = [r for r in _top(rows) if r["measure"] == "ood_gain"]
    if gains:
        return _shifted(gains, {r["split"]: r for r in rows if r["measure"] == "effective_robustness"})
    perturbed = [r for r in _top(rows) if r["measure"] == "perturbation_gain"]
    if not perturbed:
        return NOT_MEASURED, ""
    counts = [sum(r["verdict"] == word for r in perturbed) for word in ("supported", "negative transfer")]
    worst = min(perturbed, key=lambda r: r["estimate"])
    verdict = _together([r["verdict"] for r in perturbed])
    sentence = (
        f"{worst['dataset']}: {worst['arm']} gains on {counts[0]} of {len(perturbed)} perturbed test sets and loses on "
        f"{counts[1]}; least on {words.split_name(worst['split'])}, {_signed(worst)}."
    )
    return verdict, sentence


def _signed(row: Row) -> str:
    return words.signed(row["estimate"], row["low"], row["high"])


def _together(verdicts: Sequence[str]) -> str:
    """All alike: that; some supported: partly; else the most careful word."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if "supported" in verdicts:
        return "partly"
    return next(word for word in ("void", "inconclusive", "not supported", "negative transfer") if word in verdicts)


def _shifted(gains: Sequence[Row], effective: Mapping[str, Row]) -> tuple[str, str]:
    """Supported: better on every shift, and by more than the accuracy at home explains."""
    verdicts, parts = [], []
    for gain in gains:
        row, verdict = effective.get(gain["split"]), gain["verdict"]
        text = f"on {words.split_name(gain['split'])} {_signed(gain)}, {verdict}"
        if verdict == "supported":
            if row is None or row["estimate"] is None:
                verdict, text = "partly", f"{text}; whether beyond what its accuracy explains is not identifiable"
            elif row["verdict"] == "supported":
                text += f"; more robust than its accuracy explains ({_signed(row)} logits)"
            else:
                less = row["verdict"] == "negative transfer"
                verdict = "partly"
                text += f"; more accurate, {'less' if less else 'not more'} robust for its accuracy ({_signed(row)} logits)"
        verdicts.append(verdict)
        parts.append(text)
    verdict = "partly" if "partly" in verdicts else _together(verdicts)
    return verdict, f"{gains[0]['dataset']}: {gains[0]['arm']} {'. '.join(parts)}."

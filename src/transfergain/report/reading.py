"""What the report asks of findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transfergain.analysis.findings import Findings
from transfergain.arms import ARMS, REFERENCE
from transfergain.report.page.figures import MISSING, Row

BENEFITS = ("performance", "data efficiency", "convergence", "robustness")


def benefits(findings: Findings) -> list[Row]:
    """One row a data set and benefit for the arm that leads; those of gains alone where no other was analysed."""
    found: list[Row] = list(findings.benefits())
    if found:
        return found
    return [
        {"benefit": BENEFITS[0]} | {key: row[key] for key in ("dataset", "arm", "verdict", "sentence")}
        for row in findings.headline()
        if row["arm"] == leading_arm(findings, row["dataset"])
    ]


def top_budget(findings: Findings, dataset: str) -> int | None:
    """The largest budget with a gain, else with a score; None while nothing has finished."""
    for rows in (findings.gains, findings.scores):
        if found := [row["budget"] for row in rows if row["dataset"] == dataset]:
            return int(max(found))
    return None


def leading_arm(findings: Findings, dataset: str) -> str | None:
    """The first pretrained arm, in the order of the registry, that has a gain on the data set."""
    found = {row["arm"] for row in findings.gains if row["dataset"] == dataset}
    order = [name for name in ARMS if name in found] + sorted(found - set(ARMS))
    return next((name for name in order if name != REFERENCE), None)


def scores(findings: Findings, dataset: str, split: str, budget: int | None = None) -> list[Row]:
    """Rows of scores on the primary metric."""
    return [
        row for row in findings.primary(findings.scores)
        if row["dataset"] == dataset and row["split"] == split and budget in (None, row["budget"])
    ]  # fmt: skip


def of(rows: Iterable[Row], dataset: str, **wanted: Any) -> list[Row]:
    """Rows of a data set whose keys have the wanted values; a row without the key has none of them."""
    return [
        row for row in rows
        if row.get("dataset") == dataset and all(row.get(key) == value for key, value in wanted.items())
    ]  # fmt: skip


TIMES, COUNT, SHARE, DIFFERENCE, PLAIN = "{:.3g}×", "{:,.0f}", "{:.0%}", "{:+z.3f}", "{:.3f}"
MEASURES = {
    "label_equivalent": ("labels that scratch needs for the same score", COUNT),
    "multiplier": ("label-equivalents a label", TIMES),
    "label_saving": ("labels saved at scratch's best score", SHARE),
    "area": ("mean gain over the learning curve", DIFFERENCE),
    "speed_up": ("speed-up", TIMES),
    "ood_gain": ("gain out of domain", DIFFERENCE),
    "gap": ("change of the drop out of domain", DIFFERENCE),
    "retention": ("share of the score kept out of domain", PLAIN),
    "effective_robustness": ("robustness beyond what the test score implies", DIFFERENCE),
    "perturbation_gain": ("gain on perturbed text", DIFFERENCE),
    "perturbation_drop": ("score lost to the perturbation", DIFFERENCE),
    "adapted_score_gain": ("gain after adaptation", DIFFERENCE),
    "target_label_equivalent": ("target labels that scratch needs for the same score", COUNT),
    "effort": ("trained parameters for 95 % of full adaptation", COUNT),
    "ladder": ("score", PLAIN),
    "ece": ("expected calibration error, raw", PLAIN),
    "ece_scaled": ("expected calibration error, temperature-scaled", PLAIN),
    "brier": ("Brier score, raw", PLAIN),
    "brier_scaled": ("Brier score, temperature-scaled", PLAIN),
    "iqm": ("interquartile mean", PLAIN),
    "probability_of_improvement": ("probability of improvement", PLAIN),
    "tasks_supported": ("data sets with a gain", COUNT),
}
"""Measure -> its name in words, and how its figures are written."""
BOUNDS = {"above": "> ", "below": "< "}


def measure(row: Row) -> str:
    """What a row measures, in words."""
    name = str(row.get("measure") or "")
    words = MEASURES.get(name, (name.replace("_", " "), PLAIN))[0]
    return f"{words}, {row['unit']}" if row.get("unit") else words


def value(row: Row, key: str = "estimate") -> str:
    """A figure of a row as its measure is written, `> ` before a bound; "undefined" for None."""
    number, form = row.get(key), MEASURES.get(str(row.get("measure")), ("", PLAIN))[1]
    if not isinstance(number, int | float):
        return "undefined" if key == "estimate" else MISSING
    return (BOUNDS.get(str(row.get("censored") or ""), "") if key == "estimate" else "") + form.format(number)


def bounds(row: Row) -> str:
    """`[low, high]` as the measure is written; a dash where there is none."""
    low, high = value(row, "low"), value(row, "high")
    if (low, high) == (MISSING, MISSING):
        return MISSING
    return f"[{low if low != MISSING else 'unknown'}, {high if high != MISSING else 'unknown'}]"

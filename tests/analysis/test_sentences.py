"""Every sentence of every planted study: no words that say nothing, one unit, and no figure that its row lacks."""

import json
import re

import pytest

from support.planted import NAMES, planted
from transfergain.analysis import words
from transfergain.analysis.rows import Measure
from transfergain.report import markdown
from transfergain.report.limits import limits

EMPTY = re.compile(r"undefined|None|\bnan\b|\bvoid\b|identifiable|\.\.|\b\w+_\w+\b(?!=)")
FRACTION = re.compile(r"(?<![\w.])[+-]?0?\.\d{3}\b")
TABLES = ("gains", "data_efficiency", "convergence", "robustness", "adaptation", "calibration", "aggregate", "timings")
DIFFERENCES = (Measure.AREA, Measure.GAP, Measure.PERTURBATION_DROP, Measure.OOD_GAIN, Measure.PERTURBATION_GAIN)
SHARES = (Measure.RETENTION, Measure.LADDER, Measure.ECE, Measure.ECE_SCALED, Measure.BRIER, Measure.BRIER_SCALED,
          Measure.IQM, Measure.PROBABILITY_OF_IMPROVEMENT)  # fmt: skip
"""Measures whose sentences hold nothing but what their rows do."""


@pytest.fixture(scope="module", params=(*NAMES, "usual", "cut short"))
def known(request):
    return planted(request.param)


def rows(known, *tables):
    return [row for name in tables or TABLES for row in getattr(known, name)]


def sentences(known):
    found = [row.sentence for row in rows(known)] + [row.sentence for row in known.benefits()]
    found += [*limits(known), *(warning.text for warning in known.warnings), known.summary.answer]
    for of in known.summary.datasets:
        found += [of.answer, of.recommendation.why, of.more_labels.text, *of.caveats]
        found += [line.text for line in of.benefits] + [step.text for step in of.next]
    return found


def test_no_sentence_says_nothing(known):
    for sentence in sentences(known):
        assert sentence.strip() and not EMPTY.search(sentence), sentence
    for text in (repr(known), known._repr_html_(), markdown.render(known)):
        assert not re.search(r"undefined|None|\bnan\b", text)


def test_scores_are_in_per_cent_and_gains_in_points(known):
    """Nowhere a fraction, but for a p, and nowhere an error: convergence alone names levels on dev as curves have them."""
    said = set(sentences(known)) - {row.sentence for row in (*known.convergence, *known.timings, *known.benefits())}
    for sentence in said:
        without_p = re.sub(r"p (= |< )?[\d.]+", "", sentence)
        assert not FRACTION.search(without_p), sentence
        assert not re.search(r"\berror (from|at|of)\b", sentence.replace("calibration error of", "")), sentence


def figures(row):
    stack, found = [row.to_dict()], set()
    while stack:
        value = stack.pop()
        stack += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        if isinstance(value, float):
            found |= {words.in_percent(abs(value)), words.in_percent(1 - value), f"{value:.1f}"}
    return found


def test_a_sentence_has_no_figure_that_its_row_lacks(known):
    told = {row.sentence for row in known.gains}  # again by rows of robustness, which have the gain alone
    others = rows(known, "robustness", "calibration", "adaptation", "aggregate", "data_efficiency")
    measured = [row for row in others if row.sentence not in told and row.measure in (*DIFFERENCES, *SHARES)]
    for row in (*known.gains, *measured):
        text = re.sub(r"with endless training.*|training [\d.e+,]+ parameters.*?;|detectable now: [\d.]+", "", row.sentence)
        for figure in re.findall(r"\d+\.\d(?!\d|x)", re.sub(r"p (= |< )?[\d.]+", "", text)):
            assert figure in figures(row), (figure, row.sentence)


def test_no_interval_leaves_the_possible_range(known):
    for row in (*known.scores, *(row for row in rows(known) if getattr(row, "measure", "") in SHARES)):
        if row.low is not None:
            assert 0 <= row.low <= row.high and (row.high <= 1 or row.measure is Measure.RETENTION)
    for row in rows(known):
        if getattr(row, "measure", "") in DIFFERENCES and row.low is not None:
            assert -1 <= row.low <= row.estimate <= row.high <= 1
        if getattr(row, "costs_low", None) is not None:
            assert -1 <= row.costs_low <= row.costs <= row.costs_high <= 1
        if getattr(row, "measure", "") in (Measure.LABEL_SAVING,) and row.high is not None:
            assert row.high <= 1
    for row in known.last_labels:
        if row.low is not None:
            assert -row.score_fewer - 1e-9 <= row.low <= row.estimate <= row.high <= 1 - row.score_fewer + 1e-9


def test_findings_are_json(known):
    assert json.loads(known.to_json())["summary"]["question"].endswith("?")


def test_a_score_and_one_less_its_error_print_alike():
    """72.85 % stood as 72.8 % in the table and as 72.9 % in the sentence beside it."""
    shares = [n / 10_000 for n in range(10_001)]
    assert any(f"{100 * x:.1f}" != f"{100 * (1 - (1 - x)):.1f}" for x in shares), "by the float it depends on its last digit"
    assert all(words.in_percent(x) == words.in_percent(1 - (1 - x)) for x in shares)
    assert all(words.in_percent(-x).removeprefix("-") == words.in_percent(x) for x in shares)
    assert (words.in_percent(0.7285), words.in_percent(-1e-9), words.in_percent(0.0812, "+")) == ("72.9", "0.0", "+8.1")

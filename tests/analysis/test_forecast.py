"""Forecasts of learning curves, and what is said of them, on made-up studies."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from support.planted import REQUEST, findings, planted, trials, usual
from support.synthetic import DATA, World, pick
from support.synthetic import study as trials_of
from transfergain.analysis import gain
from transfergain.analysis.entries import StudyRequest
from transfergain.analysis.forecast import families
from transfergain.analysis.forecast import table as forecasting
from transfergain.analysis.forecast.fit import RESIDUAL_PRIOR, Ensemble
from transfergain.analysis.forecast.measured import Measured, of
from transfergain.analysis.forecast.needed import diminishing, needed
from transfergain.analysis.forecast.said import ahead
from transfergain.analysis.forecast.said import diminishing as said_of
from transfergain.analysis.rows import Censored
from transfergain.analysis.stats import Values
from transfergain.data.draws import max_budget

LABELS = (64, 128, 256, 512)


def known(errors, noise=0.002, labels=LABELS):
    return Measured(labels, np.array(errors), noise**2 * np.eye(len(labels)), 10_000)


def power(n):
    return 0.05 + 2.0 * np.asarray(n, dtype=float) ** -0.5


def median(ensemble, n):
    return ensemble.at([n])[0].quantile(0.5)


def study(score=usual, budgets=(64, 128, 256, 512), seeds=4, n_test=800, **asked):
    return findings(trials(World(score=score, budgets=budgets, seeds=seeds, n_test=n_test)), **asked)


def of_full(known, **wanted):
    return pick(known.forecast, arm="full", **wanted)


def test_shapes_are_one_at_the_end_and_fall_to_something_positive():
    n = np.array([0.01, 0.1, 0.5, 1.0, 2.0, 4.0])
    for name, found in families.shapes(n).items():
        assert found[:, 3] == pytest.approx(1.0), name
        assert (np.diff(found, axis=1) <= 1e-12).all() and (found > 0).all(), name


def test_pow4_is_its_formula():
    n, (c, b, d) = np.array([0.25, 1.0, 3.0]), (0.5, 0.35, 0.3)
    wanted = c + (1 - c) * (n + d) ** -b / (1 + d) ** -b
    assert any(np.allclose(row, wanted) for row in families.shapes(n)["POW4"])


def test_priors_are_distributions():
    assert sum(RESIDUAL_PRIOR) == pytest.approx(1) and families.prior().sum() == pytest.approx(1)
    assert len(families.prior()) == sum(map(len, families.shapes(np.ones(1)).values()))


def test_a_power_law_without_noise_is_forecast_closely():
    ensemble = Ensemble(known(power(LABELS)))
    assert median(ensemble, 1024) == pytest.approx(power(1024), abs=0.008)
    assert median(ensemble, 2048) == pytest.approx(power(2048), abs=0.012)


def test_uncertainty_grows_with_distance_and_with_noise():
    def width(noise, n):
        mixture = Ensemble(known(power(LABELS), noise)).at([n])[0]
        return mixture.quantile(0.95) - mixture.quantile(0.05)

    assert width(0.002, 512) < width(0.002, 1024) < width(0.002, 2048)
    assert width(0.002, 1024) < width(0.02, 1024)


def test_errors_stay_between_0_and_1():
    for errors in ([0.02, 0.01, 0.0, 0.0], [1.0, 1.0, 0.99, 1.0], [0.9, 0.5, 0.1, 0.0]):
        for mixture in Ensemble(known(errors, 0.01)).at([512, 2048]):
            assert 0 < mixture.quantile(0.05) <= mixture.quantile(0.5) <= mixture.quantile(0.95) < 1


def test_a_quantile_and_a_probability_are_inverse():
    mixture = Ensemble(known(power(LABELS), 0.01)).at([2048])[0]
    for p in (0.05, 0.5, 0.95):
        assert mixture.below(mixture.quantile(p)) == pytest.approx(p, abs=1e-3)


def test_a_bumpy_curve_is_forecast_with_less_confidence():
    smooth, bumpy = (Ensemble(known(e, 0.004)).at([2048])[0] for e in ([0.3, 0.25, 0.2, 0.16], [0.3, 0.18, 0.27, 0.16]))
    assert bumpy.quantile(0.95) - bumpy.quantile(0.05) > 1.3 * (smooth.quantile(0.95) - smooth.quantile(0.05))


def test_the_covariance_holds_seeds_and_test_examples():
    """With a luck that seeds keep, no number of test examples makes the mean certain."""
    rng, labels = np.random.default_rng(0), [100, 200, 400]
    luck, clusters = rng.normal(0, 0.2, (3, 40, 1)), 4000
    right = (rng.random((3, 40, clusters)) > expit(-1 + luck)).astype(float)
    found = of(labels, [Values(r.mean(axis=1), r) for r in right])
    by_seed = (0.2 * found.errors * (1 - found.errors)) ** 2 / 40
    assert np.diag(found.covariance) == pytest.approx(by_seed, rel=0.5)


def test_by_default_twice_and_four_times_the_labels_are_forecast():
    found = study()
    assert [row.budget for row in of_full(found, measure="forecast")] == [512, 1024, 2048]
    row = of_full(found, measure="forecast", budget=1024)[0]
    assert row.low < row.estimate < row.high and row.level == 0.9 and (row.largest, row.points) == (512, 4)
    assert row.sentence.startswith("reviews: with 1,024 labels full probably has accuracy ")
    (said, *_) = found.summary.datasets[0].more_labels.forecast
    assert "the next 512 labels probably" in said and "(90 %: " in said and "EUR" not in said


def test_what_is_asked_for_is_forecast_with_its_price():
    found = study(forecast=[700, 9000], target_error=0.2, label_cost=0.4, currency="EUR")
    (row,) = of_full(found, measure="forecast", budget=700)
    assert row.cost == pytest.approx(0.4 * 188) and row.sentence.endswith("188 more for 75 EUR.")
    (far,) = of_full(found, measure="forecast", budget=9000)
    assert far.estimate is None and far.sentence == (
        "reviews: no forecast for full: 9,000 labels are more than four times the 512 that were measured."
    )
    first = found.summary.datasets[0].more_labels.forecast[0]
    assert "700 labels, 188 more (75 EUR), probably take accuracy of full from " in first


def test_the_labels_that_a_score_takes():
    """Full has 85 % with 256 labels by its planted curve: 88 % with 1,024 and 1.5 points less each halving."""
    (row,) = of_full(study(target_error=0.15), measure="labels_needed")
    assert row.low < 256 < row.high and row.target == pytest.approx(0.85) and row.censored is Censored.NO
    assert row.sentence.startswith("reviews: accuracy 85.0 % takes full about ")
    (never,) = of_full(study(target_error=0.01), measure="labels_needed")
    assert never.censored is Censored.ABOVE and never.high_open and never.cost is None
    assert "full probably does not reach accuracy 99.0 % with up to 2,048 labels" in never.sentence
    (already,) = of_full(study(target_error=0.5), measure="labels_needed")
    assert already.censored is Censored.BELOW and "has accuracy 50.0 % with 64 labels already" in already.sentence


@pytest.mark.parametrize("first", [30, 48, 60, 77, 100])
def test_rounding_of_the_fewest_labels_does_no_harm(first):
    """exp(log(60)) is a little below 60, where the residual has not begun."""
    labels = [first, 2 * first, 4 * first]
    found = needed(Ensemble(known([0.3, 0.25, 0.2], 0.01, labels)), 0.85, (first, 16 * first), alone=False)
    assert first < found.low < found.estimate


@pytest.mark.parametrize(
    ("errors", "censored", "labels"),
    [
        (power(LABELS), "", 1130),
        (8 * np.array(LABELS, dtype=float) ** -0.5, "above", 2048),
        (0.02 + 0.6 * np.array(LABELS, dtype=float) ** -0.5, "below", 512),
    ],
)
def test_from_where_on_labels_bring_less_than_a_point(errors, censored, labels):
    """500 labels more bring just a point from 1,130 on by 0.05 + 2 n^-0.5, always two and more by 8 n^-0.5, and never one by
    0.02 + 0.6 n^-0.5."""
    found = diminishing(Ensemble(known(errors)), 500, 0.01, (512, 2048))
    assert (found.censored, found.estimate) == (censored, pytest.approx(labels, rel=0.2))


def accuracies(power, left=0.05, most=1024, seeds=6, **asked):
    """Rows by measure of full on a power law with little noise, and what is said of it in short."""
    budgets = (most // 8, most // 4, most // 2, most)
    world = World(score=lambda arm, n: 1 - left - power * n**-0.5, budgets=budgets, seeds=seeds, n_test=4000, arms=("full",))
    request = StudyRequest.of({**REQUEST, **asked})
    rows = forecasting.rows(gain.cells(trials_of(world), {"full": True}, {}), {"reviews": DATA}, request)
    return {row.measure: row for row in rows}, ahead(rows, [], [], request)


def test_a_curve_that_flattens_says_from_where_on_labels_bring_little():
    """1,000 labels bring a point from 2,400 on, by 3 n^-0.5."""
    rows, said = accuracies(3.0, label_cost=0.4, currency="EUR")
    row = rows["diminishing"]
    assert (row.per, row.cost, row.censored) == (1000, pytest.approx(400), "") and row.estimate == pytest.approx(
        2400, rel=0.3
    )
    assert row.sentence == (
        f"reviews: beyond about {row.estimate:,.0f} labels full probably gains less than a point per 1,000 (400 EUR)."
    )
    almost = replace(row, censored=Censored.BELOW, estimate=1024.0, cost=None)
    assert said_of(almost, "") == "beyond 1,024 labels full probably gains less than a point per 1,000"
    (point,) = [text for text in said if text.startswith("the next point of ")]
    assert ", and beyond about " in point and point.endswith(" labels it is less than a point per 1,000")


def test_a_steep_curve_says_that_labels_go_on_to_bring_points():
    rows, said = accuracies(12.0)
    assert rows["diminishing"].censored == "above" and rows["next_point"].estimate < 150
    assert any(text.endswith(", and up to 4,096 labels it is a point or more per 1,000") for text in said)


def test_a_flat_curve_says_that_all_labels_together_bring_less_than_a_point():
    rows, said = accuracies(0.0, left=0.05, seeds=5)
    assert rows["next_point"].sentence == "reviews: all labels up to 4,096 probably bring full less than a point."
    assert "diminishing" not in rows and any(text.startswith("all labels up to 4,096 probably bring ") for text in said)


def test_next_to_no_error_leaves_no_point_to_gain():
    rows, _ = accuracies(0.0, left=0.004)
    assert rows["next_point"].censored == "above" and rows["next_point"].target == 1.0 and "diminishing" not in rows


def test_two_numbers_of_labels_say_which_one_is_missing():
    found = study(budgets=(256, 512))
    (row,) = of_full(found)
    assert (row.estimate is None and row.missing == (128, 256, 512)) or list(row.missing) == [128, 256, 512]
    assert row.sentence == "reviews: no forecast for full: it takes three numbers of labels or more."
    step = found.summary.datasets[0].more_labels.step
    assert (step.key, step.value) == ("budgets", "128,256,512")


def test_labels_that_nobody_trained_on_yet_come_first():
    rows = trials(World(score=usual, budgets=(128, 512), seeds=3))
    data = {"reviews": replace(DATA, n_train=1500, n_dev=500)}
    (row, *_) = [row for row in findings(rows, data).forecast if row.arm == "full"]
    assert list(row.missing) == [128, 512, 1875] and row.missing[-1] == max_budget(1500, 500), "a fifth of them are dev"


def test_one_seed_has_a_forecast_and_no_interval():
    found = study(seeds=1)
    row = of_full(found, measure="forecast", budget=1024)[0]
    assert row.estimate is not None and row.low is None and row.high is None
    assert row.sentence.endswith(", without an interval from one seed.")
    assert not any("help" in said for said in found.summary.datasets[0].more_labels.forecast)


def test_a_flat_curve_is_forecast_flat():
    (row,) = of_full(study(lambda arm, budget: 0.8, seeds=6, n_test=2000), measure="forecast", budget=1024)
    assert row.low < 0.8 < row.high and row.estimate == pytest.approx(0.8, abs=0.02)


def test_more_labels_help_where_the_interval_is_above_the_score_by_the_margin():
    steep = study(lambda arm, budget: {64: 0.52, 128: 0.6, 256: 0.68, 512: 0.76}[budget], seeds=8, n_test=4000)
    assert (
        steep.summary.datasets[0].more_labels.forecast[0].startswith("more labels help: the next 512 labels probably take ")
    )
    done = study(lambda arm, budget: {64: 0.97, 128: 0.985, 256: 0.99, 512: 0.995}[budget], seeds=8, n_test=4000)
    assert done.summary.datasets[0].more_labels.forecast[0].startswith("more labels hardly help: ")


def test_a_curve_that_falls_is_named():
    found = study(lambda arm, budget: {64: 0.6, 128: 0.85, 256: 0.72, 512: 0.8}[budget], seeds=6, n_test=2000)
    row = of_full(found, measure="forecast", budget=1024)[0]
    assert tuple(row.falls) == (128, 256)
    assert row.sentence.endswith("; the score of full falls from 128 to 256 labels: believe a forecast less.")
    assert of_full(study(), measure="forecast")[0].falls == ()
    assert not of_full(found, measure="diminishing"), "nothing is said of where such a curve flattens"
    said = found.summary.datasets[0].more_labels.forecast
    assert [text.count("believe a forecast less") for text in said[:2]] == [1, 0]


def test_a_floor_that_learns_nothing_has_no_forecast():
    constant = study(lambda arm, budget: -0.5 if arm == "majority" else usual(arm, budget))
    assert not pick(constant.forecast, arm="majority") and pick(constant.forecast, arm="tfidf")


def test_every_planted_study_has_sentences_that_end():
    for name in ("usual", "one seed", "two seeds", "perfect scores", "crossing curves", "five data sets"):
        for row in planted(name).forecast:
            assert row.sentence.startswith(f"{row.dataset}: ") and row.sentence.endswith(".") and ".." not in row.sentence

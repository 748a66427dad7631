"""`analysis.gain` on trials whose counts are made up: pairing, permuted labels, missing trials, families."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from transfergain.analysis import endless, gain, said, stats
from transfergain.analysis.entries import DatasetEntry
from transfergain.metrics import METRICS
from transfergain.outcome import CurvePoint, Evaluated, Outcome
from transfergain.split import TEST
from transfergain.store import StoredTrial
from transfergain.tasks.scoring import narrow
from transfergain.types import Recipe, TrialSpec

PRETRAINED = {"scratch": False, "full": True, "probe": True}
LABELS = ("no", "yes")
N_TEST = 400


def trial(arm, replicate, predictions, targets, dataset="reviews", budget=100, converged=True, **changes):
    """A finished reported trial with these predictions on the test set."""
    counts = {m: METRICS[m].counts(predictions, targets, LABELS) for m in ("accuracy", "macro_f1")}
    spec = TrialSpec("sentiment", dataset, arm, budget, replicate, "report", Recipe(1e-4), ((TEST, "x"),), "x", "y")
    outcome = Outcome("done", converged=converged, evaluated={TEST: Evaluated(tuple(predictions), counts)})
    return StoredTrial(replace(spec, **changes), outcome)


def study(rng, accuracies, seeds=range(5), **changes):
    """Rows of one data set: each arm hits with its accuracy."""
    targets = rng.integers(0, 2, N_TEST)
    return [
        trial(arm, r, np.where(rng.random(N_TEST) < accuracy, targets, 1 - targets), targets, **changes)
        for arm, accuracy in accuracies.items()
        for r in seeds
    ]


ENTRY = DatasetEntry(task="sentiment", title="Sentiment", metric="accuracy", chance=0.5, labels=LABELS)


def analysed(rows, margin=0.01, entry=ENTRY):
    cells = gain.cells(rows, PRETRAINED, {})
    scores = gain.scores(cells)
    return gain.gains(cells, scores, margin, dict.fromkeys({row.spec.dataset for row in rows}, entry)), scores


def accuracy_rows(rows, **wanted):
    return [g for g in rows if g.metric == "accuracy" and all(getattr(g, k) == v for k, v in wanted.items())]


def test_a_planted_gain_is_found_and_described():
    rows = study(np.random.default_rng(0), {"scratch": 0.6, "full": 0.8})
    (found,) = accuracy_rows(analysed(rows)[0])
    assert found.estimate == pytest.approx(0.2, abs=0.04)
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(found.reference_error - found.error)
    assert found.relative_error_reduction == pytest.approx(found.estimate / found.reference_error)
    assert (found.verdict, found.why, found.prob_better) == ("supported", "at least 1 point", 1.0)
    assert (found.n_seeds, found.n_test) == (5, N_TEST)
    assert found.sentence.startswith("reviews: full lifts accuracy from ")


def test_swapped_arms_change_the_sign():
    rows = study(np.random.default_rng(1), {"scratch": 0.6, "full": 0.8})
    names = {"scratch": "full", "full": "scratch"}
    swapped = [StoredTrial(replace(row.spec, arm=names[row.spec.arm]), row.outcome) for row in rows]
    for one, other in zip(analysed(rows)[0], analysed(swapped)[0], strict=True):
        assert one.estimate == -other.estimate
        assert (one.low, one.high) == (-other.high, -other.low)
        assert one.p_value == other.p_value
        assert one.prob_better == 1 - other.prob_better
        assert (one.verdict, other.verdict) == ("supported", "negative transfer")


def test_order_of_rows_and_of_seeds_is_nothing():
    rows = study(np.random.default_rng(2), {"scratch": 0.6, "full": 0.7, "probe": 0.65})
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert analysed(shuffled) == analysed(rows)


@pytest.mark.long
def test_permuted_labels_leave_no_gain():
    """Predictions of good models against labels shuffled over the test set: nothing is learnt, nothing is found."""
    rng, estimates, words = np.random.default_rng(3), [], []
    for _ in range(60):
        truth = rng.integers(0, 2, N_TEST)
        permuted = rng.permutation(truth)
        rows = [
            trial(arm, r, np.where(rng.random(N_TEST) < accuracy, truth, 1 - truth), permuted)
            for arm, accuracy in {"scratch": 0.6, "full": 0.9}.items()
            for r in range(4)
        ]
        (found,) = accuracy_rows(analysed(rows)[0])
        estimates.append(found.estimate)
        words.append(found.verdict)
    assert abs(np.mean(estimates)) < 4 * np.std(estimates) / np.sqrt(60)
    assert abs(np.mean(estimates)) < 0.02
    # At the 5 % level half of the false alarms are on the side of a gain; 60 studies see 1.5 on average, rarely 6.
    assert words.count("supported") <= 5


def test_an_arm_that_failed_altogether_has_no_gain_and_no_score():
    rows = study(np.random.default_rng(4), {"scratch": 0.6, "full": 0.8, "probe": 0.7})
    failed = [StoredTrial(r.spec, Outcome("failed", error="out of memory")) if r.spec.arm == "full" else r for r in rows]
    gains, scores = analysed(failed)
    assert {g.arm for g in gains} == {"probe"}
    assert {s.arm for s in scores} == {"scratch", "probe"}
    no_reference = [StoredTrial(r.spec, Outcome("skipped", error="x")) if r.spec.arm == "scratch" else r for r in rows]
    gains, scores = analysed(no_reference)
    assert gains == []
    assert {s.arm for s in scores} == {"full", "probe"}
    assert analysed([]) == ([], [])


def test_only_seeds_of_both_arms_are_compared():
    rng = np.random.default_rng(5)
    rows = study(rng, {"scratch": 0.6, "full": 0.8})
    kept = [r for r in rows if (r.spec.arm, r.spec.replicate) not in {("scratch", 0), ("full", 4)}]
    common = [r for r in rows if r.spec.replicate in {1, 2, 3}]
    found, expected = analysed(kept)[0], analysed(common)[0]
    assert found == expected
    assert found[0].n_seeds == 3
    scores = [s for s in analysed(kept)[1] if s.metric == "accuracy"]
    assert [s.n_seeds for s in scores] == [4, 4]


def test_no_seed_in_common_gives_no_gain():
    rng = np.random.default_rng(6)
    rows = study(rng, {"scratch": 0.6}, seeds=range(3)) + study(rng, {"full": 0.8}, seeds=range(3, 6))
    gains, scores = analysed(rows)
    assert gains == []
    assert len(scores) == 4


def test_one_seed_is_reported_without_an_interval():
    (found,) = accuracy_rows(analysed(study(np.random.default_rng(7), {"scratch": 0.6, "full": 0.8}, seeds=[0]))[0])
    unknown = ("low", "high", "p_value", "p_holm", "p_sign_flip", "mde")
    assert all(getattr(found, key) is None for key in unknown)
    assert found.verdict == "inconclusive"
    assert "one seed" in found.sentence
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_tuning_trial_is_no_evidence():
    rows = study(np.random.default_rng(8), {"scratch": 0.6, "full": 0.8})
    extra = [StoredTrial(replace(rows[-1].spec, phase="tune", replicate=999), rows[-1].outcome)]
    assert analysed(rows + extra) == analysed(rows)


def cut_short(rows, *arms):
    """The same trials; those of these arms ended at their cap in the first three seeds, scratch's still rising."""

    def changed(row):
        late = row.spec.arm in arms and row.spec.replicate < 3
        curve = tuple(CurvePoint(step, 0.5 + 0.01 * math.log2(step), 0.5) for step in (10, 20, 40, 80, 160))
        return replace(row, outcome=replace(row.outcome, converged=not late, curve=curve))

    return [changed(row) for row in rows]


@pytest.mark.parametrize(("scratch", "full", "verdict"), [(0.6, 0.8, "supported"), (0.8, 0.6, "negative transfer")])
def test_runs_that_did_not_end_leave_the_verdict_at_equal_training(scratch, full, verdict):
    rows = study(np.random.default_rng(9), {"scratch": scratch, "full": full})
    for arms, reading in (
        ((), "same"), (("scratch",), "upper bound"), (("full",), "lower bound"), (("scratch", "full"), "open"),
    ):  # fmt: skip
        for found in analysed(cut_short(rows, *arms))[0]:
            assert (found.verdict, found.endless.reading) == (verdict, reading)
            counts = found.endless.unfinished, found.endless.unfinished_arm, found.endless.of
            assert counts == (3 * ("scratch" in arms), 3 * ("full" in arms), 5)


def test_a_gain_over_scratch_that_was_cut_short_has_its_tipping_point():
    rows = study(np.random.default_rng(9), {"scratch": 0.6, "full": 0.8})
    (found,) = accuracy_rows(analysed(cut_short(rows, "scratch"))[0])
    assert found.endless.to_gain == found.estimate and found.endless.last_doubling == pytest.approx(0.01)
    assert found.sentence.endswith(
        "; with endless training at most that: scratch had not ended by itself in 3 of 5 seeds; it would have to gain "
        f"{100 * found.estimate:.0f} more points, and its last doubling of steps gave 1.0 on dev."
    )
    (other,) = [g for g in analysed(cut_short(rows, "scratch"))[0] if g.metric == "macro_f1"]
    assert other.endless.to_gain is None, "the curves are of the primary metric"
    worse = study(np.random.default_rng(9), {"scratch": 0.8, "full": 0.6})
    (found,) = accuracy_rows(analysed(cut_short(worse, "scratch"))[0])
    assert found.endless.to_gain is None and "endless training maybe less" in found.sentence


def test_a_last_doubling_is_read_between_evaluations():
    def run(*points):
        return Outcome("done", curve=tuple(CurvePoint(step, score, 0.5) for step, score in points))

    assert endless.last_doubling(run((10, 0.5), (40, 0.6), (60, 0.7), (100, 0.8))) == pytest.approx(0.8 - 0.65)
    assert endless.last_doubling(run((60, 0.7), (100, 0.8))) is None, "nothing was measured at half as many steps"
    assert endless.last_doubling(run()) is None


def test_scratch_at_chance_is_said_first():
    rows = study(np.random.default_rng(19), {"scratch": 0.5, "full": 0.8})
    (found,) = accuracy_rows(analysed(rows)[0])
    assert found.reference_at_chance >= 4
    assert found.sentence.startswith(
        f"reviews: scratch is not clearly above chance in {found.reference_at_chance} of 5 seeds; full lifts"
    )
    (found,) = accuracy_rows(analysed(study(np.random.default_rng(19), {"scratch": 0.7, "full": 0.8}))[0])
    assert found.reference_at_chance == 0 and found.sentence.startswith("reviews: full lifts")


def test_the_interval_of_a_gain_stays_in_what_is_possible():
    """Two seeds give an interval wider than any gain: scratch at .9 leaves .1 to be gained."""
    rows = study(np.random.default_rng(20), {"scratch": 0.9, "full": 0.93}, seeds=range(2))
    rows[-1] = study(np.random.default_rng(21), {"full": 0.6}, seeds=[1])[0]
    for found in analysed(rows)[0]:
        assert found.high == pytest.approx(found.reference_error)
        assert found.low == pytest.approx(found.reference_error - 1)


def test_a_figure_is_that_of_the_last_look_however_many_seeds_there_are():
    """Looks at 3, 4 and 6 seeds: five finished ones say what the first four say."""
    rows = study(np.random.default_rng(22), {"scratch": 0.6, "full": 0.66})
    looking = replace(ENTRY, looks=(3, 4, 6))
    five, four, plain = (
        accuracy_rows(analysed([r for r in rows if r.spec.replicate < seeds], entry=entry)[0])[0]
        for seeds, entry in ((5, looking), (4, looking), (4, ENTRY))
    )
    assert five == four and four.n_seeds == 4
    assert four.level > plain.level == 0.95 and four.estimate == plain.estimate
    assert four.high - four.low > plain.high - plain.low and four.p_value > plain.p_value
    assert ", over all looks; Holm p" in four.sentence and "over all looks" not in plain.sentence


def test_a_gain_below_a_floor_is_no_recommendation():
    rng = np.random.default_rng(10)
    rows = study(rng, {"scratch": 0.6, "full": 0.7, "tfidf": 0.9, "majority": 0.5})
    (found,) = accuracy_rows(analysed(rows)[0])
    assert (found.verdict, found.below_floor) == ("supported", "tfidf")
    assert "the floor tfidf does as well or better" in found.sentence
    (found,) = accuracy_rows(analysed([r for r in rows if r.spec.arm != "tfidf"])[0])
    assert found.below_floor is None


def test_sign_flip_stands_beside_from_six_seeds_on():
    for seeds, known in ((5, False), (6, True), (20, True), (21, False)):
        (found,) = accuracy_rows(analysed(study(np.random.default_rng(11), {"scratch": 0.6, "full": 0.8}, range(seeds)))[0])
        assert (found.p_sign_flip is not None) is known
        if known:
            assert found.p_sign_flip == 2 / 2**seeds


def test_holm_families_are_an_arm_over_data_sets():
    rng = np.random.default_rng(12)
    rows = []
    for name, full in (("a", 0.63), ("b", 0.66)):
        for budgets in (((100, 400), (50, 200))[name == "b"],):
            for budget in budgets:
                rows += study(rng, {"scratch": 0.6, "full": full, "probe": 0.62}, dataset=name, budget=budget)
    gains = analysed(rows)[0]
    assert len(gains) == 2 * 2 * 2 * 2  # data sets, budgets, arms, metrics
    largest, smallest = {"a": 400, "b": 200}, {"a": 100, "b": 50}
    for arm in ("full", "probe"):
        for metric in ("accuracy", "macro_f1"):
            for budget in (largest, smallest):
                family = [g for g in gains if (g.arm, g.metric) == (arm, metric) and g.budget == budget[g.dataset]]
                assert [g.dataset for g in family] == ["a", "b"]
                assert [g.p_holm for g in family] == stats.holm([g.p_value for g in family])
    assert any(g.p_holm > g.p_value for g in gains)


def test_holm_leaves_one_data_set_alone_and_skips_what_was_not_tested():
    rng = np.random.default_rng(13)
    alone = analysed(study(rng, {"scratch": 0.6, "full": 0.65, "probe": 0.63}))[0]
    assert all(g.p_holm == g.p_value for g in alone)
    one_seed = study(rng, {"scratch": 0.6, "full": 0.65}, seeds=[0], dataset="b")
    both = analysed(study(rng, {"scratch": 0.6, "full": 0.65}, dataset="a") + one_seed)[0]
    assert [g.p_holm for g in both if g.dataset == "b"] == [None, None]
    assert all(g.p_holm == g.p_value for g in both if g.dataset == "a")


def clustered(rows, clusters):
    """The same trials, with the cluster of each test example."""
    marked = []
    for row in rows:
        test = replace(row.outcome.evaluated[TEST], clusters=np.asarray(clusters))
        marked.append(StoredTrial(row.spec, replace(row.outcome, evaluated={TEST: test})))
    return marked


def test_clusters_count_as_their_summed_examples():
    """Every example three times is no more evidence than once: all figures are those of the examples alone."""
    rng = np.random.default_rng(14)
    targets = rng.integers(0, 2, N_TEST)
    once, thrice = [], []
    for arm, accuracy in {"scratch": 0.6, "full": 0.7}.items():
        easy = np.where(rng.random(N_TEST) < 0.5, accuracy - 0.3, accuracy + 0.3)  # in every seed, for this arm
        for r in range(5):
            predictions = np.where(rng.random(N_TEST) < easy, targets, 1 - targets)
            once.append(trial(arm, r, predictions, targets))
            thrice.append(trial(arm, r, np.tile(predictions, 3), np.tile(targets, 3)))
    together = clustered(thrice, np.tile(np.arange(N_TEST), 3))
    for table in (0, 1):
        for alone, summed in zip(analysed(once)[table], analysed(together)[table], strict=True):
            assert (alone.n_test, summed.n_test) == (N_TEST, 3 * N_TEST)
            assert alone.n_clusters == summed.n_clusters == N_TEST
            for key, value in alone.to_dict().items():
                close = pytest.approx(value, abs=1e-9) if isinstance(value, float | list) else value
                assert key == "n_test" or summed.to_dict()[key] == close, key
    ((ignored,), (counted,)) = (accuracy_rows(analysed(rows)[0]) for rows in (thrice, together))
    assert ignored.high - ignored.low < 0.9 * (counted.high - counted.low), "ignoring articles is overconfident"


def test_counts_in_narrow_integers_are_summed_without_overflow():
    """300 words of a text in one cluster are more than a byte holds."""
    wide = METRICS["accuracy"].counts([1] * 300, [1] * 300, ["a", "b"])
    kept = narrow(wide)
    assert (kept.dtype, wide.dtype) == (np.int8, np.int64)
    clusters = np.zeros(300, dtype=np.int64)
    for known in (None, clusters):
        spec = TrialSpec("qa", "d", "full", 100, 0, "report", Recipe(1e-4), ((TEST, "x"),), "x", "y")
        row = StoredTrial(spec, Outcome("done", evaluated={TEST: Evaluated((1,) * 300, {"accuracy": kept}, known)}))
        (cell,) = gain.cells([row], {"full": True}, {})
        counts = cell.counts(TEST, "accuracy", [0])
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts.sum(axis=(0, 1)), wide.sum(axis=0))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 127], np.int8),
        ([0, 128], np.int16),
        ([-129], np.int16),
        ([40_000], np.int32),
        ([2**40], np.int64),
        ([0.5], float),
    ],
)
def test_narrow_counts_are_the_same_numbers(values, kind):
    kept = narrow(np.array(values))
    assert kept.dtype == kind and kept.tolist() == values


def test_clusters_of_several_sizes_and_any_order_are_summed():
    rng = np.random.default_rng(15)
    rows = study(rng, {"scratch": 0.6, "full": 0.8})
    numbers = rng.integers(0, 50, N_TEST)
    numbers[:50] = np.arange(50)  # none is empty
    cell = gain.cells(clustered(rows, numbers), PRETRAINED, {})[0]
    for metric in cell.metrics():
        found = cell.counts(TEST, metric, [3, 1])
        assert found.shape[:2] == (2, 50) and cell.examples(TEST) == N_TEST
        for part, replicate in zip(found, (3, 1), strict=True):
            whole = cell.outcomes[replicate].evaluated[TEST].counts[metric]
            assert np.array_equal(part, [whole[numbers == i].sum(axis=0) for i in range(50)])
            assert part.dtype == whole.dtype
    renamed = rng.permutation(50)
    one, other = (accuracy_rows(analysed(clustered(rows, n))[0])[0] for n in (numbers, renamed[numbers]))
    for key in ("estimate", "low", "high", "p_value", "mde"):
        assert getattr(one, key) == pytest.approx(getattr(other, key), rel=1e-9)


def test_scores_without_clusters_have_as_many_as_examples():
    gains, scores = analysed(study(np.random.default_rng(16), {"scratch": 0.6, "full": 0.8}))
    assert all(row.n_clusters == row.n_test == N_TEST for row in (*gains, *scores))


TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
TRUE = [[1, 2, 0, 3], [0, 3, 4], [1, 0, 0], [0, 0, 1]]


def entity_trial(arm, replicate, predictions):
    """A finished trial on TRUE."""
    counts = {m: METRICS[m].counts(predictions, TRUE, TAGS) for m in ("entity_f1", "entity_recall")}
    spec = TrialSpec("ner", "names", arm, 100, replicate, "report", Recipe(1e-4), ((TEST, "x"),), "x", "y")
    return StoredTrial(spec, Outcome("done", converged=True, evaluated={TEST: Evaluated(tuple(predictions), counts)}))


def test_parts_of_a_metric_are_means_over_seeds():
    half = [[1, 2, 0, 0], [0, 3, 4], [0, 0, 0], [0, 3, 1]]  # LOC 2 of 3, none wrong; PER 1 of 2, one wrong
    rows = [entity_trial("full", 0, TRUE), entity_trial("full", 1, half), entity_trial("scratch", 0, half)]
    scores = gain.scores(gain.cells(rows, PRETRAINED, {"names": TAGS}))
    parts = {(s.arm, s.metric): s.parts for s in scores}
    assert parts["full", "entity_recall"] is parts["scratch", "entity_recall"] is None, "parts are the primary metric's"
    assert parts["scratch", "entity_f1"] == {
        "LOC": pytest.approx({"precision": 1, "recall": 2 / 3, "f1": 0.8, "support": 3}),
        "PER": pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}),
    }
    assert parts["full", "entity_f1"] == {
        "LOC": pytest.approx({"precision": 1, "recall": 5 / 6, "f1": 0.9, "support": 3}),
        "PER": pytest.approx({"precision": 0.75, "recall": 0.75, "f1": 0.75, "support": 2}),
    }
    json.dumps([s.to_dict() for s in scores], allow_nan=False)


def test_the_interval_of_a_score_stays_between_0_and_1():
    half = [[1, 2, 0, 0], [0, 3, 4], [0, 0, 0], [0, 3, 1]]
    rows = [entity_trial("full", 0, TRUE), entity_trial("full", 1, half)]
    low, high = next((s.low, s.high) for s in gain.scores(gain.cells(rows, PRETRAINED, {"names": TAGS})))
    assert (low, high) == (0.0, 1.0), "two seeds, one perfect: nothing is known, and no more than nothing"


def test_classes_have_no_parts():
    assert not any(s.parts for s in analysed(study(np.random.default_rng(17), {"scratch": 0.6, "full": 0.8}))[1])


def test_a_score_that_rounds_to_the_same_is_not_said_to_move():
    row = analysed(study(np.random.default_rng(18), {"scratch": 0.6, "full": 0.8}))[0][0]
    same = replace(row, reference_error=0.36601, error=0.36604, estimate=-0.00003)
    assert "full leaves accuracy at 63.4 % on" in said.sentence(same)
    assert "full lowers accuracy from 63.4 to 63.3 % on" in said.sentence(replace(same, error=0.36702, estimate=-0.00101))

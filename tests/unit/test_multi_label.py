"""Several labels a text: every way to write them is read alike, and what is fitted and drawn is what its formula says."""

import itertools
from collections import Counter
from functools import partial

import numpy as np
import pytest
import sklearn.metrics
from sklearn.linear_model import LogisticRegression

from transfergain.data.draws import Drawn, draw
from transfergain.data.formats import lines
from transfergain.data.formats.table import Table
from transfergain.data.prepare import DataSource, load
from transfergain.engine.convex import Several
from transfergain.errors import UserError
from transfergain.floors.majority import MAJORITY
from transfergain.floors.tfidf import TFIDF
from transfergain.metrics import label_sets
from transfergain.options import OptionKind
from transfergain.study import load as load_study
from transfergain.tasks import TASKS
from transfergain.types import Example, Pools

CLASSIFICATION = TASKS["classification"]
TASK = CLASSIFICATION.chosen({"multi_label": True})
SETS = [["joy", "fear"], ["joy"], [], ["fear"], ["joy", "awe"], ["joy"]]
RNG = np.random.default_rng(0)


def parse(labels, columns=None, **given):
    cells = [cell if isinstance(cell, dict) else {"label": cell} for cell in labels]
    rows = [{"text": f"text {i}", **cell} for i, cell in enumerate(cells)]
    return TASK.parse({"train": Table("a.csv", rows)}, {**TASK.defaults(OptionKind.PARSE), **given})


def held(parsed):
    return [sorted(name for name, hit in zip(parsed.labels, e.target, strict=True) if hit) for e in parsed.splits["train"]]


WRITTEN = {
    "lists": SETS,
    "arrays": [np.array(labels) for labels in SETS],
    "semicolons": [" ; ".join(labels) for labels in SETS],
    "bars": ["|".join(labels) for labels in SETS],
    "commas": [", ".join(labels) for labels in SETS],
    "python's lists": [str(labels) for labels in SETS],
    "python's sets": [str(set(labels) or "{}") for labels in SETS],
    "json's lists": [str(labels).replace("'", '"') for labels in SETS],
    "nothing as None": ["; ".join(labels) or None for labels in SETS],
    "nothing as nan": ["; ".join(labels) or float("nan") for labels in SETS],
    "twice": [[*labels, *labels] for labels in SETS],
}


@pytest.mark.parametrize("way", WRITTEN)
def test_every_way_to_write_labels_is_read_alike(way):
    parsed = parse(WRITTEN[way])
    assert parsed.labels == ("joy", "fear", "awe"), "the most frequent first"
    assert held(parsed) == [sorted(labels) for labels in SETS]
    assert parsed.notes[0].startswith("text/label · 3 labels, 1.17 a text: joy 67%, fear 33%, awe 17%")
    assert parsed.notes[1:] == ("texts without a label: 1 in train",) and not parsed.warnings


@pytest.mark.parametrize(("yes", "no"), [(1, 0), ("1", "0"), (True, False), ("True", "false"), (1.0, 0.0), ("1", "")])
def test_columns_of_0_and_1_are_read(yes, no):
    parsed = parse([{n: yes if n in labels else no for n in ("awe", "fear", "joy")} for labels in SETS],
                   label_column="awe, fear,joy")  # fmt: skip
    assert held(parsed) == [sorted(labels) for labels in SETS]


def test_a_separator_that_is_named_leaves_the_others_in_the_labels():
    parsed = parse(["arts, books; film", "film", "arts, books"], label_separator=";")
    assert set(parsed.labels) == {"arts, books", "film"}


@pytest.mark.parametrize(
    ("labels", "given", "says"),
    [
        (["a, b", "a", "c;d"], {}, 'separated by ; or by ,: "c;d" in a.csv row 3 and "a, b" in a.csv row 1; say which'),
        (["a", "b;c", "nan"], {}, 'a.csv row 3: the label "nan" is what programs write for a missing one'),
        ([["a"], ["b", ["c"]]], {}, "a.csv row 2: the labels hold a list within a list"),
        ([["a"], {"label": {"b": 1}}], {}, "a.csv row 2: the labels are a dict"),
        (["['a' 'b']", "['a']"], {}, "a.csv row 1: the labels ['a' 'b'] are no list that can be read"),
        (["[4 27]", "[4]"], {}, "a.csv row 1: the labels [4 27] are no list"),
        (["a", "a", ""], {}, "has 1 different label; --multi-label takes at least two"),
        (["a;b", "b;a"], {}, "has the same labels in every row"),
        ([f"tag {i};tag {i + 1}" for i in range(40)], {}, "has 41 different labels in 40 rows; these are no labels"),
        ([{"x": 1, "y": 0}, {"x": 0, "y": 2}], {"label_column": "x,y"}, 'a.csv row 2: "y" is 2; 0 or 1 is expected'),
        ([{"x": 1}, {"x": 0}], {"label_column": "x,y"}, 'a.csv has no column "x,y"'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(labels, given, says):
    with pytest.raises(UserError) as caught:
        parse(labels, **given)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["a", "b", "a", ""], "no text has more than one label; without --multi-label one class a text is predicted"),
        (["a;b", "a", "", "", ""], "3 of 5 texts have no label"),
        (["a;none", "a", "b"], '"none" (1 row) counts as a label'),
        (["Joy;fear", "joy", "fear"], '"Joy" and "joy" count as different classes'),
    ],
)
def test_what_may_be_misread_is_warned_about(labels, says):
    (warning,) = parse(labels).warnings
    assert warning.startswith('a.csv column "label"') and says in warning


@pytest.mark.parametrize("labels", [["a", "b", "a;b"], [["a"], ["a", "b"]], ["['a', 'b']", "['a']"]])
def test_without_the_flag_it_is_named(labels):
    rows = [{"text": f"text {i}", "label": value} for i, value in enumerate(labels)]
    with pytest.raises(UserError, match="--multi-label"):
        CLASSIFICATION.parse({"train": Table("a.csv", rows)}, CLASSIFICATION.defaults(OptionKind.PARSE))


@pytest.mark.parametrize("way", WRITTEN)
def test_several_labels_are_recognised(way):
    values = [list(v) if isinstance(v, np.ndarray) else v for v in WRITTEN[way]]
    table = Table("a.csv", [{"text": f"some text {i}", "labels": value} for i, value in enumerate(values * 9)])
    found = CLASSIFICATION.recognise(table)
    assert found == {"text_column": "text", "label_column": "labels", "multi_label": True}
    assert TASKS["sentiment"].recognise(table) is None or way in ("semicolons", "bars", "commas")


def test_columns_of_0_and_1_are_recognised_beside_no_label():
    marks = [{"text": f"some text {i}", "insult": i % 2, "threat": int(i % 3 == 0)} for i in range(40)]
    guess = CLASSIFICATION.recognise(Table("a.csv", marks))
    assert guess == {"text_column": "text", "label_column": "insult,threat", "multi_label": True}
    labelled = [{**row, "label": "ab"[i % 2]} for i, row in enumerate(marks)]
    assert "multi_label" not in CLASSIFICATION.recognise(Table("a.csv", labelled))


def test_lines_of_fasttext_may_have_several_labels(tmp_path):
    file = tmp_path / "moods.txt"
    file.write_text("__label__sad __label__calm Rain.\n__label__glad Sun.\nNothing.\n")
    assert [row["label"] for row in lines.read(file, several=True).rows] == [["sad", "calm"], ["glad"], []]
    assert CLASSIFICATION.recognise_file(file, {})["multi_label"] is True
    with pytest.raises(UserError, match=r"line 1 begins with 2 labels .* --multi-label"):
        lines.read(file)
    assert isinstance(CLASSIFICATION.readers({"multi_label": True})[".txt"], partial)


def test_the_variant_is_what_is_loaded(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("text,label\n" + "".join(f"text {i},{'a;b' if i % 3 else 'b'}\n" for i in range(90)))
    keys = {"task": "classification", "train_file": str(file), "multi_label": True, "model": "x"}
    data = load(load_study(keys).entries()[0].source(), CLASSIFICATION)
    assert data.task == TASK.name and data.labels == ("b", "a")
    with pytest.raises(UserError, match="--multi-label is for the task classification"):
        load_study(keys | {"task": "sentiment"})


# Draws.


def examples(count, labels=6):
    """Texts with labels of falling frequency, most sets of them rare."""
    hits = RNG.random((count, labels)) < np.array([0.6, 0.5, 0.3, 0.2, 0.1, 0.05])[:labels]
    return tuple(Example({"text": f"text {i}"}, tuple(map(int, row))) for i, row in enumerate(hits))


def test_budgets_nest_and_hold_every_label_in_proportion():
    pools = Pools(examples(600), examples(150))
    drawn = [draw(pools, budget, 0, TASK.stratum) for budget in (60, 240, 700)]
    for small, large in itertools.pairwise(drawn):
        assert small.train == large.train[: len(small.train)] and small.dev == large.dev[: len(small.dev)]
    whole = np.mean([e.target for e in pools.train], axis=0)
    rarest = np.mean([e.target for e in drawn[1].train], axis=0)
    assert abs(rarest - whole).max() < 0.06 and abs((rarest - whole)[-1]) < 0.01, "the rarest label is a stratum of its own"


def test_a_test_set_is_carved_where_most_sets_occur_once(tmp_path):
    file = tmp_path / "a.csv"
    names = "abcdefghijkl"
    rows = [(f"text {i}", ";".join(n for n in names if RNG.random() < 0.4)) for i in range(200)]
    assert Counter(labels for _, labels in rows).most_common(1)[0][1] < 5
    file.write_text("text,label\n" + "".join(f"{text},{labels}\n" for text, labels in rows))
    data = load(DataSource(train_file=str(file), options={"multi_label": True}), CLASSIFICATION)
    assert (len(data.test), len(data.dev)) == (40, 32)


# Thresholds, constants.


def micro(predicted, wanted):
    return sklearn.metrics.f1_score(wanted, predicted, average="micro", zero_division=0)


@pytest.mark.parametrize("seed", range(12))
def test_the_threshold_is_the_best_there_is(seed):
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.random((12, 4)), 1 if seed % 2 else 6)
    wanted = rng.random((12, 4)) < probabilities * 0.7
    threshold, score = label_sets.best_threshold(probabilities, wanted)
    assert score == pytest.approx(micro(probabilities >= threshold, wanted), abs=1e-12)
    every = [micro(probabilities >= t, wanted) for t in np.unique(probabilities)]
    assert score == pytest.approx(max(every), abs=1e-12)
    assert 0 < threshold < 1


def test_without_labels_on_dev_the_threshold_is_one_half():
    assert label_sets.best_threshold(np.full((3, 2), 0.7), np.zeros((3, 2))) == (0.5, 0.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_constant_is_the_best_of_all_sets(seed):
    hits = np.random.default_rng(seed).random((20, 4)) < 0.4
    share, score = label_sets.best_constant(hits.mean(axis=0))
    every = [micro(np.tile(guess, (20, 1)), hits) for guess in itertools.product((0, 1), repeat=4)]
    assert score == pytest.approx(max(every), abs=1e-12)
    assert micro(np.tile(hits.mean(axis=0) >= share, (20, 1)), hits) == pytest.approx(score, abs=1e-12)


# Fitting.


def test_a_label_is_fitted_as_logistic_regression():
    x = RNG.normal(size=(80, 5)).astype(np.float32)
    hits = RNG.random((80, 3)) < 1 / (1 + np.exp(-x[:, :3]))
    found = Several(hits).fit(x, 0.1)
    for label, hit in enumerate(hits.T):
        reference = LogisticRegression(C=1 / (0.1 * 80), tol=1e-8).fit(x, hit)
        np.testing.assert_allclose(found.weight[label], reference.coef_[0], atol=5e-3)
        np.testing.assert_allclose(found.bias[label], reference.intercept_[0], atol=0.05)  # held a little towards 0
    said = 1 / (1 + np.exp(-found(x).astype(np.float64).ravel()))
    assert Several(hits).loss(found(x)) == pytest.approx(sklearn.metrics.log_loss(hits.ravel(), said), abs=1e-6)


@pytest.mark.parametrize("all_have_it", [False, True])
def test_a_label_that_tells_nothing_has_a_finite_solution(all_have_it):
    x = RNG.normal(size=(40, 5)).astype(np.float32)
    hits = np.stack([RNG.random(40) < 0.5, np.full(40, all_have_it)], axis=1)
    found = Several(hits).fit(x, 0.1)
    assert abs(found.weight[1]).max() < 0.05 and 2 < abs(found.bias[1]) < 6
    assert (found.bias[1] > 0) == all_have_it


def test_a_start_changes_where_the_search_begins_and_not_where_it_ends():
    x = RNG.normal(size=(60, 5)).astype(np.float32)
    problem = Several(RNG.random((60, 3)) < 0.4)
    np.testing.assert_allclose(problem.fit(x, 0.1, problem.fit(x, 1.0))(x), problem.fit(x, 0.1)(x), atol=5e-3)


def told(count):
    """Texts whose words tell their labels."""
    words = {"food": "soup bread chef", "price": "bill euros cheap", "place": "garden window noisy"}
    hits = RNG.random((count, 3)) < 0.4
    texts = [
        " ".join(
            RNG.permutation(
                ["the", "we", "was", *(w for n, h in zip(words, row, strict=True) if h for w in words[n].split()[:2])]
            )
        )
        for row in hits
    ]
    return tuple(
        Example({"text": f"{text} {i}"}, tuple(map(int, row)))
        for i, (text, row) in enumerate(zip(texts, hits, strict=True))
    )  # fmt: skip


def test_tfidf_gives_sets_and_the_majority_one_set():
    drawn, test = Drawn(told(150), told(40)), told(60)
    wanted = np.array([e.target for e in test])
    found = TFIDF.fit(drawn, TASK.text, 0)(test)
    assert micro(np.array(found), wanted) > 0.95
    constant = MAJORITY.fit(drawn, TASK.text, 0)(test)
    assert len({tuple(guess) for guess in constant}) == 1
    assert abs(micro(np.array(constant), wanted) - TASK.chance(test, ("food", "price", "place"))) < 0.05


def test_tfidf_copes_with_labels_that_none_or_all_of_train_have():
    rows = [Example({"text": f"word{i % 5} text"}, (1, 0, int(i % 5 == 0))) for i in range(40)]
    found = TFIDF.fit(Drawn(tuple(rows), tuple(rows[:8])), TASK.text, 0)(rows)
    assert found == [list(e.target) for e in rows]


def test_calibration_takes_each_label_as_a_case_of_no_and_yes():
    logits = [np.array([2.0, -1.0], np.float32), np.array([0.5, 3.0], np.float32)]
    rows = [Example({"text": "a"}, (1, 0)), Example({"text": "b"}, (0, 1))]
    cases, truth = TASK.probabilities(logits, None, rows)
    assert truth.tolist() == [1, 0, 0, 1]
    yes = np.exp(cases[:, 1]) / np.exp(cases).sum(axis=1)
    assert yes == pytest.approx(1 / (1 + np.exp(-np.concatenate(logits))), abs=1e-6)

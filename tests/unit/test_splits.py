"""Splits: prefixes keep the classes in proportion, budgets nest, nothing is lost or seen twice; leaks ring."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergain.data import contamination
from transfergain.data.contamination import NGRAM_WORDS, overlap
from transfergain.data.draws import (
    LABELS_PER_DEV_LABEL,
    budget_sizes,
    carve,
    draw,
    drop_duplicates,
    max_budget,
    stratified_order,
)
from transfergain.errors import UserError
from transfergain.split import DEV, TEST, TRAIN, shift
from transfergain.types import Dataset, Example

QUICK = settings(max_examples=60, deadline=None)
classes = st.lists(st.integers(1, 60), min_size=1, max_size=6).flatmap(
    lambda sizes: st.permutations([c for c, size in enumerate(sizes) for _ in range(size)])
)


def examples(strata, name=""):
    return tuple(Example({"text": f"{name}{i}"}, stratum) for i, stratum in enumerate(strata))


def stratum(example):
    return example.target


def text(example):
    return example.inputs["text"]


def dataset(train, dev):
    return Dataset("t", "d", ("0", "1", "2"), examples(train, "train"), examples(dev, "dev"), (), {}, "f", {})


@QUICK
@given(strata=classes, replicate=st.integers(0, 5))
def test_every_prefix_holds_each_class_in_proportion(strata, replicate):
    order = stratified_order(strata, "train", replicate=replicate)
    assert sorted(order) == list(range(len(strata)))
    totals, seen = Counter(strata), Counter()
    for size, index in enumerate(order, 1):
        seen[strata[index]] += 1
        for name, total in totals.items():
            share = total / len(strata)
            # Each class is within one of its share of the common position, and so is the prefix's size for every class.
            assert abs(seen[name] - size * share) <= 1 + len(totals) * share + 1e-9


def test_two_balanced_classes_stay_within_one_of_each_other():
    for replicate in range(20):
        order = stratified_order([0, 1] * 100, "train", replicate=replicate)
        for size in range(1, 201):
            ones = sum(index % 2 for index in order[:size])
            assert abs(ones - (size - ones)) <= 1


def test_order_depends_on_stream_and_seed_alone():
    strata = [0, 1, 2] * 20
    first = stratified_order(strata, "train", replicate=1)
    assert first == stratified_order(strata, "train", replicate=1)
    assert first != stratified_order(strata, "train", replicate=2)
    assert first != stratified_order(strata, "dev", replicate=1)


@given(n_train=st.integers(0, 500), n_dev=st.integers(0, 500))
def test_max_budget_is_the_largest_that_divides(n_train, n_dev):
    most = max_budget(n_train, n_dev)
    train, dev = budget_sizes(most, n_train, n_dev)
    assert train + dev == most
    assert train <= n_train
    assert dev <= n_dev
    with pytest.raises(UserError, match=f"{most:,} is the most"):
        budget_sizes(most + 1, n_train, n_dev)


@given(n_train=st.integers(10, 500), n_dev=st.integers(0, 500), data=st.data())
def test_dev_labels_are_inside_the_budget(n_train, n_dev, data):
    budget = data.draw(st.integers(1, max_budget(n_train, n_dev)))
    train, dev = budget_sizes(budget, n_train, n_dev)
    assert train + dev == budget
    assert dev == min(budget // LABELS_PER_DEV_LABEL, n_dev)


@QUICK
@given(
    train=st.lists(st.integers(0, 2), min_size=10, max_size=80),
    dev=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    replicate=st.integers(0, 3),
    data=st.data(),
)
def test_budgets_nest_in_train_and_dev(train, dev, replicate, data):
    pools = dataset(train, dev)
    sizes = st.integers(1, max_budget(len(train), len(dev)))
    small, large = sorted((data.draw(sizes), data.draw(sizes)))
    few, many = (draw(pools, budget, replicate, stratum) for budget in (small, large))
    assert len(few.train) + len(few.dev) == small
    assert len(many.train) + len(many.dev) == large
    assert many.train[: len(few.train)] == few.train
    assert many.dev[: len(few.dev)] == few.dev
    assert len(set(map(text, many.train))) == len(many.train)
    assert all(e in pools.train for e in many.train)
    assert all(e in pools.dev for e in many.dev)


def test_replicates_draw_different_subsets():
    pools = dataset([0, 1] * 100, [0, 1] * 50)
    drawn = [draw(pools, 40, replicate, stratum) for replicate in range(4)]
    assert len({frozenset(map(text, d.train)) for d in drawn}) == 4
    assert len({frozenset(map(text, d.dev)) for d in drawn}) == 4


def test_budget_larger_than_the_data_says_what_there_is():
    with pytest.raises(UserError, match=r"100 labels is larger than the data: 62 is the most \(50 train and 20 dev"):
        draw(dataset([0, 1] * 25, [0, 1] * 10), 100, 0, stratum)


@QUICK
@given(strata=classes, share=st.floats(0.05, 0.5))
def test_carving_is_complete_disjoint_stratified_and_seeded(strata, share):
    rows = examples(strata)
    kept, carved = carve(rows, share, stratum, "test")
    assert sorted(kept + carved, key=text) == sorted(rows, key=text)
    assert [e for e in rows if e in kept] == list(kept)
    assert (kept, carved) == carve(rows, share, stratum, "test")
    totals, left, taken = (Counter(map(stratum, part)) for part in (rows, kept, carved))
    assert set(left) == set(totals)
    most = sum(totals.values()) - len(totals)
    assert len(carved) == min(round(len(rows) * share), most)
    # Where classes of one example may not be carved, the others make up for them.
    if min(totals.values()) > 1 / share + 2:
        for name, total in totals.items():
            assert abs(taken[name] - total * share) <= 2 + len(totals) * total / len(rows)


def test_carving_depends_on_the_new_split():
    rows = examples([0, 1] * 50)
    assert carve(rows, 0.2, stratum, "test") != carve(rows, 0.2, stratum, "dev")


def article(example):
    return example.inputs["article"]


articles = st.lists(st.integers(1, 9), min_size=1, max_size=12).flatmap(
    lambda sizes: st.permutations([f"article {i}" for i, size in enumerate(sizes) for _ in range(size)])
)
"""The article of each example, of articles of one to nine."""


def questions(names):
    return tuple(Example({"text": f"q{i}", "article": name}, i % 3) for i, name in enumerate(names))


@QUICK
@given(names=articles, share=st.floats(0.05, 0.6))
def test_articles_are_carved_whole_until_the_share_is_reached(names, share):
    rows = questions(names)
    kept, carved = carve(rows, share, stratum, "test", article)
    assert sorted(kept + carved, key=text) == sorted(rows, key=text)
    for part in (kept, carved):
        assert [e for e in rows if e in part] == list(part), "order is the input's"
    left, taken = ({article(e) for e in part} for part in (kept, carved))
    assert not left & taken
    assert left, "train keeps an article"
    wanted, sizes = round(len(rows) * share), Counter(names)
    assert len(carved) >= wanted or len(left) == 1
    assert not taken or len(carved) - max(sizes[name] for name in taken) < wanted, "no article more than needed"


@QUICK
@given(names=articles, replicate=st.randoms(use_true_random=False))
def test_which_articles_are_carved_depends_on_the_split_and_not_on_strata(names, replicate):
    rows = questions(names)
    first = carve(rows, 0.3, stratum, "test", article)
    assert first == carve(rows, 0.3, stratum, "test", article)
    assert first == carve(rows, 0.3, lambda e: replicate.random(), "test", article)


def test_each_split_has_articles_of_its_own_choice():
    rows = questions([f"article {i // 5}" for i in range(100)])
    chosen = {name: frozenset(map(article, carve(rows, 0.2, stratum, name, article)[1])) for name in ("test", "dev")}
    assert chosen["test"] != chosen["dev"]
    assert all(len(names) == 4 for names in chosen.values())


def test_one_article_is_never_carved():
    rows = questions(["article 0"] * 20)
    assert carve(rows, 0.5, stratum, "test", article) == (rows, ())


def of(*texts):
    return tuple(Example({"text": t}, 0) for t in texts)


def test_test_keeps_its_examples_then_dev_then_train_and_shifts_lose_theirs():
    parts = {
        TRAIN: of("a", "b", "c", "c", "d"),
        DEV: of("b", "c2", "a"),
        TEST: of("a", "e", "e"),
        shift("x"): of("d", "f", "f", "e", "g"),
        shift("y"): of("f", "c2"),
    }
    kept, dropped, _ = drop_duplicates(parts, text)
    assert {name: [text(e) for e in rows] for name, rows in kept.items()} == {
        TRAIN: ["c", "d"],
        DEV: ["b", "c2"],
        TEST: ["a", "e"],
        shift("x"): ["f", "g"],
        shift("y"): ["f"],
    }
    assert dropped == {TRAIN: 3, DEV: 1, TEST: 1, shift("x"): 3, shift("y"): 1}
    assert list(kept) == list(parts)


def test_duplicates_with_another_target_than_the_one_that_is_kept_are_counted():
    def labelled(*targets):
        return tuple(Example({"text": "same"}, target) for target in targets)

    parts = {TRAIN: labelled(0, 0, 1), TEST: labelled(1), shift("x"): labelled(1, 0)}
    assert drop_duplicates(parts, text).differing == 3, "both zeros of train, and that of the shift: the test set's is kept"
    assert drop_duplicates({TRAIN: labelled(0, 0)}, text).differing == 0
    apart = {TRAIN: of("a"), shift("x"): labelled(0), shift("y"): labelled(1)}
    assert drop_duplicates(apart, text).differing == 0, "two shifts may share a text: nothing is dropped"


@given(
    st.fixed_dictionaries(
        {name: st.lists(st.sampled_from("abcdefgh"), max_size=8).map(lambda t: of(*t)) for name in (TRAIN, TEST, DEV)},
        optional={shift("x"): st.lists(st.sampled_from("abcdefgh"), max_size=8).map(lambda t: of(*t))},
    )
)
def test_no_text_is_in_two_splits_and_none_vanishes(parts):
    kept, dropped, _ = drop_duplicates(parts, text)
    every = [text(e) for rows in kept.values() for e in rows]
    assert len(set(every)) == len(every)
    assert set(every) == {text(e) for rows in parts.values() for e in rows}
    assert sum(dropped.values()) == sum(map(len, parts.values())) - len(every)
    assert {text(e) for e in kept[TEST]} == {text(e) for e in parts[TEST]}


def words(start, count):
    return " ".join(f"w{i}" for i in range(start, start + count))


def test_overlap_counts_texts_that_share_thirteen_words():
    train = [words(0, 30), words(100, 5)]
    leaked = "So! " + words(10, NGRAM_WORDS).title().replace(" ", ", ") + "."
    short_of_it = "So " + words(10, NGRAM_WORDS - 1) + " it ends"
    found = overlap(train, [leaked, short_of_it, words(200, NGRAM_WORDS), words(100, 5)])
    assert found == (1, 3, 4)


def grams(text):
    found = contamination.normalised_words(text)
    return {tuple(found[i : i + NGRAM_WORDS]) for i in range(len(found) - NGRAM_WORDS + 1)}


@QUICK
@given(*[st.lists(st.lists(st.sampled_from("ab"), max_size=30).map(" ".join), max_size=8)] * 2, st.integers(1, 50))
def test_overlap_by_hashes_is_that_by_words(train, test, batch):
    seen = {gram for text in train for gram in grams(text)}
    expected = (sum(bool(grams(t) & seen) for t in test), sum(bool(grams(t)) for t in test), len(test))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contamination, "BATCH_NGRAMS", batch)
        assert overlap(iter(train), iter(test)) == expected


def test_words_are_lower_case_without_punctuation_around_them():
    assert contamination.normalised_words("A ... (b)! don't") == ["a", "b", "don't"]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=30).map(" ".join), max_size=8))
def test_overlap_of_a_set_with_itself_is_whole_and_with_nothing_is_none(texts):
    mine = overlap(texts, texts)
    assert mine.shared == mine.checked
    assert mine.total == len(texts)
    assert overlap([], texts) == (0, mine.checked, mine.total)

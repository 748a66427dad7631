"""The built-in benchmark: its shape, balance, freedom from repeats, how hard it is for word counts, and its data cards."""

import json
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import transfergain.data
from transfergain.data.prepare import DataSource, load
from transfergain.tasks import TASKS

FOLDER = Path(transfergain.data.__file__).parent / "builtin"
SHIFTS = {"sentiment": "shift.places", "classification": "shift.forum"}
AT_LEAST = {"train": 600, "validation": 150, "test": 300, "shift": 200}
NEAR = 0.5
"""Two texts whose sets of word bigrams have this Jaccard index or more are near duplicates."""
TFIDF_BAND = {"sentiment": (0.65, 0.80), "classification": (0.40, 0.70)}
"""Test accuracy of counted words: above the upper end the set is too easy, below the lower its labels are suspect."""

each_task = pytest.mark.parametrize("task", sorted(SHIFTS))


def names(task):
    return ["train", "validation", "test", SHIFTS[task]]


def read(task):
    """Split -> rows, read without the package's own readers."""
    return {n: [json.loads(line) for line in lines(FOLDER / task / f"{n}.jsonl")] for n in names(task)}


def lines(path):
    raw = path.read_bytes().decode("utf-8")  # raises unless the bytes are UTF-8
    assert raw.endswith("\n")
    assert not raw.startswith("\ufeff")
    return raw[:-1].split("\n")


def words(text):
    """Lower-case words of the compatibility form, without punctuation: what repeats are judged by."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def bigrams(text):
    return list(zip(words(text), words(text)[1:], strict=False))


def every_row(task):
    return [row for rows in read(task).values() for row in rows]


def nearest_pair(texts):
    """(Jaccard index, text, text) of the two texts that share most of their word bigrams."""
    sets = [set(bigrams(text)) for text in texts]
    holders, best = defaultdict(list), (0.0, "", "")
    for i, mine in enumerate(sets):
        shared = Counter(j for gram in mine for j in holders[gram])
        for j, count in shared.items():
            best = max(best, (count / len(mine | sets[j]), texts[i], texts[j]))
        for gram in mine:
            holders[gram].append(i)
    return best


@each_task
def test_each_line_is_one_object_with_text_label_and_domain(task):
    for name, rows in read(task).items():
        assert all(list(row) == ["text", "label", "domain"] for row in rows), name
        assert all(isinstance(value, str) and value == value.strip() != "" for row in rows for value in row.values()), name


@each_task
def test_texts_hold_no_control_or_private_characters(task):
    for row in every_row(task):
        odd = [c for c in row["text"] if unicodedata.category(c)[0] == "C" or c == "\N{REPLACEMENT CHARACTER}"]
        assert not odd, row["text"]
        assert unicodedata.is_normalized("NFC", row["text"]), row["text"]
        assert "  " not in row["text"], row["text"]


@each_task
def test_the_folder_holds_the_four_splits_and_the_card_and_nothing_else(task):
    assert {f.name for f in (FOLDER / task).iterdir()} == {f"{n}.jsonl" for n in names(task)} | {"CARD.md"}


@each_task
def test_splits_are_large_enough(task):
    for name, rows in read(task).items():
        assert len(rows) >= AT_LEAST[name.split(".")[0]], name


@each_task
def test_labels_and_domains_are_balanced_within_one_in_every_split(task):
    rows_of = read(task)
    labels = {row["label"] for row in rows_of["train"]}
    domains = {row["domain"] for row in rows_of["train"]}
    assert len(labels) == {"sentiment": 2, "classification": 6}[task]
    for name, rows in rows_of.items():
        by_label = Counter(row["label"] for row in rows)
        assert set(by_label) == labels, name
        assert max(by_label.values()) - min(by_label.values()) <= 1, name
        cells = Counter((row["label"], row["domain"]) for row in rows)
        assert max(cells.values()) - min(cells.values()) <= 1, name
        seen = {row["domain"] for row in rows}
        assert (len(seen) == 1 and not seen & domains) if name.startswith("shift") else seen == domains, name
        assert len(cells) == len(labels) * len(seen), name


@each_task
def test_no_text_repeats_another_in_any_split(task):
    rows = every_row(task)
    counts = Counter(" ".join(words(row["text"])) for row in rows)
    assert [text for text, n in counts.items() if n > 1] == []
    index, one, other = nearest_pair([row["text"] for row in rows])
    assert index < NEAR, (one, other)


def test_the_search_for_near_duplicates_finds_a_planted_one():
    texts = [row["text"] for row in read("sentiment")["test"]]
    source = max(texts, key=len)
    planted = source.upper().replace(".", "!") + " Truly."
    assert nearest_pair([*texts, planted])[0] > NEAR
    assert set(nearest_pair([*texts, planted])[1:]) == {source, planted}


@each_task
def test_wording_is_varied(task):
    grams = [gram for row in read(task)["train"] for gram in bigrams(row["text"])]
    assert len(set(grams)) / len(grams) > 0.6
    for rows in read(task).values():
        openings = Counter(tuple(words(row["text"])[:3]) for row in rows)
        opening, most = openings.most_common(1)[0]
        assert most <= max(1, 0.01 * len(rows)), opening


@each_task
def test_lengths_are_those_of_sentences(task):
    for row in every_row(task):
        assert 3 <= len(words(row["text"])) <= 60, row["text"]


@each_task
def test_the_package_reads_it_whole(task):
    data, rows_of = load(DataSource(dataset_name=f"builtin:{task}"), TASKS[task]), read(task)
    sizes = [len(data.train), len(data.dev), len(data.test), *map(len, data.shifts.values())]
    assert sizes == [len(rows_of[n]) for n in names(task)]  # no row was dropped as a duplicate
    assert list(data.shifts) == [SHIFTS[task].removeprefix("shift.")]
    assert data.warnings == ()


@each_task
def test_counted_words_leave_room_for_better_models(task):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rows_of = read(task)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    train = vectors.fit_transform([row["text"] for row in rows_of["train"]])
    test = vectors.transform([row["text"] for row in rows_of["test"]])
    targets = {name: [row["label"] for row in rows_of[name]] for name in ("train", "test")}
    scores = [
        LogisticRegression(C=c, max_iter=1000).fit(train, targets["train"]).score(test, targets["test"])
        for c in (1, 10, 100)
    ]
    low, high = TFIDF_BAND[task]
    assert low <= max(scores) <= high


@each_task
def test_the_card_states_the_figures_of_the_files(task):
    """A row of the card's table: split, file, texts, texts a label, domains, words min / median / mean / max."""
    card = (FOLDER / task / "CARD.md").read_text("utf-8")
    table = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in card.splitlines() if ".jsonl` |" in line]
    stated = {file.removesuffix(".jsonl"): cells for _, file, *cells in table}
    assert list(stated) == names(task)
    for name, rows in read(task).items():
        n = [len(words(row["text"])) for row in rows]
        a_label = len(rows) // len({row["label"] for row in rows})
        domains = ", ".join(sorted({row["domain"] for row in rows}))
        length = f"{min(n)} / {statistics.median(n):g} / {statistics.mean(n):.1f} / {max(n)}"
        assert stated[name] == [str(len(rows)), str(a_label), domains, length], name


@each_task
def test_card_and_licence_name_the_dedication(task):
    assert "CC0-1.0" in (FOLDER / task / "CARD.md").read_text("utf-8")
    licence = (FOLDER / "LICENSE").read_text("utf-8")
    assert "CC0-1.0" in licence
    assert "CC0 1.0 Universal" in licence
    assert task in licence

"""The built-in sets of pairs and of several labels: shape, splits, how hard they are for floors, data cards."""

import functools
import json
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest

import transfergain.data
from transfergain.data.draws import Drawn
from transfergain.data.prepare import DataSource, load
from transfergain.errors import UserError
from transfergain.tasks import TASKS, find
from transfergain.tasks.scoring import score

FOLDER = Path(transfergain.data.__file__).parent / "builtin"
SHIFTS = {"pairs": "notices", "topics": "guests"}
COLUMNS = {"pairs": ["premise", "hypothesis", "label", "domain"], "topics": ["text", "labels", "domain"]}
SIZES = {"pairs": (408, 96, 180, 180), "topics": (480, 120, 260, 180)}
LABELS = ("heating", "keys", "lift", "noise", "parking", "payment", "rubbish", "water")
TFIDF_BAND = {"pairs": (0.55, 0.70), "topics": (0.40, 0.60)}
"""Primary score of counted words on test and shift: above the upper end the set is too easy."""

each = pytest.mark.parametrize("name", SHIFTS)


@functools.cache
def read(name):
    """Split -> rows, read without the package's own readers."""
    files = ["train", "validation", "test", f"shift.{SHIFTS[name]}"]
    return {f: [json.loads(line) for line in (FOLDER / name / f"{f}.jsonl").read_text("utf-8").splitlines()] for f in files}


@functools.cache
def loaded(name):
    return load(DataSource(dataset_name=f"builtin:{name}"), TASKS["classification"])


@each
def test_files_have_their_columns_and_sizes(name):
    assert tuple(len(rows) for rows in read(name).values()) == SIZES[name]
    assert all(list(row) == COLUMNS[name] for rows in read(name).values() for row in rows)
    texts = [v for rows in read(name).values() for row in rows for v in row.values() if isinstance(v, str)]
    assert all(text == " ".join(text.split()) and text for text in texts)


@each
def test_the_set_is_read_with_its_own_options_and_nothing_is_dropped(name):
    data = loaded(name)
    assert (len(data.train), len(data.dev), len(data.test), len(data.shifts[SHIFTS[name]])) == SIZES[name]
    assert "no duplicates" in data.notes and not data.warnings
    assert data.task == ("classification" if name == "pairs" else "multi-label") and data.name == name


def test_pairs_are_balanced_in_every_premise_and_splits_share_none():
    premises = [Counter(row["premise"] for row in rows) for rows in read("pairs").values()]
    assert all(set(counts.values()) == {6} for counts in premises)
    assert len(set().union(*premises)) == sum(map(len, premises))
    for rows in read("pairs").values():
        follows = Counter(row["premise"] for row in rows if row["label"] == "follows")
        assert set(follows.values()) == {3} and len(follows) == len(rows) / 6


def test_a_hypothesis_alone_does_not_tell():
    """One in three that do not follow stands elsewhere in the split as one that does."""
    for rows in read("pairs").values():
        told = {label: [r["hypothesis"] for r in rows if r["label"] == label] for label in ("follows", "does not follow")}
        both = set(told["follows"]) & set(told["does not follow"])
        assert len(both) == len(rows) / 6


def test_topics_have_eight_labels_in_every_split_and_texts_without():
    for rows in read("topics").values():
        assert all(row["labels"] == sorted(set(row["labels"])) for row in rows)
        assert {label for row in rows for label in row["labels"]} == set(LABELS)
        assert 0.04 < sum(not row["labels"] for row in rows) / len(rows) < 0.15
        assert 1.5 < statistics.mean(len(row["labels"]) for row in rows) < 2


def test_sentences_with_a_label_are_in_one_split():
    """Openings and closings, which say nothing, may be in several."""
    found = []
    for rows in read("topics").values():
        found.append({part for row in rows for part in re.split(r"(?<=[.?!:]) ", row["text"])})
    shared = [a & b for i, a in enumerate(found[:3]) for b in found[i + 1 : 3]]
    assert len(set().union(*shared)) <= 45


@each
def test_counted_words_are_between_chance_and_easy(name):
    data = loaded(name)
    task = find(data.task)
    predict = task.floor("tfidf").fit(Drawn(data.train, data.dev), task.text, 0)
    low, high = TFIDF_BAND[name]
    for rows in (data.test, *data.shifts.values()):
        assert low < score(task, predict(rows), rows, data.labels).score < high
        assert task.chance(rows, data.labels) < low


def test_a_task_that_lacks_the_options_is_told():
    with pytest.raises(UserError, match="builtin:topics is read with --multi-label, which --task sentiment does not take"):
        load(DataSource(dataset_name="builtin:topics"), TASKS["sentiment"])
    assert load(DataSource(dataset_name="builtin:pairs"), TASKS["sentiment"]).labels == ("does not follow", "follows")


# Cards.


def words(text):
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text)


def four(counts):
    """min / median / mean / max, as the cards state them."""
    return f"{min(counts)} / {statistics.median(counts):g} / {statistics.mean(counts):.1f} / {max(counts)}"


def figures(name, rows):
    """The cells of a card's table after split and file."""
    if name == "pairs":
        lengths = [four([len(words(row[side])) for row in rows]) for side in ("premise", "hypothesis")]
        return [str(len(rows)), str(len({row["premise"] for row in rows})), *lengths]
    empty, mean = sum(not row["labels"] for row in rows), statistics.mean(len(row["labels"]) for row in rows)
    return [str(len(rows)), str(empty), f"{mean:.2f}", four([len(words(row["text"])) for row in rows])]


@each
def test_the_card_states_the_figures_of_the_files(name):
    card = (FOLDER / name / "CARD.md").read_text("utf-8")
    table = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in card.splitlines() if ".jsonl` |" in line]
    assert {file.removesuffix(".jsonl"): cells for _, file, *cells in table} == {
        file: figures(name, rows) for file, rows in read(name).items()
    }


@each
def test_card_and_licence_name_the_dedication(name):
    card, licence = (FOLDER / name / "CARD.md").read_text("utf-8"), (FOLDER / "LICENSE").read_text("utf-8")
    headings = re.findall(r"^## .*", (FOLDER / "sentiment" / "CARD.md").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^#+ .*", card, re.MULTILINE) == [f"# `builtin:{name}`", *headings]
    assert "CC0-1.0" in card and f"{name}/" in licence

"""Every perturbation keeps its promises on every task it names: targets kept true, deterministic, more severe is more."""

import ast
import difflib
import inspect
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from transfergain import perturbations
from transfergain.data.formats.table import Table
from transfergain.options import OptionKind
from transfergain.perturbations import GROUPS, PERTURBATIONS, SEVERITIES, chosen_splits, expand, perturb
from transfergain.split import perturbed as corruption
from transfergain.tasks import TASKS
from transfergain.types import Example, Target

pytestmark = pytest.mark.long
SENTENCE = (
    "The Quick brown fox doesn't jump over Zoë's café crème, São Paulo's déjà vu, and nobody will mind it; people do not "
    "cheer, they are being naïve: it's the end!"
)
WORDS = (
    "Zoë Köhler met Ada Lovelace in São Paulo ; they had café crème , ate , and , maybe , nobody at all cared near Ålesund ."
).split()
TAGS = ["B-person", "I-person", "O", "B-person", "I-person", "O", "B-place", "I-place", *["O"] * 18, "B-place", "O"]
LABELS = ("O", "B-person", "I-person", "B-place", "I-place")
PASSAGE = (
    "Ada Lovelace wasn't born in São Paulo, as some believe; she was born in London. Her notes on the engine, written in "
    "1843, are well known: they hold what many don't hesitate to call the first program. The café was named after her."
)
ANSWERS = ("Ada Lovelace", "Lovelace", "London", "in London", "1843", "PASSAGE'S END")


def answered(i):
    texts = [text for text in ANSWERS[i % 3 : i % 3 + 3] if text in PASSAGE]
    return {"text": texts, "answer_start": [PASSAGE.index(text) for text in texts]}


ROWS = {
    "sentiment": [Example({"text": f"{SENTENCE} {i}"}, i % 2) for i in range(80)],
    "classification": [Example({"text": f"{SENTENCE} {i}"}, i % 3) for i in range(80)],
    "ner": [Example({"tokens": [*WORDS, str(i)]}, [LABELS.index(tag) for tag in [*TAGS, "O"]]) for i in range(80)],
    "qa": [
        Example(
            {"id": str(i), "title": "", "context": f"{PASSAGE} {i}", "question": f"Who wasn't born in São Paulo, {i}?"},
            answered(i),
        )
        for i in range(80)
    ],
    "translation": [Example({"source": f"{SENTENCE} {i}"}, f"Le renard {i}") for i in range(80)],
}
"""Task -> examples with a place for every perturbation."""
TEXTS = {
    "sentiment": lambda e: e.inputs["text"],
    "classification": lambda e: e.inputs["text"],
    "ner": lambda e: " ".join(e.inputs["tokens"]),
    "qa": lambda e: f"{e.inputs['context']} {e.inputs['question']}",
    "translation": lambda e: e.inputs["source"],
}
CASES = [(name, task) for name, entry in PERTURBATIONS.items() for task in TASKS if entry.keeps(TASKS[task].target)]
pytestmark = pytest.mark.filterwarnings("error")


def tables(task, rows):
    """The examples as a table that the task reads, and the options to read it with."""
    if task == "ner":
        named = [{"tokens": e.inputs["tokens"], "ner_tags": [LABELS[tag] for tag in e.target]} for e in rows]
        return Table("t", named), {}
    if task == "qa":
        return Table("t", [{**e.inputs, "answers": e.target} for e in rows]), {}
    if task == "translation":
        pairs = [{"translation": {"en": e.inputs["source"], "fr": e.target}} for e in rows]
        return Table("t", pairs), {"source_lang": "en", "target_lang": "fr"}
    return Table("t", [{"text": e.inputs["text"], "label": e.target} for e in rows]), {}


def words_changed(task, rows, others):
    """Words of one that the other lacks, both ways, a pair of examples."""
    pairs = [(Counter(TEXTS[task](a).split()), Counter(TEXTS[task](b).split())) for a, b in zip(rows, others, strict=True)]
    return np.mean([((a - b) + (b - a)).total() for a, b in pairs])


def test_every_task_has_examples_and_perturbations():
    assert set(ROWS) == set(TASKS) == {task for _, task in CASES}


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_an_entry_is_complete(name):
    entry = PERTURBATIONS[name]
    assert entry.name == name and entry.title and entry.unit and entry.citation and entry.version >= 1
    assert entry.share(1) > 0 and entry.share(5) <= 1 and entry.share(5) == pytest.approx(5 * entry.share(1))
    assert not entry.keeps(None) and any(entry.keeps(target) for target in Target)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_same_rows_give_the_same_text_and_something_changes(name, task):
    once, again = (perturb(ROWS[task], corruption(name, 3)) for _ in range(2))
    assert once == again
    assert once != tuple(ROWS[task]) and len(once) == len(ROWS[task])
    assert perturb(ROWS[task], corruption(name, 4)) != once


@pytest.mark.parametrize(("name", "task"), CASES)
def test_severity_grows(name, task):
    changed = [words_changed(task, ROWS[task], perturb(ROWS[task], corruption(name, s))) for s in SEVERITIES]
    assert changed[0] > 0 and all(a < b for a, b in pairwise(changed)), changed


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_edit_distance_grows_with_severity(name):
    rows = ROWS["sentiment"][:50]

    def distance(severity):
        pairs = zip(rows, perturb(rows, corruption(name, severity)), strict=True)
        return np.mean([1 - difflib.SequenceMatcher(None, a.inputs["text"], b.inputs["text"]).ratio() for a, b in pairs])

    by_severity = [distance(s) for s in SEVERITIES]
    assert all(a < b for a, b in pairwise(by_severity)), by_severity


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_task_reads_the_perturbed_rows_as_they_are(name, task):
    """The task's own reader checks no text or word is empty, each word has a tag, answers are at their offsets."""
    for severity in (1, 5):
        rows = perturb(ROWS[task], corruption(name, severity))
        table, options = tables(task, rows)
        parsed = TASKS[task].parse({"train": table}, {**TASKS[task].defaults(OptionKind.PARSE), **options})
        assert [e.target for e in parsed.splits["train"]] == [e.target for e in rows]
        assert not parsed.warnings


@pytest.mark.parametrize(("name", "task"), [case for case in CASES if case[1] not in ("ner", "qa")])
def test_targets_without_spans_are_kept_and_so_are_the_other_inputs(name, task):
    rows = perturb(ROWS[task], corruption(name, 5))
    assert [e.target for e in rows] == [e.target for e in ROWS[task]]
    assert [set(e.inputs) for e in rows] == [set(e.inputs) for e in ROWS[task]]


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "ner"])
def test_entities_keep_their_words_number_type_and_order(name):
    for before, after in zip(ROWS["ner"], perturb(ROWS["ner"], corruption(name, 5)), strict=True):
        assert len(after.inputs["tokens"]) == len(after.target)
        assert [tag for tag in after.target if tag] == [tag for tag in before.target if tag]


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "qa"])
def test_answers_keep_their_text_and_examples_their_cluster(name):
    for before, after in zip(ROWS["qa"], perturb(ROWS["qa"], corruption(name, 5)), strict=True):
        assert [text.lower() for text in after.target["text"]] == [text.lower() for text in before.target["text"]]
        assert TASKS["qa"].cluster(after) == TASKS["qa"].cluster(before)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_row_does_not_depend_on_the_other_rows(name, task):
    split = corruption(name, 5)
    assert perturb(ROWS[task][:7], split)[6] == perturb([*ROWS[task][10:16], ROWS[task][6]], split)[6]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_rows_with_the_same_text_have_streams_of_their_own(name):
    assert len({e.inputs["text"] for e in perturb([ROWS["sentiment"][0]] * 40, corruption(name, 3))}) > 3


# Names.


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_it_is_left_out_of_tasks_it_is_not_valid_for(name):
    for task in TASKS:
        expected = [corruption(name, s) for s in SEVERITIES] if (name, task) in CASES else []
        assert [split for split, _ in chosen_splits(TASKS[task].target, [name])] == expected
    assert chosen_splits(None, [name]) == ()


def test_the_order_in_which_they_are_named_does_not_matter():
    assert chosen_splits(Target.SPANS, ["drop", "keyboard@2", "fast"]) == chosen_splits(
        Target.SPANS, ["fast", "keyboard@2", "drop"]
    )
    assert expand(["drop@3", "keyboard", "drop@1", "keyboard@2"]) == [
        *(corruption("keyboard", s) for s in SEVERITIES),
        corruption("drop", 1),
        corruption("drop", 3),
    ]
    assert len(expand(["all"])) == len(PERTURBATIONS) * len(SEVERITIES) and expand(["none"]) == []


def test_a_new_version_changes_the_fingerprint():
    marks = dict(chosen_splits(Target.LABEL, ["all"]))
    assert marks[corruption("keyboard", 1)] == "version 2" and marks[corruption("drop", 1)] == "version 1"


def test_the_fast_ones_are_valid_for_every_task_at_three_severities():
    assert len(expand(["fast"])) == 15
    assert {len(chosen_splits(target, ["fast"])) for target in Target} == {15}
    assert not set(GROUPS) & set(PERTURBATIONS)


@pytest.mark.parametrize("word", ["keybord", "keyboard@6", "keyboard@", "keyboard@x", "@3", ""])
def test_an_unknown_one_is_refused(word):
    with pytest.raises(ValueError, match=r"unknown perturbation|no severity"):
        expand(["drop", word])


def test_the_registry_is_a_plain_dict_literal():
    tree = ast.parse(inspect.getsource(perturbations))
    literals = [n.value for n in tree.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "PERTURBATIONS"]
    assert len(literals) == 1 and isinstance(literals[0], ast.Dict)
    assert [ast.literal_eval(key) for key in literals[0].keys] == list(PERTURBATIONS)

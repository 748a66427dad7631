"""Every perturbation keeps its promises: labels kept, deterministic, more severe is more different."""

import difflib
from itertools import pairwise

import numpy as np
import pytest

from transfergain.perturbations import PERTURBATIONS, SEVERITIES, perturbed, split_names
from transfergain.seeds import generator
from transfergain.tasks import TASKS
from transfergain.types import Example

TEXT = "The Quick brown fox jumps over the lazy dog, and nobody at the 3 farms minds it at all; café owners cheer."
ROWS = tuple(Example({"text": f"{TEXT} {i}"}, i % 2) for i in range(40))


def difference(a, b):
    return np.mean(
        [1 - difflib.SequenceMatcher(None, x.inputs["text"], y.inputs["text"]).ratio() for x, y in zip(a, b, strict=True)]
    )


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_labels_are_kept_and_the_same_rows_give_the_same_text(name):
    once, again = (perturbed(ROWS, f"perturbed:{name}@3") for _ in range(2))
    assert once == again
    assert [r.target for r in once] == [r.target for r in ROWS]
    assert [r.inputs["text"] for r in once] != [r.inputs["text"] for r in ROWS]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_severity_grows(name):
    by_severity = [difference(ROWS, perturbed(ROWS, f"perturbed:{name}@{s}")) for s in SEVERITIES]
    assert all(a < b for a, b in pairwise(by_severity)), by_severity


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_it_names_known_tasks_and_is_left_out_of_others(name):
    entry = PERTURBATIONS[name]
    assert entry.tasks and set(entry.tasks) <= set(TASKS)
    assert len(split_names(entry.tasks[0], [name])) == len(SEVERITIES)
    assert split_names("no such task", [name]) == ()


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_empty_text_and_text_without_letters_survive(name):
    for text in ("", "12 34 !?", "日本語"):
        example = Example({"text": text}, 1)
        assert PERTURBATIONS[name].apply(example, 5, generator("test")).target == 1


def test_keyboard_typos_keep_length_case_and_replace_about_their_share():
    rows = tuple(Example({"text": "Aa" * 500}, 0) for _ in range(20))
    for severity in SEVERITIES:
        hit = perturbed(rows, f"perturbed:keyboard@{severity}")
        pairs = [
            (a, b) for x, y in zip(rows, hit, strict=True) for a, b in zip(x.inputs["text"], y.inputs["text"], strict=True)
        ]
        assert all(a.isupper() == b.isupper() for a, b in pairs)
        assert np.mean([a != b for a, b in pairs]) == pytest.approx(0.02 * severity, rel=0.15)

"""One thing stands in the singular, wherever things are counted."""

import ast
import itertools
import re
from pathlib import Path

import pytest

import transfergain
from transfergain.counts import counted, share

ROOT = Path(transfergain.__file__).parent
NOUNS = "articles cores epochs minutes passages replicates sequences steps tensors threads trials warnings workers".split()
"""What there may be one of in any sentence that counts it."""


@pytest.mark.parametrize(
    ("number", "one", "many", "said"),
    [(1, "trial", "", "1 trial"), (2, "trial", "", "2 trials"), (0, "trial", "", "0 trials"),
     (1234, "row", "", "1,234 rows"), (1, "entity", "entities", "1 entity"), (3, "entity", "entities", "3 entities")],
)  # fmt: skip
def test_a_count_has_its_noun_in_the_right_number(number, one, many, said):
    assert counted(number, one, many) == said


def plurals(tree):
    """Texts that write a value and a plural of NOUNS behind it."""
    pattern = re.compile(rf" (?:[a-z-]+ )?(?:{'|'.join(NOUNS)})\b")
    for text in ast.walk(tree):
        parts = text.values if isinstance(text, ast.JoinedStr) else []
        for value, behind in itertools.pairwise(parts):
            if isinstance(value, ast.FormattedValue) and isinstance(behind, ast.Constant) and pattern.match(behind.value):
                yield f"{text.lineno}: {{{ast.unparse(value.value)}}}{behind.value[:30]}"


def test_no_sentence_writes_a_plural_behind_a_count():
    found = {path.name: list(plurals(ast.parse(path.read_text("utf-8")))) for path in ROOT.rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert list(plurals(ast.parse('f"{n} more trials"'))) == ["1: {n} more trials"]


@pytest.mark.parametrize(("part", "whole", "text"), [(0, 300, "0%"), (1, 300, "<1%"), (2, 300, "1%"), (150, 300, "50%")])
def test_a_share_that_is_there_is_not_said_to_be_none(part, whole, text):
    assert share(part, whole) == text

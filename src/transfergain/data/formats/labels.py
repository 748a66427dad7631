"""Spell the labels of texts in one way, and refuse what is no single class: lists, combinations, missing values."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from transfergain.counts import counted
from transfergain.errors import UserError, printable

MISSING_WORDS = {"nan", "<na>", "nat"}
"""What programs write where a value is missing, in lower case; none of them is a word."""
DOUBTFUL_WORDS = {"none", "null", "na", "n/a", "-", "?"}
"""What people write there, which may be a class as well."""
LISTED = re.compile(r"\[.*\]|\{.*\}|\(.*,.*\)", re.DOTALL)
"""A list or set as Python writes it: `['joy', 'fear']`."""
JOINTS = re.compile(r"\s*[,;|]\s*")
"""Signs between several labels of one text."""
WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
SEVERAL_FLAG = "--multi-label"
SEVERAL = f"one label a text is read without {SEVERAL_FLAG}"


def is_missing(value: Any) -> bool:
    """Tell whether a cell holds nothing: None or a number that is none."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def label(value: Any) -> str:
    """Spell a label in one way, on one printable line: booleans as true/false, 1.0 as 1, a list of one as what it holds."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if is_missing(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return printable(str(value).strip())


def whole(splits: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Map 1.0 to 1 where every label of the train table is a whole number; {} elsewhere, since 1.0 may be a version."""
    if not all(re.fullmatch(r"[+-]?\d+(\.0+)?", name) for name in set(splits["train"])):
        return {}
    return {name: match[1] for names in splits.values() for name in names if (match := WHOLE_NUMBER.fullmatch(name))}


def check(labels: Sequence[str], where: Callable[[int], str]) -> list[str]:
    """Warn of labels that may be missing values or several at once. Raises UserError naming the row where it is certain."""
    counts = Counter(labels)
    for name in counts:
        if name.casefold() in MISSING_WORDS:
            row = where(labels.index(name))
            raise UserError(f'{row}: the label "{name}" is what programs write for a missing one; fill it or remove the row')
        if LISTED.fullmatch(name):
            row = where(labels.index(name))
            raise UserError(f"{row}: the label is a list, {name}; {SEVERAL}: keep one, without brackets")
    combined, several = combinations(counts), apart(counts)
    alone = [name for name in several if all(part in counts for part in combined[name])]
    used = {part for parts in combined.values() for part in parts}
    if alone or (several and len(several) == len(combined) and any(part in counts for part in used)):
        name = (alone or several)[0]
        row, parts = where(labels.index(name)), " and ".join(combined[name])
        raise UserError(
            f'{row}: the label "{name}" is made of several, {parts}; {SEVERAL}: '
            "keep one, or where it is a number with a decimal comma write a point"
        )
    doubts = [
        f'the label "{name}" ({counted(counts[name], "row")}) counts as a class; if it stands for a missing one, remove '
        "these rows"
        for name in counts
        if name.casefold() in DOUBTFUL_WORDS
    ]
    if len(several) > 1 and 2 * len(several) > len(combined):
        doubts.append(
            f'labels such as "{several[0]}" look like several at once; without {SEVERAL_FLAG} each combination counts as a '
            "class of its own"
        )
    return doubts


def combinations(labels: Iterable[str]) -> dict[str, list[str]]:
    """Split the labels that hold a sign that may stand between several: label -> its parts."""
    return {name: JOINTS.split(name) for name in dict.fromkeys(labels) if JOINTS.search(name)}


def apart(labels: Collection[str]) -> list[str]:
    """List the labels whose every part is a label too, or a part of another one."""
    known = set(labels)
    combined = combinations(labels)
    used = Counter(part for parts in combined.values() for part in set(parts))
    return [name for name, parts in combined.items() if all(part in known or used[part] > 1 for part in parts)]


def alike(names: Sequence[str]) -> list[str]:
    """Warn of classes that are one but for case, inner spaces or a point: `Positive` beside `positive`, `1.0` beside `1`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(WHOLE_NUMBER.sub(r"\1", " ".join(name.casefold().split())), []).append(name)
    pairs = [" and ".join(f'"{name}"' for name in group) for group in groups.values() if len(group) > 1]
    return [f"{'; '.join(pairs)} count as different classes; spell them alike if they are one"] if pairs else []

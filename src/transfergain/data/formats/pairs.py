"""Read sentence pairs: a row with a sentence in two languages becomes an example whose target is the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from transfergain.counts import counted
from transfergain.data.formats import parallel
from transfergain.data.formats.table import Parsed, Table
from transfergain.errors import UserError
from transfergain.types import Example

COPIES_SHARE = 0.1
"""Share of pairs with the same text on both sides beyond which a warning is due: such a file is seldom a translation."""


def parse(tables: Mapping[str, Table], options: Mapping[str, Any]) -> Parsed:
    """Make examples of rows with a sentence in two languages; the target is the reference.

    A row holds `translation: {fr, en}`, or a column a language. Pairs that are empty on both sides are skipped and counted.
    Raises UserError naming the file and row.
    """
    _require_languages(tables["train"], options)
    codes = (options["source_lang"], options["target_lang"])
    splits: dict[str, tuple[Example, ...]] = {}
    skipped: dict[str, int] = {}
    renamed: dict[str, None] = {}
    for split, table in tables.items():
        columns = _columns(table, options)
        renamed |= {f'{c} read from "{name}"': None for c, name in zip(codes, columns, strict=True) if c != name}
        pairs = _pairs(table, *columns)
        kept = [(source, target) for source, target in pairs if source]
        if not kept:
            raise UserError(f"{table.name}: every sentence is empty; give sentences in both languages")
        if len(kept) < len(pairs):
            skipped[table.name] = len(pairs) - len(kept)
        if options["lowercase"]:
            kept = [(source.lower(), target.lower()) for source, target in kept]
        splits[split] = tuple(Example({"source": source}, target) for source, target in kept)
    notes = [" · ".join([f"{options['source_lang']} → {options['target_lang']}", *renamed])]
    notes += [f"{name}: {counted(count, 'pair')} skipped, empty on both sides" for name, count in skipped.items()]
    notes += ["sources and references of every split lower-cased (--lowercase)"] if options["lowercase"] else []
    return Parsed((), splits, tuple(notes), tuple(_warnings(tables, splits)))


def _require_languages(train: Table, options: Mapping[str, Any]) -> None:
    missing = [option for option in ("source_lang", "target_lang") if not options[option]]
    if missing:
        found = ", ".join(_languages(train)) or "none"
        flags = " and ".join("--" + option.replace("_", "-") for option in missing)
        raise UserError(f"{train.name}: say which language is translated into which with {flags}; it has: {found}")
    if options["source_lang"] == options["target_lang"]:
        raise UserError(f"--source-lang and --target-lang are both {options['source_lang']}; name two languages")


def _nested(table: Table) -> bool:
    return "translation" in table.columns()


def _languages(table: Table) -> list[str]:
    """List the languages of `translation`, or else all columns."""
    if not _nested(table):
        return table.columns()
    pairs = [row.get("translation") for row in table.rows]
    return list(dict.fromkeys(key for pair in pairs if isinstance(pair, dict) for key in pair))


def _columns(table: Table, options: Mapping[str, Any]) -> tuple[str, str]:
    """Find the table's names of source and target: their codes, or the beginnings of these (`deu_Latn`: `de`)."""
    known = _languages(table)
    source, target = (_column(table, known, option, options[option]) for option in ("source_lang", "target_lang"))
    if source == target:
        raise UserError(
            f"{table.name}: --source-lang {options['source_lang']} and --target-lang {options['target_lang']} both mean its "
            f'"{source}"; rename the columns to these codes'
        )
    return source, target


def _column(table: Table, known: Sequence[str], option: str, code: str) -> str:
    for name in parallel.names_of(code):
        if name in known:
            return name
    flag = "--" + option.replace("_", "-")
    raise UserError(f'{table.name} has no language "{code}"; it has: {", ".join(known)}. Name it with {flag}')


def _pairs(table: Table, source: str, target: str) -> list[tuple[str, str]]:
    """Take (source, reference) out of every row, stripped. Raises UserError where only one is empty."""
    nested = _nested(table)
    pairs = []
    for i, row in enumerate(table.rows):
        pair = row.get("translation") if nested else row
        if not isinstance(pair, dict):
            raise UserError(
                f'{table.where(i)}: "translation" is no object; {{"{source}": ..., "{target}": ...}} is expected'
            )
        texts = _text(table, i, source, pair.get(source)), _text(table, i, target, pair.get(target))
        if bool(texts[0]) != bool(texts[1]):
            empty, other = (source, target) if texts[1] else (target, source)
            raise UserError(f'{table.where(i)}: "{empty}" is empty and "{other}" is not; fill it or remove the pair')
        pairs.append(texts)
    return pairs


def _text(table: Table, index: int, column: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise UserError(f'{table.where(index)}: "{column}" holds a {type(value).__name__}; one sentence is expected')
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()


def _warnings(tables: Mapping[str, Table], splits: Mapping[str, Sequence[Example]]) -> list[str]:
    found = []
    for split, rows in splits.items():
        name = tables[split].name
        copies = sum(e.inputs["source"] == e.target for e in rows)
        if copies > COPIES_SHARE * len(rows):
            found.append(f"{name}: {copies:,} of {len(rows):,} pairs have the same text on both sides; check the languages")
        unspaced = sum(len(e.target) > 20 and " " not in e.target for e in rows)
        if unspaced > len(rows) / 2:
            found.append(f"{name}: its references have no spaces between words, which BLEU (13a) counts by; go by chrF")
    return found

"""Read tagged sentences: lists of words and of tags, or entities marked in the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from transfergain.counts import counted, share
from transfergain.data.formats import conll, marks, offsets, schemes
from transfergain.data.formats.table import Parsed, Table, require_columns
from transfergain.errors import UserError, nearest
from transfergain.types import Example

INLINE_MARKS = "in-line marks"
CHARACTER_SPANS = "spans of characters"


class Tagged(NamedTuple):
    """The sentences of one split, tagged in BIO."""

    table: Table
    words: list[list[str]]
    found: schemes.Normalised
    numbered: bool = False
    """True where some tags are numbers of `label_names`."""
    notes: tuple[str, ...] = ()

    def where(self, sentence: int, word: int) -> str:
        """Name a word (0-based) for the user."""
        return _where(self.table, sentence, word)


def parse(tables: Mapping[str, Table], options: Mapping[str, Any]) -> Parsed:
    """Make examples of words and their tags; the target is a list of class indices, one a word.

    Classes are O, then B- and I- of each type of the train table in alphabetical order, after `label_map`. Raises
    UserError naming the file and the row or line: among others for a type that train lacks.
    """
    names, mapping = _label_names(options.get("label_names")), _label_map(options.get("label_map"))
    raw = {split: _read(table, options, names) for split, table in tables.items()}
    tags = {split: [_mapped(row, mapping) for row in t.found.tags] for split, t in raw.items()}
    types = {split: Counter(_type(tag) for row in rows for tag in row if tag[0] == "B") for split, rows in tags.items()}
    known = sorted(types["train"])
    if not known:
        raise UserError(_nothing_tagged(raw["train"], options))
    for split, seen in types.items():
        if new := sorted(set(seen) - set(known)):
            raise UserError(_unknown(raw[split], tags[split], new, raw["train"].table.name, known))
    labels = ("O", *(f"{letter}-{kind}" for kind in known for letter in "BI"))
    index = {label: i for i, label in enumerate(labels)}
    splits = {
        split: tuple(
            Example({"tokens": words}, [index[tag] for tag in row]) for words, row in zip(t.words, tags[split], strict=True)
        )
        for split, t in raw.items()
    }
    notes = (_balance(types["train"]), *_schemes(raw), *_remapped(raw, mapping), *_lacking(raw, types, known))
    return Parsed(labels, splits, notes, _unused(raw, mapping, names))


def _type(tag: str) -> str:
    return tag[2:]


def _mapped(tags: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    renamed = [(tag[:2], mapping.get(_type(tag), _type(tag))) for tag in tags]
    return [letter + kind if kind else "O" for letter, kind in renamed]


def _where(table: Table, sentence: int, word: int) -> str:
    if isinstance(table, conll.Sentences):
        return table.word(sentence, word)
    return f"{table.where(sentence)} word {word + 1}"


# Options.


def _label_map(given: Any) -> dict[str, str]:
    """Read `OLD=NEW,OLD=`, or a mapping, as type -> new name, empty for O. Raises UserError naming the flag."""
    if isinstance(given, Mapping):
        pairs = [(str(old).strip(), str(new).strip()) for old, new in given.items()]
    else:
        parts = [part.strip() for part in str(given or "").split(",") if part.strip()]
        for part in parts:
            if "=" not in part:
                raise UserError(f'--label-map: "{part}" is not of the form TYPE=NEW, or TYPE= to drop the type')
        pairs = [(old.strip(), new.strip()) for old, _, new in (part.partition("=") for part in parts)]
    mapping: dict[str, str] = {}
    for old, new in pairs:
        if old in ("", "O") or schemes.PREFIXED_TAG.fullmatch(old) or schemes.PREFIXED_TAG.fullmatch(new):
            raise UserError(f'--label-map: "{old}={new}" must name types of entities as in PERSON=PER, without B- or I-')
        if old in mapping:
            raise UserError(f'--label-map: the type "{old}" is mapped twice; give it once')
        mapping[old] = "" if new == "O" else new
    return mapping


def _label_names(given: Any) -> list[str]:
    names = [name.strip() for name in str(given).split(",")] if given else []
    twice = [name for name, n in Counter(names).items() if n > 1 or not name]
    if twice:
        raise UserError(f'--label-names: "{twice[0]}" is empty or given twice; name every number once: O,B-PER,I-PER')
    return names


# Rows.


def _read(table: Table, options: Mapping[str, Any], names: Sequence[str]) -> Tagged:
    tokens, tags, text = (options[key] for key in ("tokens_column", "tags_column", "text_column"))
    columns = table.columns()
    spans = offsets.column_of(table, tags) if text in columns else None
    if spans and (spans == tags or not {tokens, tags} <= set(columns)):
        words, row_tags, counts = offsets.tagged(table, text, spans, options.get("overlaps", ""))
        found = schemes.to_bio(row_tags, partial(_where, table))
        return Tagged(table, words, found._replace(scheme=CHARACTER_SPANS), notes=tuple(offsets.notes(table.name, counts)))
    if tokens not in columns and tags not in columns and text in columns:
        rows = [marks.tagged_words(row.get(text), table.where(i), text) for i, row in enumerate(table.rows)]
        found = schemes.to_bio([row_tags for _, row_tags in rows], partial(_where, table))
        return Tagged(table, [words for words, _ in rows], found._replace(scheme=INLINE_MARKS))
    if tokens not in columns and tags not in columns:
        raise UserError(
            f'{table.name} has no columns "{tokens}" and "{tags}", and no "{text}" with [Ada Lovelace|PER] in it; it has: '
            f"{', '.join(columns)}. Name them with --tokens-column and --tags-column, or --text-column"
        )
    require_columns(table, (("--tokens-column", tokens), ("--tags-column", tags)))
    words = [_list(row.get(tokens), table.where(i), tokens) for i, row in enumerate(table.rows)]
    written = [_list(row.get(tags), table.where(i), tags) for i, row in enumerate(table.rows)]
    for i, (sentence, given) in enumerate(zip(words, written, strict=True)):
        if len(sentence) != len(given):
            raise UserError(
                f"{table.where(i)}: {counted(len(sentence), 'word')}, but {counted(len(given), 'tag')}; give every word one"
            )
        for k, word in enumerate(sentence):
            if not isinstance(word, str) or not word:
                raise UserError(f'{_where(table, i, k)}: "{tokens}" holds {word!r} where a word is expected')
    named = [[_name(tag, _where(table, i, k), names) for k, tag in enumerate(row)] for i, row in enumerate(written)]
    numbered = any(_is_number(tag) for row in written for tag in row)
    return Tagged(table, words, schemes.to_bio(named, partial(_where, table)), numbered)


def _list(value: Any, where: str, column: str) -> list[Any]:
    if value is None or value == [] or value == "":
        raise UserError(f'{where}: "{column}" is empty; fill it or remove the row')
    if not isinstance(value, list | tuple):
        kind = type(value).__name__
        raise UserError(f'{where}: "{column}" holds a {kind}, not a list; use jsonl or parquet with lists, or CoNLL')
    return list(value)


def _name(tag: Any, where: str, names: Sequence[str]) -> str:
    """Name a tag: a number by its place in `label_names`, a name as it is."""
    if not _is_number(tag):
        if not isinstance(tag, str):
            raise UserError(f"{where}: the tag {tag!r} is neither a name such as B-PER nor a number of --label-names")
        return tag
    if not names:
        raise UserError(f"{where}: the tag is the number {tag}; name the numbers from 0 on: --label-names O,B-PER,I-PER,...")
    if not 0 <= int(tag) < len(names):
        raise UserError(f"{where}: the tag {tag} has no name; --label-names names 0 to {len(names) - 1}")
    return names[int(tag)]


def _is_number(tag: Any) -> bool:
    if isinstance(tag, str):
        return bool(re.fullmatch(r"-?\d+", tag))
    return isinstance(tag, int | np.integer) and not isinstance(tag, bool)


# What is said about the data.


def _nothing_tagged(train: Tagged, options: Mapping[str, Any]) -> str:
    name, dropped = train.table.name, train.found.entities
    if dropped:
        every = "the only entity" if dropped == 1 else f"all {dropped:,} entities"
        return f"{name}: --label-map drops {every}; keep at least one type"
    if train.found.scheme == INLINE_MARKS:
        return (
            f'{name}: no entity is marked in "{options["text_column"]}"; mark them as in "[Ada Lovelace|PER] met him", or '
            f'give the columns "{options["tokens_column"]}" and "{options["tags_column"]}"'
        )
    return f"{name}: every tag is O; there is no entity to learn from"


def _unknown(split: Tagged, tags: Sequence[Sequence[str]], new: Sequence[str], train: str, known: Sequence[str]) -> str:
    i, k = next((i, k) for i, row in enumerate(tags) for k, tag in enumerate(row) if tag != "O" and _type(tag) in new)
    one = len(new) == 1
    hint = ",".join(f"{kind}=" for kind in new)
    return (
        f"{split.where(i, k)}: the type{'' if one else 's'} {', '.join(new)} {'does' if one else 'do'} not occur in "
        f"{train}, whose types are {', '.join(known)}; map {'it' if one else 'them'} to one of these, or to nothing to "
        f"drop {'it' if one else 'them'}: --label-map {hint}"
    )


def _balance(types: Counter[str]) -> str:
    total = sum(types.values())
    shares = [f"{kind} {share(n, total)}" for kind, n in types.most_common(6)]
    more = f" and {counted(len(types) - 6, 'more type')}" if len(types) > 6 else ""
    return f"{counted(total, 'entity', 'entities')} in train · {counted(len(types), 'type')}: {', '.join(shares)}{more}"


def _schemes(raw: Mapping[str, Tagged]) -> list[str]:
    notes = [note for t in raw.values() for note in t.notes]
    files: dict[str, list[str]] = {}
    for t in raw.values():
        if t.found.scheme:
            files.setdefault(t.found.scheme, []).append(t.table.name)
        if t.found.irregular:
            of = counted(t.found.entities, "entity", "entities")
            notes.append(
                f"{t.table.name}: {t.found.irregular:,} of {of} against the rules of {t.found.scheme} (an I- without a B- "
                "before it, or the like), read as the tags suggest"
            )
    for scheme, names in files.items():
        how = "" if scheme == "BIO" else ", read as BIO"
        if scheme in ("IO", schemes.BARE_TYPES):
            how += " (entities of one type without a word between are one)"
        notes.append(f"tags: {scheme} in {', '.join(dict.fromkeys(names))}{how}")
    spelt = dict.fromkeys(
        f"tags of {t.table.name} spelt otherwise: {t.found.spelling}" for t in raw.values() if t.found.spelling
    )
    return [*notes, *spelt]


def _remapped(raw: Mapping[str, Tagged], mapping: Mapping[str, str]) -> list[str]:
    """Note how many entities of which types were renamed and dropped."""
    seen = _seen(raw)
    renamed = [f"{seen[old]:,} {old} to {new}" for old, new in mapping.items() if new and seen[old]]
    dropped = [f"{seen[old]:,} {old}" for old, new in mapping.items() if not new and seen[old]]
    notes = [f"entities mapped: {', '.join(renamed)}"] if renamed else []
    return notes + ([f"entities dropped: {', '.join(dropped)}"] if dropped else [])


def _seen(raw: Mapping[str, Tagged]) -> Counter[str]:
    return Counter(_type(tag) for t in raw.values() for row in t.found.tags for tag in row if tag[0] == "B")


def _lacking(raw: Mapping[str, Tagged], types: Mapping[str, Counter[str]], known: Sequence[str]) -> list[str]:
    lacking = {split: [kind for kind in known if kind not in types[split]] for split in raw}
    return [f"{raw[split].table.name} has no {', '.join(kinds)}" for split, kinds in lacking.items() if kinds]


def _unused(raw: Mapping[str, Tagged], mapping: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    """Warn about options that changed nothing."""
    seen = _seen(raw)
    warnings = [
        f'--label-map: no entity has the type "{old}", so it changes nothing.{nearest(old, seen)}'
        for old in mapping
        if not seen[old]
    ]
    if names and not any(t.numbered for t in raw.values()):
        warnings.append("--label-names changes nothing: the tags are names already")
    return tuple(warnings)

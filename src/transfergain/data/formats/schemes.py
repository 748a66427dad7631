"""Turn the tags of named entities, however they are spelt and whatever their scheme, into BIO."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from transfergain.errors import UserError, printable

SCHEMES = {
    "BIO": r"\+?BI*",
    "IO": "I+",
    "IOB1": r"I+|\+BI*",
    "BIOES": r"\+?(S|BI*E)",
    "BILOU": r"\+?(U|BI*L)",
    "BMEWO": r"\+?(W|BM*E)",
    "BMESO": r"\+?(S|BM*E)",
}
"""Scheme -> the letters of one entity in it, after a plus if the entity follows one of its own type without a gap."""
BARE_TYPES = "types without B- and I-"
OPENING_LETTERS, CLOSING_LETTERS = "BSUW", "ELSUW"
"""Letters that open an entity, so that none goes on into them, and letters that close one."""
PREFIXED_TAG = re.compile(r"([BIELMSUW])-(.+)", re.DOTALL)
TYPELESS_TAG = re.compile(r"[BIELMSUW]-?")
SPELLINGS = (
    re.compile(r"(?P<letter>[BIELMSUW])[_:/.|](?P<kind>.+)"),
    re.compile(r"(?P<letter>[bielmsuw])[-_:/.|](?P<kind>.+)"),
    re.compile(r"(?P<kind>.+)[-_:/.|](?P<letter>[BIELMSUW])"),
    re.compile(r"(?P<kind>.+)[-_:/.|](?P<letter>[bielmsuw])"),
)
"""Other ways to write B-PER: B_PER, b-per, PER-B, per-b."""
OUTSIDE = ("O", "o", "-", "_")
"""Ways to write O."""


def standard(used: Mapping[str, int]) -> dict[str, str]:
    """Map tags (tag -> how often) that are spelt in one of SPELLINGS to B-PER, and one of OUTSIDE to O, where that is sure.

    It is where every tag of the file fits and entities begin somewhere, and for bare types where most words have none.
    """
    outside = next((tag for tag in OUTSIDE if tag in used), "O")
    kinds = [tag for tag in used if tag != outside]
    for spelling in SPELLINGS:
        found = {tag: match for tag in kinds if (match := spelling.fullmatch(tag))}
        letters = {match["letter"].upper() for match in found.values()}
        if kinds and len(found) == len(kinds) and ("B" in letters or letters == {"I"}):
            return {tag: f"{m['letter'].upper()}-{m['kind']}" for tag, m in found.items()} | {outside: "O"}
    fits = all(PREFIXED_TAG.fullmatch(tag) for tag in kinds)
    return {outside: "O"} if fits or used.get(outside, 0) == max(used.values(), default=0) else {}


class Entity(NamedTuple):
    """Words `start` to `end` (excluded) of a sentence."""

    kind: str
    start: int
    end: int
    letters: str
    """Its tags' letters, after a plus if it follows an entity of its own type without a gap."""


class Normalised(NamedTuple):
    """Tags as BIO, and how they were written."""

    tags: list[list[str]]
    scheme: str
    """A key of SCHEMES, BARE_TYPES, or empty where nothing is tagged."""
    entities: int
    irregular: int
    """Entities that break the scheme's rules, such as one that begins with I- among others that begin with B-."""
    spelling: str = ""
    """A tag as it is written and as it is read, `B_PER for B-PER`, where that is not the same."""


def to_bio(sentences: Sequence[Sequence[str]], where: Callable[[int, int], str]) -> Normalised:
    """Turn the tags of a file, in any of SCHEMES, into BIO. The scheme found is the one that the fewest entities break.

    An entity begins where a letter says so, where the type changes and after a letter that ends one, as in CoNLL's own
    scorer. `where(sentence, word)` names a word in complaints. Raises UserError on a tag that is of no scheme.
    """
    read_as = standard(Counter(tag for tags in sentences for tag in tags))
    spelling = next((f"{tag} for {read}" for tag, read in read_as.items() if tag != read), "")
    sentences = [[read_as.get(tag, tag) for tag in tags] for tags in sentences]
    bare = not any(PREFIXED_TAG.fullmatch(tag) for tags in sentences for tag in tags)
    pairs = [[_split(tag, bare, i, k, where) for k, tag in enumerate(tags)] for i, tags in enumerate(sentences)]
    entities = [list(_entities(tags)) for tags in pairs]
    if bare and any(entities) and not any(tag == "O" for tags in sentences for tag in tags):
        raise UserError(
            f'{where(0, 0)}: "{sentences[0][0]}" is no tag such as B-PER, and no word at all is tagged O; say which column '
            "holds the tags: --tags-column NAME, or its number in CoNLL"
        )
    if bare:
        _refuse_pairs(sentences, where)
    tags = [["O"] * len(sentence) for sentence in sentences]
    for row, found in zip(tags, entities, strict=True):
        for kind, start, end, _ in found:
            kind = printable(kind)
            row[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    letters = [e.letters for found in entities for e in found]
    if bare or not letters:
        return Normalised(tags, BARE_TYPES if letters else "", len(letters), 0, spelling)
    scheme = _scheme(letters, pairs, where)
    irregular = sum(not re.fullmatch(SCHEMES[scheme], run) for run in letters)
    return Normalised(tags, scheme, len(letters), irregular, spelling)


def _refuse_pairs(sentences: Sequence[Sequence[str]], where: Callable[[int, int], str]) -> None:
    """Raise UserError where bare types come in pairs that differ by b and i alone, as BPER and IPER do."""
    used = {tag.casefold(): tag for tags in sentences for tag in tags}
    for low, tag in used.items():
        for other in (f"i{low[1:]}" if low[0] == "b" else "", f"{low[:-1]}i" if low[-1] == "b" else ""):
            if len(low) > 1 and other in used:
                i, k = next((i, k) for i, tags in enumerate(sentences) for k, t in enumerate(tags) if t == tag)
                raise UserError(
                    f'{where(i, k)}: "{tag}" and "{used[other]}" look like the beginning and the inside of one type; write '
                    "them as B-TYPE and I-TYPE"
                )


def _split(tag: str, bare: bool, i: int, k: int, where: Callable[[int, int], str]) -> tuple[str, str]:
    """Split a tag into (letter, type); O gives two empty strings."""
    if tag == "O":
        return "", ""
    match = PREFIXED_TAG.fullmatch(tag)
    if match:
        return match[1], match[2]
    if TYPELESS_TAG.fullmatch(tag):
        raise UserError(f'{where(i, k)}: the tag "{tag}" names no type of entity; write {tag[0]}-TYPE')
    if not bare or not tag.strip():
        raise UserError(f'{where(i, k)}: "{tag}" is no tag; O, or B-, I-, ... and a type such as B-PER are expected')
    return "I", tag


def _entities(tags: Sequence[tuple[str, str]]) -> Iterator[Entity]:
    start, kind, letters = 0, "", ""
    for k, (letter, found) in enumerate([*tags, ("", "")]):
        goes_on = found == kind and letter not in OPENING_LETTERS and letters[-1:] not in CLOSING_LETTERS
        if kind and found and goes_on:
            letters += letter
            continue
        if kind:
            yield Entity(kind, start, k, letters)
        start, letters = k, ("+" if kind and found == kind else "") + letter
        kind = found


def _scheme(letters: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], where: Callable[[int, int], str]) -> str:
    used = {letter for run in letters for letter in run} - {"+"}
    fitting = [name for name, rule in SCHEMES.items() if used <= set(rule)]
    if not fitting:
        last = sorted(used - set(SCHEMES["BIOES"]))[0]
        i, k = next((i, k) for i, tags in enumerate(pairs) for k, (letter, _) in enumerate(tags) if letter == last)
        raise UserError(
            f"{where(i, k)}: {last}- is mixed with {', '.join(f'{x}-' for x in sorted(used - {last}))}, which no one scheme "
            f"of tags has; use one of {', '.join(SCHEMES)}"
        )
    runs = Counter(letters)
    return min(fitting, key=lambda name: sum(n for run, n in runs.items() if not re.fullmatch(SCHEMES[name], run)))

"""Machine translation: one sentence in, its translation out.

The models are sequence-to-sequence: checkpoints that have a decoder as they are, encoders as both sides of an
encoder-decoder. What they generate is compared, as text, with the untokenised reference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from transfergain.data.formats import parallel
from transfergain.data.formats.table import Reader, Table
from transfergain.data.prepare import Parsed
from transfergain.errors import UserError, nearest
from transfergain.tasks.base import Encoded, Task
from transfergain.types import Checkpoint, Example

LEAST_TARGET_LENGTH = 4
COPIES = 0.1
"""A larger share of pairs with the same text on both sides is worth a warning: such a file is seldom a translation."""
JOINTS = (
    (re.compile(r"(?<=\w) ([-’]) (?=\w)"), r"\1"),
    (re.compile(r"(?<=\d) ?([.:]) (?=\d)"), r"\1"),
    (re.compile(r"(?<=\d), (?=\d{3}\b)"), ","),
)
"""What WordPiece forgets and `transformers` does not clean up: well-known, l’eau, 3.5, 10:30, 1,000.

BLEU counts words, so a perfect model would lose 2 to 4 points by the hyphens alone; chrF leaves spaces out.
"""


def parse(tables: Mapping[str, Table], options: Mapping[str, Any]) -> Parsed:
    """Rows with a sentence in two languages -> examples whose target is the reference.

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
    notes += [f"{name}: {count:,} pairs skipped, empty on both sides" for name, count in skipped.items()]
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
    """The languages of `translation`, or else all columns."""
    if not _nested(table):
        return table.columns()
    pairs = [row.get("translation") for row in table.rows]
    return list(dict.fromkeys(key for pair in pairs if isinstance(pair, dict) for key in pair))


def _columns(table: Table, options: Mapping[str, Any]) -> tuple[str, str]:
    """The table's names of source and target: their codes, or first parts or letters of these (`deu_Latn`: `de`)."""
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
    """(source, reference) of every row, stripped; both are empty or none is."""
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
        if copies > COPIES * len(rows):
            found.append(f"{name}: {copies:,} of {len(rows):,} pairs have the same text on both sides; check the languages")
        unspaced = sum(len(e.target) > 20 and " " not in e.target for e in rows)
        if unspaced > len(rows) / 2:
            found.append(f"{name}: its references have no spaces between words, which BLEU (13a) counts by; go by chrF")
    return found


def readers(options: Mapping[str, Any]) -> dict[str, Reader]:
    """Parallel text: the source language's ending -> a reader of the file and of its sibling in the target language."""
    if options["source_lang"] and options["source_lang"] == options["target_lang"]:
        raise UserError(f"--source-lang and --target-lang are both {options['source_lang']}; name two languages")
    return parallel.readers(options["source_lang"], options["target_lang"])


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """One feature an example: the ids of prefix and source, cut at `max_length`, and as `labels` those of the reference.

    Labels are cut at `max_target_length` and keep their end token. A first token that the decoder starts from anyway is left
    out of them. Raises UserError for options that cannot be.
    """
    _check(options)
    set_languages(tokenizer, options)
    prefix = options["source_prefix"]
    prefix += " " if prefix and not prefix[-1].isspace() else ""
    sources = tokenizer([prefix + e.inputs["source"] for e in examples], truncation=True, max_length=options["max_length"])
    targets = tokenizer(text_target=[e.target for e in examples], truncation=True, max_length=options["max_target_length"])
    return Encoded(
        [
            {"input_ids": ids, "attention_mask": mask, "labels": _labels(labels, tokenizer, options)}
            for ids, mask, labels in zip(sources["input_ids"], sources["attention_mask"], targets["input_ids"], strict=True)
        ]
    )


def _labels(ids: list[int], tokenizer: Any, options: Mapping[str, Any]) -> list[int]:
    """The ids without a first token that the decoder starts from, and with an end token whatever the tokenizer's habit."""
    start = options.get("decoder_start_token_id")
    if ids and ids[0] == start and start in (tokenizer.cls_token_id, tokenizer.bos_token_id):
        ids = ids[1:]
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    # A language's code may follow the end token (mBART).
    if end is None or {end, tokenizer.sep_token_id} & set(ids[-2:]):
        return ids
    return [*ids[: options["max_target_length"] - 1], end]


def _check(options: Mapping[str, Any]) -> None:
    if options["max_target_length"] < LEAST_TARGET_LENGTH:
        raise UserError(f"--max-target-length {options['max_target_length']}: give {LEAST_TARGET_LENGTH} or more")
    if options["num_beams"] < 1:
        raise UserError(f"--num-beams {options['num_beams']}: at least 1 is needed (1 is greedy search)")


def has_language_codes(tokenizer: Any) -> bool:
    """True of tokenizers that put a language's code into their ids (mBART, M2M100, NLLB)."""
    return hasattr(tokenizer, "set_tgt_lang_special_tokens")


def set_languages(tokenizer: Any, options: Mapping[str, Any]) -> None:
    """Tell the tokenizer its languages, if it has codes for them. Raises UserError for a code that it does not know."""
    if not has_language_codes(tokenizer):
        return
    known = _codes(tokenizer)
    for option in ("source_lang", "target_lang"):
        code, flag = options[option], "--" + option.replace("_", "-")
        if code not in known:
            near = sorted(k for k in known if code and k[:2].lower() == code[:2].lower())
            hint = f" Nearby: {', '.join(near[:8])}." if near else nearest(code, known)
            raise UserError(f'{flag} "{code}": the checkpoint\'s tokenizer has no such language.{hint}')
    tokenizer.src_lang, tokenizer.tgt_lang = options["source_lang"], options["target_lang"]


def _codes(tokenizer: Any) -> set[str]:
    if hasattr(tokenizer, "lang_code_to_id"):
        return set(tokenizer.lang_code_to_id)
    return set(tokenizer.all_special_tokens) - set(tokenizer.special_tokens_map.values())


def generation(options: Mapping[str, Any], tokenizer: Any) -> dict[str, Any]:
    """Arguments of `generate`.

    All that shapes the search is given, so that what a checkpoint's own generation_config prefers (BART's four beams and
    banned repetitions) never makes it differ from the recipe; which tokens start and end a text stays the checkpoint's.
    """
    _check(options)
    set_languages(tokenizer, options)
    return {
        "num_beams": options["num_beams"],
        "max_new_tokens": options["max_target_length"],
        "do_sample": False,
        "length_penalty": 1.0,
        "early_stopping": False,
        "no_repeat_ngram_size": 0,
        "encoder_no_repeat_ngram_size": 0,
        "repetition_penalty": 1.0,
        "min_length": 0,
        **_language(tokenizer),
    }


def _language(tokenizer: Any) -> dict[str, int]:
    """The target language's id as the decoder has to be given it, which is where it stands in the labels; {} without codes.

    In front of the text it is the first token after the decoder's start; behind the text, which mBART's decoder sees shifted
    round to the front, it is the start itself.
    """
    if not has_language_codes(tokenizer):
        return {}
    ids = tokenizer(text_target="a")["input_ids"]
    ends = (tokenizer.eos_token_id, tokenizer.sep_token_id)
    return {"forced_bos_token_id": ids[0]} if ids[-1] in ends else {"decoder_start_token_id": ids[-1]}


def decode(
    outputs: Sequence[Sequence[int]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[str]:
    """The generated ids as text, without special tokens, and without the spaces that BERT's tokenizers add."""
    splits, language = _splits_punctuation(tokenizer), set(_language(tokenizer).values())
    texts = tokenizer.batch_decode(
        [[i for i in ids if i not in language] for ids in outputs],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=splits,
    )
    return [_joined(text) if splits else " ".join(text.split()) for text in texts]


def _joined(text: str) -> str:
    text = " ".join(text.split())
    for pattern, joint in JOINTS:
        text = pattern.sub(joint, text)
    return text


def _splits_punctuation(tokenizer: Any) -> bool:
    """True of tokenizers that forget where there were spaces around punctuation (BERT's)."""
    ids = tokenizer("a-a", add_special_tokens=False)["input_ids"]
    return bool(ids == tokenizer("a - a", add_special_tokens=False)["input_ids"])


def advise(checkpoint: Checkpoint, tokenizer: Any, options: Mapping[str, Any]) -> list[str]:
    """Warnings about a tokenizer that cannot spell the references. Raises UserError for languages it does not know."""
    set_languages(tokenizer, options)
    found = []
    if _same(tokenizer, "A", "a") and not options["lowercase"]:
        found.append(
            f"--model {checkpoint.name}: its tokenizer lower-cases, so no translation can have a capital letter and every "
            "one in the references counts as a mistake of every arm; add --lowercase or take a cased checkpoint"
        )
    if _same(tokenizer, "ä", "a") or _same(tokenizer, "é", "e"):
        found.append(
            f"--model {checkpoint.name}: its tokenizer strips accents, so no translation can have any and every one in the "
            f"references ({options['target_lang']}) counts as a mistake of every arm; --lowercase leaves them: take a "
            "checkpoint that keeps accents, or a target language without them"
        )
    return found


def _same(tokenizer: Any, one: str, other: str) -> bool:
    """True when both give the same ids, and known ones."""
    ids, others = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (one, other))
    return bool(ids == others and tokenizer.unk_token_id not in ids)


def chance(examples: Sequence[Example], labels: Sequence[str]) -> float:
    """0: no guess without the source says anything."""
    return 0.0


TRANSLATION = Task(
    name="translation",
    title="Translation",
    pipeline="translation",
    columns={},
    auto_class="AutoModelForSeq2SeqLM",
    metrics=("chrf", "bleu"),
    parse=parse,
    text=lambda example: str(example.inputs["source"]),
    stratum=lambda example: 0,
    encode=encode,
    decode=decode,
    chance=chance,
    citation="Popović 2015, chrF; Post 2018, sacrebleu; Rothe, Narayan and Severyn 2020, encoders as encoder-decoders",
    outputs=(),
    reading={"source_lang": "", "target_lang": "", "lowercase": False},
    encoding={"source_lang": "", "target_lang": "", "source_prefix": "", "max_target_length": 128, "num_beams": 1},
    readers=readers,
    generation=generation,
    advise=advise,
)

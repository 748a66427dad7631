"""Machine translation: one sentence in, its translation out.

The models are sequence-to-sequence: checkpoints that have a decoder as they are, encoders as both sides of an
encoder-decoder. What they generate is compared, as text, with the untokenised reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergain.counts import share
from transfergain.data.formats import pairs, parallel
from transfergain.data.formats.table import SAMPLE_ROWS, Reader, Table
from transfergain.data.read import READERS, ending
from transfergain.data.recognise import Guess, holds
from transfergain.errors import UserError, nearest
from transfergain.floors.copy_source import COPY_SOURCE
from transfergain.floors.nearest import NEAREST
from transfergain.options import Option, OptionKind
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.given import Given, read_translation
from transfergain.types import Checkpoint, Example, StudyWarning, Target, WarningKind

LEAST_TARGET_LENGTH = 4
"""The fewest tokens of a translation that a user may ask for."""
FEWEST_MISSPELT = 0.01
"""The share of references that a tokenizer cannot spell from which on it is warned of."""
JOINT_PATTERNS = (
    (re.compile(r"(?<=\w) ([-’]) (?=\w)"), r"\1"),
    (re.compile(r"(?<=\d) ?([.:]) (?=\d)"), r"\1"),
    (re.compile(r"(?<=\d), (?=\d{3}\b)"), ","),
)
"""Pattern -> replacement, for spaces that WordPiece adds and `transformers` leaves: well-known, l’eau, 3.5, 10:30, 1,000.

BLEU counts words, so a perfect model would lose 2 to 4 points by the hyphens alone; chrF leaves spaces out.
"""


def recognise(table: Table) -> Guess | None:
    """Recognise rows with a text in two languages, as columns or within one column `translation`."""
    columns = table.columns()
    if holds(table, "translation", dict):
        columns = list(dict.fromkeys(key for row in table.rows[:SAMPLE_ROWS] for key in row.get("translation") or ()))
    codes = [column for column in columns if parallel.is_language(column) and column.casefold() != "id"]
    return parallel.direction(codes) if len(codes) == 2 else None


def recognise_file(path: Path, given: Mapping[str, Any]) -> Guess | None:
    """Recognise parallel text: its languages are as given, or as the endings of the files beside it say.

    Raises UserError where the ending is a language, its translation is not found, and the user named no task.
    """
    if ending(path) in READERS:
        return None
    if languages := {option: given[option] for option in ("source_lang", "target_lang") if option in given}:
        return languages
    found = parallel.beside(path)
    if found is None and "task" not in given and parallel.is_language(ending(path).removeprefix(".")):
        raise UserError(f"{path}: if this is parallel text, name its languages with --source-lang and --target-lang")
    return found


def readers(options: Mapping[str, Any]) -> dict[str, Reader]:
    """Map the source language's ending to a reader of the file and of its sibling in the target language."""
    if options["source_lang"] and options["source_lang"] == options["target_lang"]:
        raise UserError(f"--source-lang and --target-lang are both {options['source_lang']}; name two languages")
    return parallel.readers(options["source_lang"], options["target_lang"])


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """Encode an example as one feature: ids of prefix and source, cut at `max_length`, and of the reference as `labels`.

    Labels are cut at `max_target_length` and keep their end token. A first token that the decoder starts from anyway is left
    out of them. Raises UserError for options out of range.
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
    """Drop a first token that the decoder starts from, and add an end token where the tokenizer adds none."""
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
    """Tell whether a tokenizer is one of those that put a language's code into their ids (mBART, M2M100, NLLB)."""
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
    """Give the arguments of `generate`.

    Everything that shapes the search is given. So a checkpoint's own generation_config (BART's four beams and banned
    repetitions) cannot depart from the recipe; the tokens that start and end a text stay the checkpoint's.
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
    """Give the target language's id as an argument of `generate`; {} for tokenizers without codes.

    Which argument it is follows from where the id stands in the labels. In front of the text, it is the first token after
    the decoder's start. Behind the text, which mBART's decoder sees shifted round to the front, it is the start itself.
    """
    if not has_language_codes(tokenizer):
        return {}
    ids = tokenizer(text_target="a")["input_ids"]
    ends = (tokenizer.eos_token_id, tokenizer.sep_token_id)
    return {"forced_bos_token_id": ids[0]} if ids[-1] in ends else {"decoder_start_token_id": ids[-1]}


def decode(
    outputs: Sequence[Sequence[int]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[str]:
    """Turn the generated ids into text, without special tokens, and without the spaces that BERT's tokenizers add."""
    splits, language = _splits_punctuation(tokenizer), set(_language(tokenizer).values())
    texts = tokenizer.batch_decode(
        [[i for i in ids if i not in language] for ids in outputs],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=splits,
    )
    return [_joined(text) if splits else " ".join(text.split()) for text in texts]


def _joined(text: str) -> str:
    text = " ".join(text.split())
    for pattern, joint in JOINT_PATTERNS:
        text = pattern.sub(joint, text)
    return text


def _splits_punctuation(tokenizer: Any) -> bool:
    """Tell whether a tokenizer is one of those that forget where there were spaces around punctuation (BERT's)."""
    ids = tokenizer("a-a", add_special_tokens=False)["input_ids"]
    return bool(ids == tokenizer("a - a", add_special_tokens=False)["input_ids"])


def advise(
    checkpoint: Checkpoint, tokenizer: Any, options: Mapping[str, Any], examples: Sequence[Example]
) -> list[StudyWarning]:
    """Warn about a tokenizer that cannot spell the references. Raises UserError for languages it does not know."""
    set_languages(tokenizer, options)
    found = []
    references = [str(example.target) for example in examples]
    cased, accented = (_count(change, references) for change in (str.lower, _without_accents))
    if cased and _same(tokenizer, "A", "a"):
        found.append(
            f"--model {checkpoint.name}: its tokenizer lower-cases, so no translation can have a capital letter, and "
            f"{share(cased, len(references))} of the references have; each counts as a mistake of every arm: add "
            "--lowercase or take a cased checkpoint"
        )
    if accented and (_same(tokenizer, "ä", "a") or _same(tokenizer, "é", "e")):
        found.append(
            f"--model {checkpoint.name}: its tokenizer strips accents, so no translation can have any, and "
            f"{share(accented, len(references))} of the references ({options['target_lang']}) have; each counts as a "
            "mistake of every arm, and --lowercase leaves them: take a checkpoint that keeps accents"
        )
    return [StudyWarning(WarningKind.CHECKPOINT, text) for text in found]


def _count(change: Callable[[str], str], references: Sequence[str]) -> int:
    """Count references that a change does not leave as they are; none of too few to matter."""
    found = sum(change(text) != text for text in references)
    return found if found >= FEWEST_MISSPELT * len(references) else 0


def _without_accents(text: str) -> str:
    """Strip accents as BERT's tokenizers do."""
    marked = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(sign for sign in marked if unicodedata.category(sign) != "Mn"))


def _same(tokenizer: Any, one: str, other: str) -> bool:
    """Tell whether both texts give the same ids, and known ones."""
    ids, others = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (one, other))
    return bool(ids == others and tokenizer.unk_token_id not in ids)


def chance(examples: Sequence[Example], labels: Sequence[str]) -> float:
    """Return 0: a guess without the source scores nothing."""
    return 0.0


TRANSLATION = Task(
    name="translation",
    title="Translation",
    pipeline="translation",
    options=(
        Option("source_lang", "", "language to translate from, such as fr", OptionKind.READING | OptionKind.ENCODING),
        Option("target_lang", "", "language to translate into, such as en", OptionKind.READING | OptionKind.ENCODING),
        Option("source_prefix", "", "put before every source (T5 models)", OptionKind.ENCODING),
        Option("lowercase", False, "lower-case both sides", OptionKind.READING, type=bool),
        Option(
            "max_target_length",
            128,
            "tokens of a translation",
            OptionKind.ENCODING,
            type=int,
            ge=LEAST_TARGET_LENGTH,
            le=1024,
            bounds=lambda example: str(example.target),
        ),
        Option("num_beams", 1, "beams on the test set; 1 is greedy", OptionKind.ENCODING, type=int, ge=1, le=64),
    ),
    auto_class="AutoModelForSeq2SeqLM",
    metrics=("chrf", "bleu"),
    floors=(COPY_SOURCE, NEAREST),
    target=Target.TEXT,
    parse=pairs.parse,
    text=lambda example: str(example.inputs["source"]),
    stratum=lambda example: 0,
    encode=encode,
    decode=decode,
    chance=chance,
    citation="Popović 2015, chrF; Post 2018, sacrebleu; Rothe, Narayan and Severyn 2020, encoders as encoder-decoders",
    outputs=(),
    readers=readers,
    recognise=recognise,
    recognise_file=recognise_file,
    sureness=2,
    generation=generation,
    advise=advise,
    given=Given({"source": "source_lang"}, read_translation),
)

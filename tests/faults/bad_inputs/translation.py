"""Translation."""

import json

from bad_inputs.world import case, with_file

PAIRS = [(f"le mot numéro {i}", f"the word number {i}") for i in range(60)]
FRENCH, ENGLISH = ("".join(f"{pair[side]}\n" for pair in PAIRS) for side in (0, 1))
TO_ENGLISH = ("--source-lang", "fr", "--target-lang", "en")


def pairs(rows=PAIRS, languages=("fr", "en")):
    return "\n".join(json.dumps({"translation": dict(zip(languages, row, strict=True))}) for row in rows)


def mt(content, *arguments, languages=TO_ENGLISH, name="mt.jsonl"):
    return with_file(name, content, "--task", "translation", *languages, *arguments)


def mt_lines(source, target, *arguments, languages=TO_ENGLISH, other="mt.en"):
    """Two files of parallel text; `target` is None for one file alone."""

    def build(world):
        if target is not None:
            world.put(other, target)
        return mt(source, *arguments, languages=languages, name="mt.fr")(world)

    return build


def mt_folder(world):
    world.put("films/train.fr", FRENCH)
    world.put("films/train.en", ENGLISH)
    return ["run", "--task", "translation", "--dataset-name", "films"]


for name, says, build in [
    ("no languages", ("mt.jsonl", "--source-lang and --target-lang", "fr, en"), mt(pairs(), languages=())),
    ("no target language", ("mt.jsonl", "--target-lang", "fr, en"), mt(pairs(), languages=TO_ENGLISH[:2])),
    ("no languages for two files", ("mt.fr", "--source-lang", "mt.en"), mt_lines(FRENCH, ENGLISH, languages=())),
    ("no languages for a folder", ("films/train.", "--source-lang", "train.fr"), mt_folder),
    ("one language", ("--source-lang and --target-lang are both fr",), mt(pairs(), "--target-lang", "fr")),
    ("one language of two files", ("are both fr",), mt_lines(FRENCH, ENGLISH, "--target-lang", "fr")),
    (
        "two codes of one language",
        ("fr_FR", "fr_CA", 'both mean its "fr"'),
        mt(pairs(), languages=("--source-lang", "fr_FR", "--target-lang", "fr_CA")),
    ),
    ("unknown language", ('mt.jsonl has no language "de"', "fr, en", "--source-lang"), mt(pairs(), "--source-lang", "de")),
    ("column without its language", ('no language "fr"', "french"), mt("french,en\na,b\n", name="mt.csv")),
    ("file of the target language", ("mt.en: unknown format .en", ".fr"), mt(ENGLISH, name="mt.en")),
    ("no second file", ("mt.fr: its translation mt.en is not there",), mt_lines(FRENCH, None)),
    ("second file of another language", ("mt.en is not there", "mt.de"), mt_lines(FRENCH, ENGLISH, other="mt.de")),
    ("line too many", ("mt.fr has 60 lines and mt.en has 61 lines", "line 61"), mt_lines(FRENCH, ENGLISH + "more\n")),
    ("second file empty", ("mt.en has 0 lines",), mt_lines(FRENCH, "")),
    ("second file of other bytes", ("mt.en line 61", "UTF-8"), mt_lines(FRENCH + "x\n", ENGLISH.encode() + b"\xe9\n")),
    ("second file no gzip", ("mt.en.gz", "gzip"), mt_lines(FRENCH, ENGLISH, other="mt.en.gz")),
    ("line without translation", ("mt.en line 61 is empty", "mt.fr"), mt_lines(FRENCH + "x\n", ENGLISH + "\n")),
    ("pair without translation", ("mt.jsonl line 61", '"en" is empty'), mt(pairs([*PAIRS, ("x", "")]))),
    ("pair without a source", ("mt.jsonl line 61", '"fr" is empty'), mt(pairs([*PAIRS, (None, "x")]))),
    ("empty lines alone", ("mt.fr: every sentence is empty",), mt_lines("\n\n", "\n\n")),
    ("empty pairs alone", ("mt.jsonl: every sentence is empty",), mt(pairs([("", "")] * 40))),
    ("text for a pair", ("mt.jsonl line 61", "is no object"), mt(pairs() + '\n{"translation": "x"}')),
    ("list for a sentence", ("mt.jsonl line 61", '"fr" holds a list'), mt(pairs([*PAIRS, (["a", "b"], "c")]))),
    ("half a character", ("mt.jsonl line 61", "half a character"), mt(pairs([*PAIRS, ("x\ud800", "x")]))),
    ("too few pairs", ("at least 10 are needed",), mt(pairs(PAIRS[:12]))),
    ("no beams", ("--num-beams", "greater than or equal to 1", "0"), mt(pairs(), "--num-beams", "0")),
    ("no room for a translation", ("--max-target-length", "4", "2"), mt(pairs(), "--max-target-length", "2")),
    ("column of texts", ("--text-column", "not for translation"), mt(pairs(), "--text-column", "fr")),
    (
        "another task's built-in data",
        ('no language "fr"', "text"),
        lambda w: ["run", "--task", "translation", *TO_ENGLISH, "--dataset-name", "builtin:ner"],
    ),
]:
    case(*says, name=f"translation: {name}")(build)

case('news.jsonl has no language "en"', "fr, de", name="translation: test of another language")(
    lambda w: [*mt(pairs())(w), "--test-file", w.put("news.jsonl", pairs(PAIRS, ("fr", "de")))]
)
case('news.csv has no language "fr"', name="translation: shift without the languages")(
    lambda w: [*mt(pairs())(w), "--shift", "news=" + w.csv("news.csv")]
)
case("news.fr: its translation news.en is not there", name="translation: shift without its second file")(
    lambda w: [*mt_lines(FRENCH, ENGLISH)(w), "--shift", "news=" + w.put("news.fr", FRENCH)]
)
for kind in ("gpt2", "distilbert"):
    case(f"{kind} models are neither sequence-to-sequence nor encoders", "T5", name=f"translation: {kind} cannot translate")(
        lambda w, kind=kind: [*mt(pairs())(w), "--model", w.checkpoints(kind)]
    )
for flag in ("--max-length", "--max-target-length"):
    case(f"{flag} 500", "at most 128 tokens", name=f"translation: {flag} beyond the model's positions")(
        lambda w, flag=flag: [*mt(pairs(), flag, "500")(w), "--model", w.model("tiny")]
    )

"""Named entities."""

import json

from bad_inputs.world import case, in_file, with_file


def conll(count=60, kind="PER", more=""):
    """Sentences of three words with one entity each, and what is to follow them."""
    return "".join(f"today O\nAda{i} B-{kind}\nspoke O\n\n" for i in range(count)) + more


def ner(content, *arguments, name="names.conll"):
    return with_file(name, content, "--task", "ner", *arguments)


def ner_rows(*rows):
    """A jsonl file of (words, tags), or of texts with marks in them."""
    columns = [{"text": row} if isinstance(row, str) else {"tokens": row[0], "ner_tags": row[1]} for row in rows]
    return "\n".join(map(json.dumps, columns))


def ner_lists(words, tags, *arguments):
    return ner(ner_rows((["Ada", "spoke"], ["B-PER", "O"]), (words, tags)), *arguments, name="names.jsonl")


def ner_spans(text, spans):
    return ner(json.dumps({"text": text, "label": spans}), name="names.jsonl")


def ner_text(text):
    return ner(ner_rows("[Ada|PER] spoke.", text), name="names.jsonl")


for name, says, build in [
    ("word without a tag", ("names.conll line 242", "one column only"), ner(conll(more="\nBob\n"))),
    (
        "spaces in a word",
        ("names.conll line 241", "4 columns, most lines have 2", "tabs"),
        ner(conll(more="New York City O\n")),
    ),
    ("prefix without a type", ("names.conll line 241", 'the tag "B" names no type'), ner(conll(more="Bob B\n"))),
    ("type without a prefix", ("names.conll line 241", '"PER" is no tag', "B-PER"), ner(conll(more="Bob PER\n"))),
    (
        "schemes mixed",
        ("names.conll line 243", "M- is mixed with B-, U-", "BILOU"),
        ner(conll(more="Bob U-PER\n\nAl M-PER\n")),
    ),
    ("tags of another kind", ("names.conll line 1", '"DT" is no tag', "--tags-column"), ner("the DT\ndog NN\n\n" * 40)),
    ("nothing but O", ("names.conll", "every tag is O"), ner("today O\n\n" * 40)),
    ("no words at all", ("names.conll holds no rows",), ner("-DOCSTART- -X- O\n\n\n")),
    ("CoNLL of other bytes", ("names.conll line 2", "0xe9", "UTF-8"), ner(b"a O\ncaf\xe9 O\n")),
    ("too few sentences", ("at least 10 are needed",), ner(conll(12))),
    ("label map without =", ('--label-map: "PER"', "TYPE=NEW"), ner(conll(), "--label-map", "PER")),
    ("label map of tags", ('--label-map: "B-PER=PERSON"', "without B-"), ner(conll(), "--label-map", "B-PER=PERSON")),
    ("label map of nothing", ('--label-map: "=PER"', "PERSON=PER"), ner(conll(), "--label-map", "=PER")),
    ("type mapped twice", ('--label-map: the type "PER"', "twice"), ner(conll(), "--label-map", "PER=A,PER=B")),
    ("all types dropped", ("--label-map drops all 60", "keep at least one"), ner(conll(), "--label-map", "PER=")),
    ("label names twice", ('--label-names: "O"', "twice"), ner(conll(), "--label-names", "O,B-PER,O")),
    ("numbers for tags", ("names.jsonl line 2 word 1", "number 1", "--label-names"), ner_lists(["Al", "ran"], [1, 0])),
    (
        "number without a name",
        ("names.jsonl line 2 word 1", "7 has no name", "0 to 2"),
        ner_lists(["Al", "ran"], [7, 0], "--label-names", "O,B-PER,I-PER"),
    ),
    ("fewer tags than words", ("names.jsonl line 2", "2 words, but 1 tag;"), ner_lists(["Al", "ran"], ["O"])),
    ("number for a word", ("names.jsonl line 2 word 2", "3 where a word"), ner_lists(["Al", 3], ["O", "O"])),
    ("null for a tag", ("names.jsonl line 2 word 2", "None", "B-PER"), ner_lists(["Al", "ran"], ["O", None])),
    ("text for a list of words", ("names.jsonl line 2", "holds a str, not a list"), ner_lists("Al ran", ["O", "O"])),
    ("no words in a row", ("names.jsonl line 2", '"tokens" is empty'), ner_lists([], [])),
    ("half a character", ("names.jsonl", "half a character"), ner_lists(["A\ud800", "ran"], ["O", "O"])),
    ("no column of tags", ('no column "tags"', "--tags-column"), ner_lists(["Al"], ["O"], "--tags-column", "tags")),
    (
        "no columns of entities",
        ("names.jsonl has no columns", "review", "--tokens-column", "--text-column"),
        ner('{"review": "[Ada|PER]"}', name="names.jsonl"),
    ),
    ("texts without marks", ('no entity is marked in "text"',), ner(ner_rows("Ada spoke.", "Al ran."), name="names.jsonl")),
    (
        "two columns of tags",
        ("names.conll", "columns 2 (1 entity of A)", "--tags-column 2"),
        ner("Ada B-A B-B\nran O O\n"),
    ),
    ("column that is not there", ("names.conll has 2 columns, and no number 3",), ner(conll(), "--tags-column", "3")),
    ("brackets that stay open", ("names.conll line 1", "do not match"), ner("Ada (ORG*\nran *\n")),
    ("span outside its text", ("names.jsonl line 1", "0 to 9", "has 3 characters"), ner_spans("Ada", [[0, 9, "PER"]])),
    ("spans that overlap", ("--overlaps longest",), ner_spans("Ada ran", [[0, 3, "PER"], [0, 7, "ORG"]])),
    ("overlaps resolved in an unknown way", ("--overlaps", "longest"), ner(conll(), "--overlaps", "first")),
    ("open bracket", ("names.jsonl line 2", "marks no entity", "[Al|PER"), ner_text("[Al|PER ran.")),
    ("brackets in brackets", ("names.jsonl line 2", "marks no entity"), ner_text("[[Al|PER] & Co|ORG] ran.")),
    ("mark without a type", ("names.jsonl line 2", '"[Al|]" is no entity'), ner_text("[Al|] ran.")),
    ("prefix in a mark", ("names.jsonl line 2", '"[Al|B-PER]" is no entity'), ner_text("[Al|B-PER] ran.")),
    ("mark inside a word", ("names.jsonl line 2", "inside a word"), ner_text("un[American|MISC] food.")),
    (
        "texts of another task",
        ("no entity is marked",),
        lambda w: ["run", "--task", "ner", "--dataset-name", "builtin:sentiment"],
    ),
]:
    case(*says, name=f"ner: {name}")(build)

case(
    "times.conll line 2", "the type ORG does not occur in names.conll", "--label-map ORG=", name="ner: unknown type in test"
)(lambda w: [*ner(conll())(w), "--test-file", w.put("times.conll", "at O\nAcme B-ORG\n")])
case("times.conll line 2", "the types LOC, ORG do not occur", "LOC=,ORG=", name="ner: unknown types in a shift")(
    lambda w: [*ner(conll())(w), "--shift", "t=" + w.put("times.conll", "at O\nAcme B-ORG\nin O\nYork B-LOC\n")]
)
case("--max-length 4000", "at most 128 tokens", name="ner: longer sentences than the model has positions for")(
    lambda w: [*ner(conll(), "--max-length", "4000")(w), "--model", w.model("tiny")]
)
case("no TokenClassification head for bart", "another checkpoint", name="ner: model without a head for words")(
    lambda w: [*ner(conll())(w), "--model", w.checkpoints("bart")]
)
case("study.toml: label_map: ", "TYPE=NEW", name="ner: label map of a wrong type")(in_file('task = "ner"\nlabel_map = 3'))

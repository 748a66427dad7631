"""What is fuzzed: every way data and studies come in. Any bytes either load, or raise UserError with one line.

A target takes bytes, writes them where a user's file would be, and loads that file as `transfergain run` does: read, parse,
drop duplicates, carve, check for leaks, fingerprint. What loads must be fit for training: whole text, classes that exist.
"""

import contextlib
import gzip
import io
import json
import os
import random
import signal
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import checkpoint_folder

from transfergain import study
from transfergain.data import prepare
from transfergain.errors import LONGEST_MESSAGE, UserError
from transfergain.tasks import TASKS, find

PATIENCE = 10
"""Seconds after which a load of a few kilobytes counts as hanging."""


class Hang(BaseException):
    """A load that does not end; no Exception, so that nothing in between takes it for one of its own."""


@dataclass(frozen=True)
class Target:
    """One way in: `load` writes bytes into an empty folder and loads them; `seeds` are files that load."""

    load: Callable[[bytes, Path], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    """What mutations put in."""
    warm_up: Callable[[], None] = lambda: None
    """What is done before the clock runs, such as slow imports."""
    edit: Callable[[Callable[[int], int], bytes], bytes] | None = None
    """(number below n, content) -> the content with a change that keeps its structure; half of the mutations begin so."""
    examples: int = 60
    """Mutations that the tests try: fewer where a load takes long."""


def run(target: Target, content: bytes) -> str:
    """The one line that refuses the content; empty where it loads. Raises whatever else happens, which is a finding."""
    target.warm_up()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder, _hurried():
        try:
            target.load(content, Path(folder))
        except UserError as error:
            message = str(error)
            assert message.strip() and message.isprintable(), f"not one printable line: {message!r}"
            assert len(message) <= LONGEST_MESSAGE, f"{len(message)} characters of complaint"
            return message
    return ""


@contextlib.contextmanager
def _hurried():
    def ring(*_):
        raise Hang(f"still loading after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _loads(name: str, task: str, **options) -> Callable[[bytes, Path], None]:
    def load(content: bytes, folder: Path) -> None:
        file = folder / name
        file.write_bytes(content)
        check(prepare.load(prepare.DataSource(train_file=str(file), options=options), TASKS[task]))

    return load


def _folder(content: bytes, folder: Path) -> None:
    """A repository whose card is fuzzed, beside a file that it may name."""
    (folder / "data").mkdir()
    (folder / "data" / "train-0.csv").write_text(CSV)
    (folder / "README.md").write_bytes(content)
    check(prepare.load(prepare.DataSource(dataset_name=str(folder)), TASKS["classification"]))


def _classes(content: bytes, folder: Path) -> None:
    """Texts, a form feed between them, in two folders."""
    for i, text in enumerate(content.split(b"\f")):
        (folder / "films" / ("pos", "neg")[i % 2]).mkdir(parents=True, exist_ok=True)
        (folder / "films" / ("pos", "neg")[i % 2] / f"{i}.txt").write_bytes(text)
    check(prepare.load(prepare.DataSource(dataset_name=str(folder / "films")), TASKS["sentiment"]))


def _parallel(content: bytes, folder: Path) -> None:
    """The first half of the lines is the source side; a form feed separates the two."""
    source, _, target = content.partition(b"\f")
    (folder / "text.fr").write_bytes(source)
    (folder / "text.en").write_bytes(target)
    options = {"source_lang": "fr", "target_lang": "en"}
    check(prepare.load(prepare.DataSource(train_file=str(folder / "text.fr"), options=options), TASKS["translation"]))


def _workbook(content: bytes, folder: Path) -> None:
    """A workbook, or the sheet of one."""
    if not content.startswith(b"PK"):
        content = workbook(content)
    _loads("reviews.xlsx", "classification")(content, folder)


def _h5(content: bytes, folder: Path) -> None:
    """Weights of TensorFlow, as `transfergain convert` reads them; there in a process of its own."""
    from transfergain.checkpoint import tensorflow

    (folder / "tf_model.h5").write_bytes(content)
    arrays, _ = tensorflow.read(folder / "tf_model.h5", "m", SHAPES, "bert")
    assert all(arrays[name].shape == shape for name, shape in SHAPES.items() if name in arrays)


def _bin(content: bytes, folder: Path) -> None:
    """A pickle of weights, likewise."""
    from transfergain.checkpoint import converter

    (folder / "pytorch_model.bin").write_bytes(content)
    converter.read_pickle(folder / "pytorch_model.bin", "m")


def _study(content: bytes, folder: Path) -> None:
    """A study file, and the local files that it names."""
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "study.toml").write_bytes(content)
    loaded = study.load({}, str(folder / "study.toml"))
    assert json.loads(loaded.model_dump_json())
    assert loaded.folder()
    with contextlib.chdir(folder):
        for entry in loaded.entries():
            if entry.dataset_name is None:  # else the Hub is asked
                check(prepare.load(entry.source(), TASKS[entry.task]))


def check(data) -> None:
    """What loads is fit for training."""
    json.dumps(data.labels, ensure_ascii=False).encode()
    assert all(line.isprintable() for line in (*data.notes, *(warning.text for warning in data.warnings)))
    task = find(data.task)
    for split, rows in {"train": data.train, "dev": data.dev, **data.splits()}.items():
        assert len(rows) >= prepare.MIN_SPLIT_EXAMPLES, split
        for example in rows:
            assert task.text(example).strip(), "an example without text"
            json.dumps([dict(example.inputs), example.target], ensure_ascii=False, allow_nan=False).encode()
            targets = example.target if isinstance(example.target, list | tuple) else [example.target]
            if data.labels:
                assert all(isinstance(t, int) and 0 <= t < len(data.labels) for t in targets)
                assert data.task != "ner" or len(targets) == len(example.inputs["tokens"]) > 0
            task.stratum(example)


# Files that load.

WORDS = "a fine film of seven cold rooms and one bright chair that nobody liked before the second meal was served".split()


def _texts(count: int = 64) -> list[str]:
    rng = random.Random(7)
    return [f"{' '.join(rng.choices(WORDS, k=3))} {i}" for i in range(count)]


ROWS = [{"text": text, "label": ("good", "bad")[i % 2]} for i, text in enumerate(_texts())]
CSV = "text,label\n" + "".join(f'"{r["text"]}",{r["label"]}\n' for r in ROWS)
JSONL = "".join(json.dumps(r) + "\n" for r in ROWS)
COLUMNS = {key: [row[key] for row in ROWS] for key in ROWS[0]}
CONLL = "".join(f"{i} CD O\nAda NN B-PER\nLovelace NN I-PER\nspoke VB O\n\n" for i in range(64))
BIOES = "-DOCSTART- O\n\n" + "".join(f"Ada{i}\tS-PER\nin\tO\nNew\tB-LOC\nYork\tE-LOC\n\n" for i in range(64))
IN_2012 = "#begin document (x); part 000\n" + "".join(
    f"bc/x 0 0 Ada NN (TOP* - - - - (PER* (ARG0* -\nbc/x 0 1 x{i} NN * - - - - *) *) -\n"
    "bc/x 0 2 ran VB *) - - - - * (V*) -\n\n"
    for i in range(64)
)
BRACKETS = "".join(f"Ada (PER*\nx{i} *)\nran *\n\n" for i in range(64))
INLINE = "".join(json.dumps({"text": f"[Ada Lovelace|PER] met {i} of us in [Paris|LOC]."}) + "\n" for i in range(64))
TAGGED = "".join(json.dumps({"tokens": ["Al", str(i)], "ner_tags": ["B-PER", "O"]}) + "\n" for i in range(64))
QUESTIONS = [
    {"id": str(i), "question": f"Who was {i}?", "answers": [{"text": "Ada", "answer_start": 0}], "is_impossible": False}
    for i in range(4)
]
ARTICLES = [
    {
        "title": f"T{n}",
        "paragraphs": [{"context": f"Ada was {n}.", "qas": [q | {"id": f"{n}-{q['id']}"} for q in QUESTIONS]}],
    }
    for n in range(20)
]
SQUAD = json.dumps({"version": "v2.0", "data": ARTICLES})
FLAT = "".join(
    json.dumps({"id": i, "title": f"T{i // 4}", "context": f"Ada met {i}.", "question": f"Who met {i}?",
                "answers": {"text": ["Ada"], "answer_start": [0]}}) + "\n"
    for i in range(64)
)  # fmt: skip
PAIRS = "".join(json.dumps({"translation": {"fr": f"le mot {i}", "en": f"the word {i}"}}) + "\n" for i in range(64))
LINES = "".join(f"le mot {i}\n" for i in range(64)) + "\f" + "".join(f"the word {i}\n" for i in range(64))
STUDY = """task = "classification"
model = "builtin:minilm"
train_file = "reviews.csv"
text_column = "text"
arms = ["scratch", "full", "lora"]
budgets = [64, 256]
seeds = 3
seed = 0
tune = 2
margin = 0.01
shift = { tweets = "tweets.csv" }
perturbations = "keyboard"
"""
FILES = {"reviews.csv": CSV, "tweets.csv": CSV.replace("fine", "odd"), "a.json": SQUAD, "b.conll": CONLL}
FILES |= dict(zip(("x.fr", "x.en"), LINES.split("\f"), strict=True))
STUDIES = (
    STUDY,
    'epochs = 2\nbudgets = "auto"\n[[tasks]]\ntask = "qa"\ntrain_file = "a.json"\ndoc_stride = 3\n[[tasks]]\ntask = "ner"\n'
    'train_file = "b.conll"\nlabel_map = { PER = "A" }\nlabel_names = "O,B-PER"\n',
    'task = "translation"\nsource_lang = "fr"\ntarget_lang = "en"\ntrain_file = "x.fr"\nnum_beams = 2\nlowercase = true\n',
)


NESTED = "# global.columns = ID FORM NE NE2\n" + "".join(f"1\tAda{i}\tB_PER\tO\n2\tof\tI_PER\tO\n\n" for i in range(64))
HELD = "\U0001f600 Ada met {} in "
SPANS = [
    {"text": HELD.format(i) + "Rome", "label": [[2, 5, "PER"], [len(HELD.format(i)), len(HELD.format(i)) + 4, "LOC"]]}
    for i in range(64)
]
STUDIO = [
    {"data": {"text": row["text"]}, "annotations": [{"was_cancelled": False, "result": [
        {"value": {"start": a, "end": b, "labels": [kind]}} for a, b, kind in row["label"]]}]}
    for row in SPANS
]  # fmt: skip
PRODIGY = [
    {"text": row["text"], "answer": "accept", "spans": [{"start": a, "end": b, "label": k} for a, b, k in row["label"]]}
    for row in SPANS
]
QA_ROWS = "context,question,answer,answer_start\n" + "".join(f"Ada met {i}.,Who met {i}?,Ada,0\n" for i in range(64))
QA_LISTS = "context,question,answers\n" + "".join(
    f"Ada met {i}.,Who {i}?,\"{{'text': ['Ada'], 'answer_start': [0]}}\"\n" for i in range(64)
)
SETS = [[], ["good"], ["good", "bad"], ["bad"]]
SETS_CSV = "text,label\n" + "".join(f'"{r["text"]}",{";".join(SETS[i % 4])}\n' for i, r in enumerate(ROWS))
SETS_PYTHON = "text,label\n" + "".join(f'"{r["text"]}","{SETS[i % 4]}"\n' for i, r in enumerate(ROWS))
SETS_JSONL = "".join(json.dumps({"text": r["text"], "label": SETS[i % 4]}) + "\n" for i, r in enumerate(ROWS))
SETS_FASTTEXT = "".join(f"{' '.join(f'__label__{n}' for n in SETS[i % 4])} {r['text']}\n" for i, r in enumerate(ROWS))
MARKS = "text,bad,good\n" + "".join(f'"{r["text"]}",{i % 2},{int(i % 3 == 0)}\n' for i, r in enumerate(ROWS))
INFERENCE = "premise,hypothesis,label\n" + "".join(f'"{r["text"]}",so it is {i},{r["label"]}\n' for i, r in enumerate(ROWS))
FASTTEXT = "".join(f"__label__{r['label']} {r['text']}\n" for r in ROWS)
TMX = '<?xml version="1.0"?><tmx version="1.4"><body>' + "".join(
    f'<tu><tuv xml:lang="fr"><seg>le mot <ph>x</ph>{i}</seg></tuv><tuv xml:lang="en-US"><seg>the word {i}</seg></tuv></tu>'
    for i in range(64)
) + "</body></tmx>"  # fmt: skip
SPLITS = json.dumps({"train": ROWS[:40], "validation": ROWS[40:50], "test": ROWS[50:], "notes": []})
CARD = """---
dataset_info:
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: string}
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
---
"""


def _zip(content: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("reviews.csv"), content)
    return buffer.getvalue()


SCHEMAS = "http://schemas.openxmlformats.org"
RELATIONS = f"{SCHEMAS}/officeDocument/2006/relationships"
RELATION = (
    f'<Relationships xmlns="{SCHEMAS}/package/2006/relationships"><Relationship Id="r1" Type="{RELATIONS}/{{}}" '
    'Target="{}"/></Relationships>'
)
OVERRIDE = '<Override PartName="/xl/{}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{}+xml"/>'
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{SCHEMAS}/package/2006/content-types">'
    + OVERRIDE.format("workbook.xml", "sheet.main")
    + OVERRIDE.format("worksheets/sheet1.xml", "worksheet")
    + "</Types>",
    "_rels/.rels": RELATION.format("officeDocument", "xl/workbook.xml"),
    "xl/_rels/workbook.xml.rels": RELATION.format("worksheet", "worksheets/sheet1.xml"),
    "xl/workbook.xml": f'<workbook xmlns="{SCHEMAS}/spreadsheetml/2006/main" xmlns:r="{RELATIONS}"><sheets>'
    '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
}
"""The parts of a workbook besides its sheet."""


def workbook(sheet: bytes) -> bytes:
    """A workbook of one sheet."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in PARTS.items():
            archive.writestr(zipfile.ZipInfo(name), part)
        archive.writestr(zipfile.ZipInfo("xl/worksheets/sheet1.xml"), sheet)
    return buffer.getvalue()


def _cells(number: int, *values: str) -> str:
    cells = (f'<c r="{"AB"[i]}{number}" t="inlineStr"><is><t>{value}</t></is></c>' for i, value in enumerate(values))
    return f'<row r="{number}">{"".join(cells)}</row>'


SHEET = (
    f'<worksheet xmlns="{SCHEMAS}/spreadsheetml/2006/main"><sheetData>'
    + "".join([_cells(1, "text", "label"), *(_cells(i, r["text"], r["label"]) for i, r in enumerate(ROWS, 2))])
    + "</sheetData></worksheet>"
)
SHAPES = {"embeddings.word_embeddings.weight": (9, 4), "pooler.dense.weight": (4, 5), "pooler.dense.bias": (5,)}


def _weights() -> tuple[bytes, ...]:
    """A file of weights as Keras writes it."""
    import h5py
    import numpy as np

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, shape in {"embeddings/word_embeddings/embeddings:0": (9, 4), "pooler/dense/kernel:0": (5, 4),
                            "pooler/dense/bias:0": (5,)}.items():  # fmt: skip
            file[f"bert/tf_bert_model/{name}"] = np.arange(np.prod(shape), dtype="f4").reshape(shape)
        file.attrs["layer_names"] = [b"bert"]
    return (buffer.getvalue(),)


def _pickles() -> tuple[bytes, ...]:
    """Files of weights as PyTorch writes them, today and in its first years."""
    import torch

    found = []
    for as_zip in (True, False):
        buffer = io.BytesIO()
        state = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
        torch.save(state, buffer, _use_new_zipfile_serialization=as_zip)
        found.append(buffer.getvalue())
    return tuple(found)


def _parquet(rows) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


TYPES = [{"text": b"a fine film %d" % i, "label": bool(i % 2), "n": 1.5, "d": {"k": None}} for i in range(64)]

LISTS = [{"tokens": ["Ada", f"x{i}"], "ner_tags": ["B-PER", "O"]} for i in range(64)]


def _words(text: str, *more: bytes) -> tuple[bytes, ...]:
    return (*text.encode().split(), *more)


ODD = (
    b"\x00",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xc2\xa0",
    b"\x85",
    b"\x1c",
    b"\r",
    b"\r\n",
    b"\n\n",
)
"""Bytes and characters that look like line ends, spaces or encodings."""
JSON_WORDS = _words('null NaN -Infinity 1e999 true "\\ud800" "\\u0000" {} [] "" {"data": 1.0', b"[" * 50, b"1" * 30, *ODD)
CSV_WORDS = _words('" "" , # \\ \' text label NaN nan 1.0', b"\t", b"\x1a", *ODD)
CONLL_WORDS = _words("B- I- E- S- U- L- M- O B -DOCSTART-", b"# ", b"\t", b"  ", b"\x0b", b"B-\n", b"\xe2\x80\x8b", *ODD)
INLINE_WORDS = (*JSON_WORDS, *_words("[ ] | |PER] [a| B-PER \\u0301 \\u200d \\u00a0 1.2,3:4"))
TOML_WORDS = _words(
    """= [ ] { } " \'\'\' nan inf -1 0 1e400 true 1979-05-27 "\\u0000" 0x10 [] {} "" adapt shift arms "../.."
    "/dev/zero" "." "~" "a=b" """,
    b"9" * 40,
    b"[[tasks]]\n",
    b"[tasks]\n",
    b"tasks = 3\n",
    *ODD,
)


def _encoded(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


TARGETS = {
    "csv": Target(_loads("reviews.csv", "classification"), _encoded(CSV), CSV_WORDS),
    "tsv": Target(_loads("reviews.tsv", "sentiment"), _encoded(CSV.replace(",", "\t")), CSV_WORDS),
    "json": Target(
        _loads("reviews.json", "classification"),
        _encoded(json.dumps(ROWS), json.dumps({"data": ROWS}), json.dumps(COLUMNS), JSONL),
        JSON_WORDS,
    ),
    "jsonl": Target(_loads("reviews.jsonl", "classification"), _encoded(JSONL), JSON_WORDS),
    "parquet": Target(
        _loads("reviews.parquet", "classification"), (_parquet(ROWS), _parquet(TYPES)), (b"PAR1", b"\xff" * 4)
    ),
    "lists": Target(_loads("names.parquet", "ner"), (_parquet(LISTS),), (b"PAR1", b"\xff" * 4), examples=8),
    "gzip": Target(
        _loads("reviews.csv.gz", "sentiment"),
        (gzip.compress(CSV.encode(), mtime=0), gzip.compress(CSV.encode(), 0, mtime=0)),
        (b"\x1f\x8b\x08", b"\x00" * 4, b"\xff" * 4),
    ),
    "conll": Target(_loads("names.conll", "ner"), _encoded(CONLL, BIOES), CONLL_WORDS),
    "brackets": Target(_loads("names.conll", "ner"), _encoded(IN_2012, BRACKETS), (b"(A*", b"*)", b"(B*)", *CONLL_WORDS)),
    "inline": Target(_loads("names.jsonl", "ner"), _encoded(INLINE), INLINE_WORDS),
    "tagged": Target(_loads("names.jsonl", "ner", label_names="O,B-PER,I-PER"), _encoded(TAGGED), JSON_WORDS),
    "squad": Target(_loads("quiz.json", "qa"), _encoded(SQUAD), JSON_WORDS),
    "questions": Target(_loads("quiz.jsonl", "qa"), _encoded(FLAT), JSON_WORDS),
    "pairs": Target(_loads("mt.jsonl", "translation", source_lang="fr", target_lang="en"), _encoded(PAIRS), JSON_WORDS),
    "parallel": Target(_parallel, _encoded(LINES), CSV_WORDS),
    "quotes": Target(
        _loads("reviews.tsv", "classification"),
        _encoded(CSV.replace(",", "\t").replace('"', "", 40), CSV.replace('"', "", 31).replace(",", "\t")),
        CSV_WORDS,
    ),
    "sets": Target(
        _loads("mails.csv", "classification", multi_label=True),
        _encoded(SETS_CSV, SETS_PYTHON, SETS_CSV.replace(";", "|")),
        (*CSV_WORDS, *_words("; | ,, ['a'] ['a','b'] {'a'} ('a',) [ ] [[1]] ['a' 'b'] 0 1")),
    ),
    "set lists": Target(_loads("mails.jsonl", "classification", multi_label=True), _encoded(SETS_JSONL), JSON_WORDS),
    "set lines": Target(_loads("moods.txt", "classification", multi_label=True), _encoded(SETS_FASTTEXT), CSV_WORDS),
    "marks": Target(
        _loads("m.csv", "classification", multi_label=True, label_column="bad,good"), _encoded(MARKS), CSV_WORDS
    ),
    "text pairs": Target(
        _loads("nli.csv", "classification", text_column="premise", text_pair_column="hypothesis"),
        _encoded(INFERENCE),
        CSV_WORDS,
    ),
    "semicolons": Target(_loads("reviews.csv", "classification"), _encoded("sep=;\n" + CSV.replace(",", ";")), CSV_WORDS),
    "zip": Target(_loads("reviews.zip", "classification"), (_zip(CSV),), (b"PK\x03\x04", b"PK\x05\x06", b"\xff" * 4)),
    "splits": Target(_loads("reviews.json", "classification"), _encoded(SPLITS), JSON_WORDS),
    "fasttext": Target(_loads("reviews.txt", "sentiment"), _encoded(FASTTEXT), (b"__label__", *ODD)),
    "nested": Target(_loads("names.train", "ner", tags_column="NE", tokens_column="FORM"), _encoded(NESTED), CONLL_WORDS),
    "spans": Target(_loads("names.json", "ner"), _encoded(json.dumps(SPANS)), JSON_WORDS),
    "studio": Target(_loads("names.json", "ner", overlaps="longest"), _encoded(json.dumps(STUDIO)), JSON_WORDS),
    "prodigy": Target(
        _loads("names.jsonl", "ner"), _encoded("".join(json.dumps(row) + "\n" for row in PRODIGY)), JSON_WORDS
    ),
    "qatable": Target(_loads("quiz.csv", "qa"), _encoded(QA_ROWS, QA_LISTS), CSV_WORDS),
    "tmx": Target(
        _loads("mt.tmx", "translation", source_lang="fr", target_lang="en"),
        _encoded(TMX),
        _words(
            '<tu> </tu> <tuv> <seg> <ph> xml:lang="en" &amp; &#0; <!ENTITY <!DOCTYPE <![CDATA[ ]]> encoding="latin1"',
            *ODD,
        ),
    ),
    "card": Target(_folder, _encoded(CARD), _words("- : { } [ ] & * ! | > ../ /etc https:// train test data/** null", *ODD)),
    "classes": Target(_classes, _encoded("\f".join(_texts())), ODD),
    "study": Target(_study, _encoded(*STUDIES), TOML_WORDS),
    "checkpoint": Target(
        checkpoint_folder.load,
        (checkpoint_folder.SEED.read_bytes(),),
        (*checkpoint_folder.MUTATIONS, *JSON_WORDS),
        checkpoint_folder.warm_up,
        checkpoint_folder.edit,
    ),
}
if find_spec("openpyxl"):
    marks = (
        '<row> </row> <c> </c> <v> <t> </t> r="XFD1048576" r="A99999999" t="s" t="d" t="e" t="b" <f> 1e999 -1 &#0; <!DOCTYPE'
    )
    TARGETS["workbook"] = Target(_workbook, (SHEET.encode(), workbook(SHEET.encode())), _words(marks, *ODD))
if find_spec("h5py"):
    TARGETS["h5"] = Target(_h5, _weights(), (b"\xff" * 8, b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"\x00" * 4))
TARGETS["bin"] = Target(
    _bin, _pickles(), (b"c__builtin__\neval\n", b"cposix\nsystem\n", b"R.", b"\x80\x04", b"PK", b"\xff" * 8)
)
"""Name -> target; the names are those of `run.py --targets` and of the files in regressions/."""


def mutated(draw_bytes: Callable[[int], bytes], target: Target) -> bytes:
    """A seed with up to six changes, mostly few, as `draw_bytes(n)` (n random bytes) decides."""

    def number(below: int) -> int:
        return int.from_bytes(draw_bytes(4), "little") % max(1, below)

    content = bytearray(target.seeds[number(len(target.seeds))])
    if target.edit and number(2):
        content = bytearray(target.edit(number, bytes(content)))
        if number(4):
            return bytes(content)
    for _ in range(number(number(6) + 1) + 1):
        at, what = number(len(content) + 1), number(7)
        if what == 0:
            content[at : at + number(40)] = b""
        elif what == 1:
            content[at : at + 1] = draw_bytes(1)
        elif what == 2:
            content[at:at] = draw_bytes(number(6) + 1)
        elif what == 3 and target.words:
            content[at : at + number(4)] = target.words[number(len(target.words))]
        elif what == 4:
            piece = content[at : at + number(200)]
            to = number(len(content) + 1)
            content[to:to] = piece
        elif what == 5 and number(4) == 0:
            del content[at:]
        elif what == 6:
            whole = content.splitlines(keepends=True)
            if whole:
                row = number(len(whole))
                content = bytearray(b"".join([*whole[:row], *whole[row + 1 :], *([whole[row]] * number(3))]))
    return bytes(content)


def regressions() -> dict[str, tuple[str, bytes]]:
    """File name -> (target, content) of everything that once broke a loader."""
    folder = Path(__file__).parent / "regressions"
    return {f.name: (f.name.partition("-")[0], f.read_bytes()) for f in sorted(folder.iterdir())}


os.environ.setdefault("HF_HUB_OFFLINE", "1")

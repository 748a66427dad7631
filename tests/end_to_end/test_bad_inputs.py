"""Whatever the user gives wrongly is answered by one line that names it, with code 2, before anything is written.

Each case builds its files in an empty folder, which is also the working folder, and returns the arguments. All run in this
process; two run once more as a user would run them.
"""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import sentences, write_csv
from transfergain import cli
from transfergain.store import FILE, Store

CASES = {}


@dataclass
class World:
    """The working folder and what cases put into it."""

    folder: Path
    checkpoints: object

    def csv(self, name, rows=None, **options):
        return write_csv(self.folder / name, sentences(300) if rows is None else rows, **options) and name

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def model(self, name, *without, **instead):
        """A copy of a tiny checkpoint, without some files and with other content in some (`_` for `.` in names)."""
        shutil.copytree(self.checkpoints("bert"), self.folder / name)
        for file in without:
            (self.folder / name / file).unlink()
        for file, content in instead.items():
            self.put(f"{name}/{file.replace('_json', '.json').replace('_safe', '.safe')}", content)
        return name

    def study(self, name="runs/reviews", **identity):
        """An output folder that holds a study."""
        with Store(self.folder / name, create=True) as store:
            store.set_meta("identity", identity or {"checkpoint": "sha256:other", "data": {}})
        return self.put(f"{name}/.lock", "") and name


def case(*says, name=None):
    """Register a case: a function of a World that returns the arguments; its one line must contain all of `says`."""

    def register(build):
        CASES[name or build.__name__] = (build, says)
        return build

    return register


def train(world, rows=None, **options):
    return ["run", "--train-file", world.csv("reviews.csv", rows, **options)]


def with_file(name, content, *arguments):
    return lambda world: ["run", "--train-file", world.put(name, content), *arguments]


def flags(*arguments):
    return lambda world: [*train(world), *arguments]


def in_file(content):
    return lambda world: ["run", world.put("study.toml", 'train_file = "reviews.csv"\n' + content), *train(world)[3:]]


def csv_text(rows, header="text,label"):
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def changed(index, row, count=300):
    rows = sentences(count)
    rows[index] = row
    return rows


# Files that are not there or cannot be read.
case("none.csv: no such file", name="missing file")(lambda w: ["run", "--train-file", "none.csv"])
case("none.csv: no such file", name="missing test file")(flags("--test-file", "none.csv"))
case("none.csv: no such file", name="missing shift file")(flags("--shift", "tweets=none.csv"))
case("reviews.csv is empty", name="empty file")(with_file("reviews.csv", ""))
case("reviews.csv holds no rows", name="header only")(with_file("reviews.csv", "text,label\n"))
case("reviews.csv line 3", "0xe9", "UTF-8", name="bytes that are no UTF-8")(
    with_file("reviews.csv", b"text,label\nfine,good\ncaf\xe9,good\n")
)
case("reviews.csv.gz", "gzip", name="no gzip at all")(with_file("reviews.csv.gz", csv_text(sentences(50))))
case("reviews.csv.gz", "gzip", name="gzip cut short")(
    with_file("reviews.csv.gz", gzip.compress(csv_text(sentences(50)).encode())[:-30])
)
case("reviews.csv.gz", "gzip", name="gzip with wrong bytes")(
    with_file("reviews.csv.gz", gzip.compress(b"text,label\n")[:10] + b"\xff" * 99)
)
case("reviews.jsonl line 3", "not JSON", name="broken JSON lines")(
    with_file("reviews.jsonl", '{"text": "a", "label": "b"}\n\n{"text": "a", "lab\n')
)
case("reviews.json line 2", "not JSON", name="broken JSON")(with_file("reviews.json", '[{"text": "a"},\n{"text" "a"}]'))
case("reviews.json", "list of objects", name="JSON of another shape")(with_file("reviews.json", '["a", "b"]'))
case("reviews.jsonl line 1", "JSON object", name="JSON lines of another shape")(with_file("reviews.jsonl", '["a", "b"]\n'))
case("reviews.csv", "line 3", "saw 3", name="ragged row")(with_file("reviews.csv", "text,label\na,b\nc,d,e\n"))
case("reviews.csv row 1", "more fields", name="ragged first row")(with_file("reviews.csv", "text,label\na,b,c\nd,e\n"))
case("reviews.csv row 2", '"label" is empty', name="short row")(with_file("reviews.csv", "text,label\na,b\nc\n"))
case('two columns are called "text"', name="column twice")(with_file("reviews.csv", "text,label,text\na,b,c\n"))
case("reviews.parquet", "parquet", name="no parquet")(with_file("reviews.parquet", "text,label\n"))
case("reviews.xlsx", "unknown format .xlsx", ".csv", name="unknown ending")(with_file("reviews.xlsx", "text,label\n"))


@case("films is a folder", "--dataset-name")
def folder_given_as_file(world):
    world.csv("train.csv")
    world.put("films/train.csv", "")
    return ["run", "--train-file", "films"]


@case("--dataset-name reviews.csv is a file", "--train-file")
def file_given_as_data_set(world):
    return ["run", "--dataset-name", world.csv("reviews.csv")]


@case("films holds no train file")
def folder_without_train_file(world):
    world.put("films/test.csv", csv_text(sentences(50)))
    return ["run", "--dataset-name", "films"]


@case("films holds more than one train file", "train.csv, train.tsv")
def folder_with_two_train_files(world):
    world.put("films/train.csv", csv_text(sentences(50)))
    world.put("films/train.tsv", "")
    return ["run", "--dataset-name", "films"]


# Columns, rows and labels.
case('reviews.csv has no column "review"', "text, label", "--text-column", name="unknown text column")(
    flags("--text-column", "review")
)
case('reviews.csv has no column "stars"', "--label-column", name="unknown label column")(flags("--label-column", "stars"))
case('has one class only ("good")', name="one class")(lambda w: train(w, [(t, "good") for t, _ in sentences(99)]))
case("reviews.csv row 8", '"text" is empty', name="empty text")(lambda w: train(w, changed(7, (" ", "positive"))))
case("reviews.csv row 8", '"label" is empty', name="empty label")(lambda w: train(w, changed(7, ("some text", ""))))
case("reviews.jsonl line 2", '"text" is empty', name="NaN for a text")(
    with_file("reviews.jsonl", '{"text": "a", "label": 1}\n{"text": NaN, "label": 0}\n')
)
case("reviews.jsonl line 3", '"label" is empty', name="null for a label")(
    with_file("reviews.jsonl", '{"text": "a", "label": 1}\n\n{"text": "b", "label": null}\n')
)
case("reviews.jsonl line 2", '"label" holds a list', "one value", name="several labels in a row")(
    with_file("reviews.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": ["x", "y"]}\n')
)
case("reviews.jsonl line 1", '"text" holds a list', name="tokens for a text")(
    with_file("reviews.jsonl", '{"text": ["a", "b"], "label": "x"}\n')
)
case("test.csv row 3", '"neutral" does not occur in reviews.csv', "negative, positive", name="test label unseen")(
    lambda w: [*train(w), "--test-file", w.csv("test.csv", changed(2, ("some text", "neutral"), 40))]
)
case("tweets.csv row 5", '"neutral" does not occur in reviews.csv', name="shift label unseen")(
    lambda w: [*train(w), "--shift", "tweets=" + w.csv("tweets.csv", changed(4, ("some text", "neutral"), 40))]
)
case("tweets.csv", 'no column "text"', name="shift without the column")(
    lambda w: [*train(w), "--shift", "tweets=" + w.csv("tweets.csv", header=("body", "label"))]
)
case('"label" has 300 different values', "--label-column", name="free text for a label")(
    lambda w: train(w, [(t, f"{t} indeed") for t, _ in sentences(300)])
)
case("77 different labels", "--task classification", name="sentiment with 77 labels")(
    lambda w: train(w, [(t, f"intent {i % 77}") for i, (t, _) in enumerate(sentences(300))])
)
case("the test split has", "at least 10", name="too few rows")(lambda w: train(w, sentences(30)))
case("the label", "does not occur", name="a label of two lines stays one line")(
    lambda w: [*train(w), "--test-file", w.csv("test.csv", changed(2, ("some text", "two\nlines"), 40))]
)

# Flags.
case("--task", "no data for --task sentiment", "--train-file", name="no data at all")(lambda w: ["run"])
case("--dataset-name and --train-file", name="two sources of data")(flags("--dataset-name", "builtin:sentiment"))
case("--test-file goes with --train-file", name="test file beside a data set")(
    lambda w: ["run", "--dataset-name", "builtin:sentiment", "--test-file", w.csv("t.csv")]
)
case('"builtin:sentimnt"', 'Did you mean "builtin:sentiment"', name="unknown built-in data set")(
    lambda w: ["run", "--dataset-name", "builtin:sentimnt"]
)
case("--task", 'unknown task "sentimant"', 'Did you mean "sentiment"', name="unknown task")(flags("--task", "sentimant"))
case("--arms", 'unknown arm "lorra"', 'Did you mean "lora"', name="unknown arm")(flags("--arms", "scratch,lorra"))
case("--arms", 'must include "scratch"', name="arms without scratch")(flags("--arms", "full,lora"))
case("--shift", '"tweets.csv" is not of the form name=FILE', name="shift without a name")(flags("--shift", "tweets.csv"))
case("--shift", 'two shifts are called "a"', name="two shifts of one name")(flags("--shift", "a=x", "--shift", "a=y"))
case("--seeds", "greater than or equal to 1", "0", name="no seeds")(flags("--seeds", "0"))
case("--seeds", "integer", name="seeds that are no number")(flags("--seeds", "many"))
case("--budgets", "whole numbers", "'64,lots'", name="budget that is no number")(flags("--budgets", "64,lots"))
case("--budgets", "greater than or equal to 10", "-64", name="negative budget")(flags("--budgets=-64"))
case("--precision", "fp32", "'fp8'", name="unknown precision")(flags("--precision", "fp8"))
case("--margin", "less than 1", name="margin of a hundred")(flags("--margin", "100"))
case("--executor", 'unknown executor "slurm"', "local", name="unknown executor")(flags("--executor", "slurm"))
case("--sedes", "--seeds", name="unknown flag")(flags("--sedes", "3"))
case("'repot'", "'report'", name="unknown command")(lambda w: ["repot", "runs"])
case("DIR", name="report of nothing")(lambda w: ["report"])
case("--budgets: reviews: a budget of 5,000 labels", "240 is the most", name="budget larger than the data")(
    lambda w: [*train(w), "--budgets", "64,5000", "--model", w.model("tiny")]
)
case("--device tpu", "cuda", name="unknown device")(lambda w: [*train(w), "--device", "tpu", "--model", w.model("tiny")])
case("--max-length 4000", "at most 128 tokens", name="longer texts than the model has positions for")(
    lambda w: [*train(w), "--max-length", "4000", "--model", w.model("tiny")]
)

# Study files.
case("study.toml", 'unknown key "budget"', 'Did you mean "budgets"', name="unknown key")(in_file("budget = [64]"))
case("study.toml", "not valid TOML", "line 2", name="no TOML")(in_file("seeds 3"))
case("none.toml: no such study file", name="missing study file")(lambda w: ["run", "none.toml"])
case("folder: cannot be read as a study file", name="folder for a study file")(
    lambda w: w.put("folder/x", "") and ["run", "folder"]
)
case("study.toml", "b.toml", name="two study files")(
    lambda w: ["run", w.put("study.toml", ""), "--config", w.put("b.toml", "")]
)
case("study.toml: arms: must be arms", name="arms of a wrong type")(in_file("arms = 3"))
case("study.toml: shift: must be name=FILE", name="shift of a wrong type")(in_file("shift = 3"))
case("study.toml: budgets: must be whole", name="broken budget")(in_file("budgets = [64.5]"))

# Checkpoints.
case("builtin:minlm", 'Did you mean "builtin:minilm"', name="unknown built-in model")(flags("--model", "builtin:minlm"))
case("--model", "neither a folder here nor a well-formed Hub id", name="no Hub id")(flags("--model", "./no/such/folder"))
case("--model empty: no config.json", name="model folder without config")(
    lambda w: w.put("empty/notes.txt", "x") and [*train(w), "--model", "empty"]
)
case("--model weights.bin is a file", name="file for a model")(lambda w: [*train(w), "--model", w.put("weights.bin", "x")])
case("--model tiny", "config.json", "JSON", name="model with a broken config")(
    lambda w: [*train(w), "--model", w.model("tiny", config_json="{")]
)
case("--model tiny", "pytorch_model.bin", "safetensors", name="model of pickles")(
    lambda w: [
        *train(w),
        "--model",
        w.model("tiny", "model.safetensors") and w.put("tiny/pytorch_model.bin", "pickle").split("/")[0],
    ]
)
case("--model tiny", "no weights", name="model without weights")(
    lambda w: [*train(w), "--model", w.model("tiny", "model.safetensors")]
)
case("--model tiny", "model.safetensors", "damaged", name="model with broken weights")(
    lambda w: [*train(w), "--model", w.model("tiny", model_safetensors="\xff" * 64)]
)
case("--model tiny", "no tokenizer", name="model without tokenizer")(
    lambda w: [*train(w), "--model", w.model("tiny", "tokenizer.json")]
)
case("--model tiny", "tokenizer cannot be read", name="model with a broken tokenizer")(
    lambda w: [*train(w), "--model", w.model("tiny", tokenizer_json="{}")]
)


# Output folders.
@case("--output-dir file/runs", "cannot write there")
def output_below_a_file(world):
    return [*train(world), "--model", world.model("tiny"), "--output-dir", world.put("file", "x") + "/runs"]


@case("--output-dir runs/reviews", "holds a study of another checkpoint")
def output_of_another_study(world):
    world.study()
    return [*train(world), "--model", world.model("tiny")]


@case(f"runs/reviews/{FILE}", "cannot be")
def output_with_a_corrupt_store(world):
    world.put(f"runs/reviews/{FILE}", "no database, but someone's notes" * 99)
    world.put("runs/reviews/.lock", "")
    return [*train(world), "--model", world.model("tiny")]


for command in ("report", "export"):
    case("nowhere", "no study there", name=f"{command} of a folder that is not there")(lambda w, c=command: [c, "nowhere"])
    case("films", "no study there", name=f"{command} of a folder without study")(
        lambda w, c=command: w.put("films/train.csv", "x") and [c, "films"]
    )
    case("films/" + FILE, "cannot be read", name=f"{command} of garbage")(
        lambda w, c=command: w.put(f"films/{FILE}", "no database" * 999) and [c, "films"]
    )
    case("films/" + FILE, name=f"{command} of an empty store")(
        lambda w, c=command: w.put(f"films/{FILE}", "") and [c, "films"]
    )

    @case("films/" + FILE, "cannot be read", name=f"{command} of a store cut short")
    def _cut(world, command=command):
        with Store(world.folder / "films", create=True) as store:
            store.update_meta({f"key {i}": "x" * 500 for i in range(200)})
        path = world.folder / "films" / FILE
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return [command, "films"]

    @case("films/" + FILE, name=f"{command} of another program's database")
    def _foreign(world, command=command):
        (world.folder / "films").mkdir()
        with sqlite3.connect(world.folder / "films" / FILE) as database:
            database.execute("CREATE TABLE songs (title TEXT)")
        database.close()
        return [command, "films"]

    @case("films", "before the study was set up", name=f"{command} of a study that never began")
    def _unplanned(world, command=command):
        with Store(world.folder / "films", create=True):
            pass
        return [command, "films"]


case('--format: unknown format "xlsx"', "csv", name="unknown format")(lambda w: ["export", w.study(), "--format", "xlsx"])
case('--table: unknown table "gain"', 'Did you mean "gains"', name="unknown table")(
    lambda w: ["export", w.study(), "--table", "gain"]
)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def check(folder, before, says, code, err):
    assert code == 2, err
    assert err.startswith("transfergain: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for part in says:
        assert part in err
    assert contents(folder) == before


@pytest.fixture
def world(tmp_path, monkeypatch, checkpoints):
    monkeypatch.chdir(tmp_path)
    return World(tmp_path, checkpoints)


def test_there_are_many_cases():
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_changes_nothing(name, world, monkeypatch, capsys):
    build, says = CASES[name]
    arguments = build(world)
    before = contents(world.folder)
    monkeypatch.setattr(sys, "argv", ["transfergain", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    check(world.folder, before, says, ended.value.code, capsys.readouterr().err)


@pytest.mark.parametrize("name", ["ragged row", "model of pickles"])
def test_as_the_user_runs_it(name, world):
    build, says = CASES[name]
    arguments = build(world)
    before = contents(world.folder)
    command = [sys.executable, "-m", "transfergain.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check(world.folder, before, says, done.returncode, done.stderr)


@pytest.mark.parametrize("settings", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "*"}])
@pytest.mark.parametrize("what", ["--model", "--dataset-name"])
def test_hub_out_of_reach_fails_clearly(what, settings, world):
    """Told to stay offline, or with nobody at the other end. In a process of its own: the client reads its settings once."""
    arguments = [*(train(world) if what == "--model" else ["run"]), what, "nobody/nothing"]
    before = contents(world.folder)
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"} | settings
    command = [sys.executable, "-m", "transfergain.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    check(world.folder, before, ('"nobody/nothing"', "Hub", "give"), done.returncode, done.stderr)


def test_a_mistake_loses_nothing_of_an_earlier_study(world, monkeypatch, capsys):
    """The store of a finished study is the same, byte for byte, after runs that were refused."""
    folder = world.folder / world.study()
    world.put("runs/reviews/findings.json", json.dumps({"kept": True}))
    model = world.model("tiny")
    before = contents(folder)
    for wrong in (["--budgets", "5000"], ["--seeds", "0"], ["--shift", "a=none.csv"], []):
        monkeypatch.setattr(sys, "argv", ["transfergain", *train(world), "--model", model, *wrong])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert contents(folder) == before
    assert capsys.readouterr().err.count("transfergain: ") == 4

"""What docs/security.md promises: no file that a user is handed runs code, writes elsewhere, or fills the memory."""

import ast
import contextlib
import errno
import gzip
import json
import os
import pickle
import re
import shutil
import socket
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import transfergain
from support.fakes import dataset, run
from transfergain.analysis.findings import load
from transfergain.checkpoint import load_config, load_tokenizer, resolve
from transfergain.data.folders import read_folder
from transfergain.data.formats import unpacked
from transfergain.data.prepare import DataSource
from transfergain.data.prepare import load as load_data
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.report.files import write_files
from transfergain.study import Study
from transfergain.study import load as load_study
from transfergain.tasks import TASKS

ROOT = Path(transfergain.__file__).parent
SOURCES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
OWN_PIPES = {"executors/worker.py": {"pickle"}}
"""The only reader of pickles: workers and driver talk over pipes that no one else can write to."""
CONVERTER = {"checkpoint/converter.py": ["torch.load"]}
"""What `transfergain convert` alone starts, in a process with bounds: tensors of a pickle, and nothing else."""
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def names(folder):
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


# The source.
def calls(tree):
    """(dotted name of what is called, the call) of a module."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def imported(tree):
    """Names of the packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


RUNNERS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
UNPICKLERS = {"torch.load", "pd.read_pickle", "pandas.read_pickle", "yaml.load"}


def problems(tree):
    """The calls of a module that could run what they are given, or read a pickle."""

    def wrong(name, call):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        arrays = name in {"np.load", "numpy.load"} and given.get("allow_pickle") != "False"
        return name in RUNNERS | UNPICKLERS or arrays or given.get("shell") == "True"

    return [name for name, call in calls(tree) if wrong(name, call)]


def test_nothing_runs_text_or_reads_pickles():
    assert len(SOURCES) > 100
    assert {module: found for module, tree in SOURCES.items() if (found := problems(tree))} == CONVERTER
    (load,) = [c for n, c in calls(SOURCES["checkpoint/converter.py"]) if n == "torch.load"]
    assert {k.arg: ast.unparse(k.value) for k in load.keywords}["weights_only"] == "True"
    uses = [m for m, tree in SOURCES.items() if "checkpoint.converter" in ast.unparse(tree)]
    assert uses == ["checkpoint/convert.py"], "in a process of its own, and never by `run`"
    assert {module: found for module, tree in SOURCES.items() if (found := imported(tree) & PICKLERS)} == OWN_PIPES


@pytest.mark.parametrize(
    "line",
    ["eval(x)", "exec(x)", "torch.load(f)", "yaml.load(f)", "np.load(f)", "np.load(f, allow_pickle=True)", "os.system(x)",
     "subprocess.run(x, shell=True)", "__import__(x)"],
)  # fmt: skip
def test_the_scan_would_notice(line):
    assert problems(ast.parse(line))


def test_weights_are_read_as_safetensors_and_remote_code_is_never_switched_on():
    loads = [(m, n, c) for m, tree in SOURCES.items() for n, c in calls(tree) if n.endswith("from_pretrained")]
    weights = [(m, c) for m, n, c in loads if not re.search("Tokenizer|Config", n)]
    assert len(loads) >= 4 and weights
    for module, call in weights:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if None in given:  # **loading: a dict of the same module
            assert '"use_safetensors": True' in (ROOT / module).read_text("utf-8")
        else:
            assert given["use_safetensors"] == "True"
    trusts = [k for _, tree in SOURCES.items() for _, c in calls(tree) for k in c.keywords if k.arg == "trust_remote_code"]
    assert trusts and all(not isinstance(k.value, ast.Constant) for k in trusts), "only ever what the user said"
    assert Study().trust_remote_code is False
    assert not [f for f in (ROOT.parents[1] / "studies").glob("*.toml") if "trust_remote_code" in f.read_text("utf-8")]


# Checkpoints.
class Evil:
    """Whoever unpickles it makes a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (Path.touch, (Path(self.mark),))


@pytest.fixture
def model(checkpoints, tmp_path):
    """A copy of a tiny checkpoint, with a pickle beside its weights that leaves a mark when it is read."""
    folder = Path(shutil.copytree(checkpoints("bert"), tmp_path / "model"))
    for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    return folder


def test_the_trap_works(model, tmp_path):
    pickle.loads((model / "pytorch_model.bin").read_bytes())
    assert (tmp_path / "ran").exists()


def test_pickles_beside_the_weights_are_never_read(model, tmp_path):
    from transfergain.arms.base import Blueprint
    from transfergain.arms.weights import build_pretrained

    checkpoint = resolve(str(model))
    config = load_config(checkpoint, load_tokenizer(checkpoint), ("no", "yes"))
    build_pretrained(Blueprint(checkpoint, "AutoModelForSequenceClassification", config, 0))
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_pickles_alone_is_refused_unread(model, tmp_path):
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match="a pickle that could run code; convert it once: transfergain convert"):
        resolve(str(model))
    assert not (tmp_path / "ran").exists()


def test_a_pickle_that_calls_itself_safetensors_is_refused_unread(model, tmp_path):
    shutil.copy(model / "pytorch_model.bin", model / "model.safetensors")
    with pytest.raises(UserError, match="no safetensors file"):
        resolve(str(model))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["config", "tokenizer"])
def test_code_that_a_checkpoint_brings_is_not_run(model, tmp_path, kind):
    """A config or tokenizer that names a class in a file of the checkpoint."""
    (model / "evil.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nclass Evil: pass\n")
    file, key, name = {
        "config": ("config.json", {"model_type": "unheard-of"}, {"AutoConfig": "evil.Evil"}),
        "tokenizer": ("tokenizer_config.json", {}, {"AutoTokenizer": ["evil.Evil", None]}),
    }[kind]
    known = json.loads((model / file).read_text())
    (model / file).write_text(json.dumps(known | key | {"auto_map": name}))
    checkpoint = resolve(str(model))
    with pytest.raises(UserError) if kind == "config" else contextlib.nullcontext():
        load_config(checkpoint, load_tokenizer(checkpoint), ("no", "yes"))
    assert not (tmp_path / "ran").exists()


# Study files.
@pytest.mark.parametrize(
    "text",
    ['train_file = "$(touch ran)"', 'train_file = "`touch ran`"', 'train_file = "|touch ran"', 'model = "; touch ran"',
     'task = "__import__(\'os\').system(\'touch ran\')"', 'output_dir = "{{ cycler.__init__.__globals__ }}"',
     'train_file = "!!python/object/apply:os.system [touch ran]"', 'executor = "os.system"', "[tasks]\n__class__ = 1"],
)  # fmt: skip
def test_a_study_file_is_data(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(text, "utf-8")
    try:
        study = load_study({}, "study.toml")
        for entry in study.entries():
            load_data(entry.source(), TASKS[entry.task])
    except UserError as error:
        assert "\n" not in str(error)
    else:
        pytest.fail("there is no data in this study")
    assert not Path("ran").exists() and names(tmp_path) == ["study.toml"]


# Data files.
BOMBS = ("reviews.csv.gz", "reviews.tsv.gz", "reviews.json.gz", "reviews.jsonl.gz", "names.conll.gz", "reviews.parquet.gz")


@pytest.mark.long
def test_a_gzip_bomb_is_refused_in_bounded_memory(tmp_path):
    bomb = tmp_path / "reviews.csv.gz"
    with gzip.open(bomb, "wb") as file:
        for _ in range(256):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(UserError, match=r"reviews\.csv\.gz: unpacks to more than 64 MiB"):
        read_file(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bomb.stat().st_size < 2**20 and peak < 160 * 2**20


@pytest.mark.parametrize("name", BOMBS)
def test_every_packed_format_is_bounded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(unpacked, "ALLOWED_BYTES", 10_000)
    (tmp_path / name).write_bytes(gzip.compress(b"a\tb\n" * 200_000))
    with pytest.raises(UserError, match=rf"{name}: unpacks to more than"):
        read_file(tmp_path / name)


def test_parallel_text_is_bounded_on_both_sides(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacked, "ALLOWED_BYTES", 10_000)
    (tmp_path / "a.fr.gz").write_bytes(gzip.compress(b"a\n" * 100))
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"a\n" * 200_000))
    source = DataSource(train_file=str(tmp_path / "a.fr.gz"), options={"source_lang": "fr", "target_lang": "en"})
    with pytest.raises(UserError, match=r"a\.en\.gz: unpacks to more than"):
        load_data(source, TASKS["translation"])


def test_text_that_packs_well_is_read(tmp_path):
    rows = "text,label\n" + "very good,positive\nvery bad,negative\n" * 20_000
    (tmp_path / "reviews.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert len(rows) > unpacked.UNPACKED_RATIO * (tmp_path / "reviews.csv.gz").stat().st_size
    assert len(read_file(tmp_path / "reviews.csv.gz").rows) == 40_000


def _shared(text, rows):
    """A column of one text that stands in it once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])


PARQUET_BOMBS = {
    "dictionary": lambda: _shared("x" * 100_000, 10_000),
    "repeated": lambda: _shared("x" * 100_000, 6_000).dictionary_decode(),
    "list": lambda: pa.ListArray.from_arrays(pa.array([0, 10_000], pa.int32()), _shared("x" * 100_000, 10_000)),
    "numbers in a list": lambda: pa.ListArray.from_arrays(pa.array([0, 10**7], pa.int32()), pa.repeat(1, 10**7)),
    "struct": lambda: pa.StructArray.from_arrays([_shared("x" * 100_000, 10_000)], ["a"]),
    "rows": lambda: pa.repeat(True, 3 * 10**6),
}


@pytest.mark.parametrize("kind", PARQUET_BOMBS)
def test_a_parquet_bomb_is_refused_before_it_is_decoded(tmp_path, kind):
    """A long text that stands in the file once and in its rows thousands of times, or more rows than anybody has."""
    pyarrow.parquet.write_table(pa.table({"text": PARQUET_BOMBS[kind]()}), tmp_path / "reviews.parquet", compression="zstd")
    assert (tmp_path / "reviews.parquet").stat().st_size < 2**17
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    with pytest.raises(UserError, match=r"reviews\.parquet: its rows would take about [\d,]+ MiB of memory, [\d,]+ times"):
        read_file(tmp_path / "reviews.parquet")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < unpacked.ALLOWED_MEMORY + 2**26 and pa.total_allocated_bytes() - before < 2**24


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b"[" + b"{}," * 3 * 10**6 + b"{}]"), ("a.csv", b"a,b\n" + b",\n" * 3 * 10**6),
     ("a.conll", b"a O\n" * 3 * 10**6), ("a.jsonl", b"{}\n" * 3 * 10**6)],
)  # fmt: skip
@pytest.mark.parametrize("packer", ["gz", "zip", None])
def test_rows_that_would_fill_the_memory_are_refused_before_they_are_parsed(tmp_path, name, content, packer):
    path = tmp_path / (f"{name}.{packer}" if packer else name)
    if packer == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
    else:
        path.write_bytes(gzip.compress(content, mtime=0) if packer else content)
    tracemalloc.start()
    with pytest.raises(UserError, match="its rows would take about"):
        read_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 160 * 2**20


def test_files_of_usual_proportions_are_read(tmp_path):
    """Far more than the limit of their size, as templates pack well."""
    texts = [f"the room number {i} was fine" for i in range(20_000)]
    pyarrow.parquet.write_table(pa.table({"text": texts, "label": ["a", "b"] * 10_000}), tmp_path / "a.parquet")
    assert len(read_file(tmp_path / "a.parquet").rows) == 20_000


@pytest.mark.parametrize(
    ("members", "says"),
    [({}, "has 0"), ({"a.csv": "x", "b.csv": "x"}, r"has 2 \(a\.csv, b\.csv\); unzip it"), (None, "not a readable zip")],
)
def test_archives_of_several_files_are_refused(tmp_path, members, says):
    path = tmp_path / "data.zip"
    path.write_bytes(b"PK not really")
    if members is not None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with pytest.raises(UserError, match=says):
        read_file(path)


def test_a_zip_names_no_path(tmp_path):
    """What an archive calls its file is never a place: nothing is unpacked to disk."""
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.csv", "text,label\na,b\n")
    assert read_file(path).rows == [{"text": "a", "label": "b"}] and names(tmp_path) == ["data.zip"]


def csv_text(count=60):
    return "text,label\n" + "".join(f"text number {i},{'good' if i % 2 else 'bad'}\n" for i in range(count))


def test_links_are_followed_as_the_user_could_and_loops_are_refused(tmp_path):
    """A link in a folder of splits is the user's own; nothing is read that they could not read."""
    (tmp_path / "elsewhere.csv").write_text(csv_text())
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "train.csv").symlink_to(tmp_path / "elsewhere.csv")
    (folder / "test.csv").symlink_to(folder / "nowhere.csv")
    assert {split: len(table.rows) for split, table in read_folder(folder).items()} == {"train": 60}
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    with pytest.raises(UserError, match=r"loop\.csv: cannot be read|loop\.csv: no such file"):
        read_file(folder / "loop.csv")


def test_devices_and_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "reviews.csv")
    for path in (tmp_path / "reviews.csv", Path("/dev/zero")):
        with pytest.raises(UserError, match="is empty"):
            read_file(path)


@pytest.mark.parametrize("name", ["builtin:../../../../etc", "builtin:..", "builtin:/etc", "builtin:"])
def test_built_in_data_is_not_looked_for_elsewhere(name):
    with pytest.raises(UserError, match="unknown built-in data set"):
        load_data(DataSource(dataset_name=name), TASKS["sentiment"])


@pytest.mark.parametrize("file", ["a/../../x/train.csv", "/tmp/../etc/x.csv", "..csv", "....//x.csv", "train.csv"])
def test_a_data_set_name_is_one_part_of_a_path(file):
    """It becomes part of the output folder's and the models' names."""
    assert not {"/", "\\", "\0"} & set(DataSource(train_file=file).name())
    assert DataSource(train_file=file).name() not in (".", "..")


# What is written.
def test_hostile_names_stay_text_in_the_page_and_files_stay_in_the_folder(tmp_path):
    """Data set, label and shift names from outside, in every file that a study writes."""
    hostile = dataset(name=f"reviews{EVIL}".replace("/", ""), shift=True)
    shift = {f"../../{EVIL}": rows for rows in hostile.shifts.values()}
    hostile = type(hostile)(
        **vars(hostile) | {"labels": (EVIL, "positive"), "shifts": shift, "shift_fingerprints": dict.fromkeys(shift, "x")}
    )
    output = tmp_path / "outer" / "run"
    run(output, {hostile.name: hostile}, seeds=3)
    write_files(load(output))
    assert names(tmp_path) == ["outer"] and names(tmp_path / "outer") == ["run"]
    page = (output / "report.html").read_text("utf-8")
    assert "<script>alert" not in page and "<img src=x" not in page
    assert "alert(1)" in page, "the name is shown, as text"
    assert json.loads((output / "findings.json").read_text("utf-8"))["data"][hostile.name]["labels"][0] == EVIL


def test_the_page_tells_the_browser_to_load_nothing(tmp_path):
    run(tmp_path, seeds=2)
    write_files(load(tmp_path))
    page = (tmp_path / "report.html").read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy and all(f"{rule} 'none'" in policy[1] for rule in ("default-src", "form-action", "base-uri"))
    assert not re.search(r"(?<!-)\b(connect|frame|object|form-action)-src", policy[1])
    assert not re.search(r'<(script|img|link|iframe)[^>]*(src|href)="(https?:)?//', page)


# What is installed.
def test_every_pinned_package_is_pinned_once_and_by_hash_but_torch():
    root = ROOT.parents[1]
    entry = r"^([A-Za-z0-9._-]+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})*)$"
    entries = re.findall(entry, (root / "requirements.lock").read_text(), re.MULTILINE)
    names = [name.lower().replace("_", "-") for name, _, _ in entries]
    assert len(names) == len(set(names)) > 100 and "torch" not in names
    assert [name for name, _, hashes in entries if not hashes] == []
    assert re.findall(r"^[^#\n].*", (root / "requirements-torch.lock").read_text(), re.MULTILINE) == ["torch==2.13.0"]
    assert "--require-hashes --no-deps -r requirements.lock" in (root / "Makefile").read_text()


# The tests themselves.
def test_tests_reach_no_network():
    with pytest.raises(OSError, match="tests stay on this machine") as refused:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    assert refused.value.errno == errno.ENETUNREACH
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("huggingface.co", 443)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass

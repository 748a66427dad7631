"""The command line: what it lists, its exit codes, and that only training imports torch."""

import csv
import errno
import json
import os
import re
import subprocess
import sys
import types
from functools import partial

import pytest

from support.fakes import run as run_fakes
from support.terminal import on_terminal
from transfergain import __version__, cli
from transfergain.arms import ARMS
from transfergain.checkpoint import PACKAGED
from transfergain.options import OptionKind
from transfergain.tasks import TASKS, floors

HEAVY = ("torch", "transformers", "datasets", "peft")


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command line in this process; returns (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["transfergain", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return call


@pytest.fixture
def study(tmp_path):
    """The output folder of a study of fakes."""
    run_fakes(tmp_path / "run")
    return tmp_path / "run"


def test_version(command):
    assert command("--version") == (0, f"transfergain {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command(command, arguments):
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert all(name in out for name in ("run", "init", "report", "export", "compare", "doctor", "tasks", "arms", "models"))


def test_help_of_run_names_every_key_of_a_study(command, monkeypatch):
    from transfergain.study import Study

    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = command("run", "--help")
    assert code == 0
    missing = [key for key in Study.model_fields if f"--{key.replace('_', '-')}" not in out]
    assert missing == ["tasks"]  # a list of tables, for files alone


@pytest.mark.parametrize(
    ("listing", "names"),
    [("tasks", TASKS), ("arms", [*ARMS, *floors()]), ("models", PACKAGED)],
    ids=["tasks", "arms", "models"],
)
def test_listings_name_every_entry(command, listing, names):
    code, out, err = command(listing)
    assert (code, err) == (0, "")
    assert all(any(line.startswith(name) for line in out.splitlines()) for name in names)


@pytest.mark.parametrize(("listing", "names"), [("tasks", TASKS), ("arms", [*ARMS, *floors()]), ("models", PACKAGED)])
def test_listings_as_json(command, listing, names):
    code, out, err = command(listing, "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert [next(iter(row.values())) for row in rows] == list(names)


def test_report_as_json_is_findings_alone(command, study):
    code, out, err = command("report", study, "--json")
    assert code == 0
    assert out == (study / "findings.json").read_text("utf-8")
    assert "scratch" in err and "report.html" in err


def test_json_of_a_run_is_findings_alone_and_the_console_goes_to_stderr(command, monkeypatch):
    class Findings:
        trials = {"failed": 1}  # noqa: RUF012

        def to_json(self):
            return '{"a": 1}\n'

    seen = []

    def fake(study, console, verbose, began=None):
        seen.append((console.quiet, verbose))
        console.print("progress")
        return Findings()

    monkeypatch.setattr("transfergain.api.run_study", fake)
    code, out, err = command("run", "--json", "-v")
    assert (code, out) == (1, '{"a": 1}\n')
    assert err == "progress\ntransfergain: 1 trial failed; the warnings of the report say why\n"
    assert command("run", "-q")[1] == ""
    assert seen == [(False, True), (True, False)]
    assert command("run", "-q", "-v")[0] == 2


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run --task se", ["sentiment"]),
        ("run --arms scratch,f", ["scratch,full"]),
        ("run --model bu", ["builtin:minilm"]),
        ("run --executor l", ["local"]),
        ("run --perturbations k", ["keyboard"]),
        ("run --precision b", ["bf16"]),
        ("init --task q", ["qa"]),
        ("export x --format pa", ["parquet"]),
        ("doc", ["doctor"]),
        ("run --seq", []),
        ("run --see", ["--seed", "--seeds"]),
    ],
)
def test_completion_offers_names(words, offered):
    asked = f"transfergain {words}"
    env = {"_TRANSFERGAIN_COMPLETE": "complete_bash", "COMP_WORDS": asked, "COMP_CWORD": str(len(asked.split()) - 1)}
    done = subprocess.run([sys.executable, "-m", "transfergain"], env=os.environ | env, capture_output=True, text=True)
    assert sorted(done.stdout.split()) == offered


def test_completion_is_installed_where_the_shell_looks(tmp_path):
    env = os.environ | {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    for action in ("--show-completion", "--install-completion"):
        arguments = [sys.executable, "-m", "transfergain", action, "bash"]
        done = subprocess.run(arguments, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if action == "--show-completion":
            assert "_TRANSFERGAIN_COMPLETE=complete_bash" in done.stdout
    assert "transfergain" in (tmp_path / ".bashrc").read_text()


def test_no_color_is_heard():
    colour, arguments = re.compile(r"\x1b\[[0-9;]*3[0-9]"), [sys.executable, "-m", "transfergain", "--help"]
    assert colour.search(on_terminal(arguments)[1])
    code, shown = on_terminal(arguments, NO_COLOR="1")
    assert code == 0 and "doctor" in shown and not colour.search(shown)


def test_report_on_a_folder_that_cannot_be_written_prints_its_answer_all_the_same(command, study, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("transfergain.report.files._write", refuse)
    code, out, err = command("report", study)
    assert code == 2 and "scratch" in out
    assert "cannot write there (Read-only file system)" in err


def test_report_says_what_the_store_holds(command, study):
    (study / "findings.json").unlink(missing_ok=True)
    code, out, err = command("report", study)
    assert (code, err) == (0, "")
    assert "scratch" in out
    assert json.loads((study / "findings.json").read_text())["trials"]["done"] > 0
    assert (study / "report.html").stat().st_size > 0


def test_help_of_export_names_every_format_and_table(command, monkeypatch):
    from transfergain.report.export import FORMATS, TABLES

    monkeypatch.setenv("COLUMNS", "200")
    text = command("export", "--help")[1]
    assert all(name in text for name in (*FORMATS, *TABLES))


def test_help_of_run_is_in_groups_with_common_flags_first(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = command("run", "--help")[1].splitlines()
    panels = [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]
    assert panels == ["Arguments", "Input", "Question", "Training", "Machine", "Output", "Options of single tasks"]
    flags = [line.split()[1] for line in lines if line.startswith("│ --")]
    assert flags[:3] == ["--task", "--model,--model-name-or-path", "--train-file"]


@pytest.mark.parametrize("table", ["gains", "scores", "trials"])
@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_export_writes_every_row_of_every_table(command, study, table, format):
    from transfergain import load

    code, out, err = command("export", study, "--table", table, "--format", format)
    path = study / f"{table}.{format}"
    assert (code, out, err) == (0, f"{path}\n", "")
    wanted = len(load(study).table(table))
    assert wanted > 0
    if format == "csv":
        assert len(list(csv.DictReader(path.open(newline="")))) == wanted
    elif format == "json":
        assert len(json.loads(path.read_text())) == wanted
    else:
        import pyarrow.parquet

        assert pyarrow.parquet.read_table(path).num_rows == wanted


def test_export_to_a_file_that_cannot_be_written(command, study):
    before = sorted(study.iterdir())
    code, out, err = command("export", study, "--output", study / "study.sqlite" / "gains.csv")
    assert (code, out) == (2, "")
    assert err.startswith("transfergain: --output ")
    assert err.count("\n") == 1
    assert sorted(study.iterdir()) == before


def test_compare_loads_every_folder_and_shows_prints_and_writes(command, study, tmp_path, monkeypatch):
    """The comparison itself has tests of its own."""
    other = tmp_path / "other"
    run_fakes(other)
    comparing, showing = (types.ModuleType(f"transfergain.commands.{name}") for name in ("compare", "side_by_side"))
    comparing.compare = lambda found: [types.SimpleNamespace(to_dict=partial(dict, study=f.folder)) for f in found]
    showing.show = lambda rows, console: console.print(f"{len(rows)} rows")
    showing.page = lambda rows: f"<p>{len(rows)}</p>"
    for module in (comparing, showing):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert command("compare", study, other) == (0, "2 rows\n", "")
    code, out, err = command("compare", study, other, "--json", "-o", tmp_path / "c.html")
    assert (code, json.loads(out), err) == (0, [{"study": str(study)}, {"study": str(other)}], "2 rows\n")
    assert (tmp_path / "c.html").read_text() == "<p>2</p>"
    code, _, err = command("compare", study, tmp_path / "nothing")
    assert code == 2 and "no study there" in err
    assert "--output" in command("compare", study, other, "-o", tmp_path / "no" / "c.html")[2]


def test_failed_trials_end_with_code_one(command, monkeypatch):
    class Failed:
        trials = {"done": 3, "failed": 1}  # noqa: RUF012

    monkeypatch.setattr("transfergain.api.run_study", lambda *_: Failed())
    assert command("run")[0] == 1
    Failed.trials = {"done": 4, "failed": 0}
    assert command("run")[0] == 0


def test_flags_reach_the_study(command, monkeypatch):
    class Done:
        trials = {"failed": 0}  # noqa: RUF012

    given = []
    monkeypatch.setattr("transfergain.api.run_study", lambda study, *_: given.append(study) or Done())
    arguments = "--model-name-or-path m --train-file t.csv --shift a=x --shift b=y --max-seq-length 32 --trust-remote-code"
    assert command("run", *arguments.split(), "--arms", "scratch, full", "--margin", "0.02")[0] == 0
    study = given[0]
    assert (study.model, study.train_file, study.shift) == ("m", "t.csv", {"a": "x", "b": "y"})
    assert (study.max_length, study.trust_remote_code, study.arms) == (32, True, ["scratch", "full"])
    assert study.margin == 0.02


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129)])
def test_interruptions_are_one_line_and_the_code_of_their_signal(number, code, command, monkeypatch):
    from transfergain.api import Interrupted

    class Findings:
        trials = {"done": 7}  # noqa: RUF012

    def before_any_trial(*_):
        raise KeyboardInterrupt

    def later(*_):
        raise Interrupted(Findings(), number)

    monkeypatch.setattr("transfergain.api.run_study", before_any_trial)
    assert command("run") == (130, "", "transfergain: interrupted; the same command continues\n")
    monkeypatch.setattr("transfergain.api.run_study", later)
    found, out, err = command("run")
    assert (found, out) == (code, "")
    assert err == "transfergain: interrupted with 7 trials done; the same command continues\n"


def test_a_bug_is_not_dressed_up_as_the_users_fault(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("transfergain.api.run_study", broken)
    monkeypatch.setattr(sys, "argv", ["transfergain", "run"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def imported(code, calls=()):
    """Which heavy packages a fresh interpreter has imported after `code` and the calls of the command line."""
    lines = ["import sys", code, *(f"call({call!r})" for call in calls)]
    shown = "\n".join([*lines, f"print('HEAVY', *[m for m in {HEAVY!r} if m in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


CALL = """
from transfergain import cli

def call(arguments):
    sys.argv = ["transfergain", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        assert ended.code == 0, ended.code
"""


@pytest.mark.long
def test_listings_import_nothing_heavy():
    assert imported(CALL, [["--help"], ["run", "--help"], ["tasks"], ["arms"], ["models"]]) == []


def test_help_imports_no_package_of_numbers():
    """Nor pydantic, the slowest of the rest: `python -m benchmarks.run waiting` has the seconds."""
    packages = ("numpy", "pandas", "pydantic", "plotly", "scipy")
    code = f"import sys\n{CALL}\ncall(['--help'])\nprint([m for m in {packages} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.long
def test_report_and_export_import_nothing_heavy(study):
    assert imported(CALL, [["report", str(study)], ["export", str(study)]]) == []
    assert (study / "gains.csv").exists()


def test_importing_the_package_imports_nothing_heavy():
    assert imported("import transfergain, transfergain.cli, transfergain.trial, transfergain.study") == []


def test_the_module_runs_as_the_command_does():
    done = subprocess.run([sys.executable, "-m", "transfergain", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"transfergain {__version__}\n"


def test_help_names_the_defaults_that_a_study_has(command, monkeypatch):
    from transfergain.study import Study
    from transfergain.tasks import TASKS

    monkeypatch.setenv("COLUMNS", "200")
    _, text, _ = command("run", "--help")
    wanted = {
        key: Study.model_fields[key].default for key in ("seeds", "tune", "batch_size", "epochs", "min_steps", "margin")
    }
    for task in TASKS.values():
        numbers = {key: value for key, value in task.defaults(OptionKind.ENCODING).items() if isinstance(value, int)}
        wanted |= {"max_length": TASKS["sentiment"].max_length} | task.defaults(OptionKind.COLUMN) | numbers
    for key, default in wanted.items():
        flag = f"--{key.replace('_', '-')}"
        line = next((line for line in text.splitlines() if flag in line.split(" <")[0]), "")
        assert f"(default: {default})" in line or f"(default: {default}, " in line, key

"""The programs beside the package start: a name that has gone from the package shows here, not when somebody runs them."""

import importlib
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARSER = "argparse.ArgumentParser("
FOLDERS = ("benchmarks", "examples", "tests/support", "tests/faults/broken")


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """The root is importable, as it is where these programs are run."""
    monkeypatch.syspath_prepend(str(ROOT))


def modules():
    """Dotted names of all modules in FOLDERS."""
    paths = [path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [".".join(path.with_suffix("").parts).removeprefix("tests.").removesuffix(".__init__") for path in paths]


def programs():
    """Dotted names of the modules of benchmarks and tests that have a command line."""
    files = [path for folder in ("benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [
        path.relative_to(ROOT) for path in files if "ArgumentParser(" in path.read_text("utf-8") and path != Path(__file__)
    ]
    return [".".join(path.with_suffix("").parts).removeprefix("tests.") for path in found]


@pytest.mark.long
def test_every_module_imports():
    names = modules()
    assert {"benchmarks.halving", "examples.use_the_model", "support.lab", "faults.broken.storage"} <= set(names)
    for name in names:
        importlib.import_module(name)


def test_the_programs_are_found():
    assert {"benchmarks.run", "benchmarks.halving", "faults.run", "fuzz.run"} <= set(programs())


@pytest.mark.long
@pytest.mark.parametrize("program", programs())
def test_a_program_says_how_to_use_it(program, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    monkeypatch.delitem(sys.modules, program, raising=False)
    if not program.startswith(("benchmarks", "faults")):  # which are run by `-m`; the others as files
        monkeypatch.syspath_prepend(str(ROOT / "tests" / program.partition(".")[0]))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(program, run_name="__main__")
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out

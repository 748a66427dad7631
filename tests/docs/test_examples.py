"""The README's Python and the examples run as they stand there, with a tiny checkpoint and few steps."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import transfergain as tg
from support.tiny import command, ran  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[2]
SMALL = {"seeds": 2, "tune": 0, "epochs": 1, "min_steps": 4, "precision": "fp32", "device": "cpu", "workers": 1}


def example(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small(monkeypatch, **keys):
    """Make `tg.run` run what it is asked for, but for a few keys."""
    run = tg.run
    monkeypatch.setattr(tg, "run", lambda **given: run(**given | SMALL | keys))


def test_the_readmes_python(tmp_path, monkeypatch, capsys, checkpoints, reviews, ran):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    small(monkeypatch, model=checkpoints("bert"), budgets=[40], arms=["scratch", "full"])
    assert Path("reviews.csv").exists()
    exec(compile(text, "README.md", "exec"), {"__name__": "__main__"})
    assert len([spec for spec in ran if spec.recipe]) == 4
    assert repr(tg.load("runs/reviews")) in capsys.readouterr().out
    assert Path("runs/reviews/report.html").exists()


def test_the_example_study_and_its_model(tmp_path, monkeypatch, capsys, checkpoints, ran):  # noqa: F811
    monkeypatch.chdir(ROOT)
    keys = {**SMALL, "model": checkpoints("bert"), "output_dir": tmp_path / "bikes"}
    flags = [part for key, value in keys.items() for part in (f"--{key.replace('_', '-')}", value)]
    assert command(monkeypatch, "run", "examples/bikes.toml", *flags) == 0
    assert {spec.arm for spec in ran} >= {"scratch", "full", "probe"}
    answers = example("use_the_model").main(
        str(tmp_path / "bikes" / "models" / "full"), ["My brakes do not work.", "Hello?"]
    )
    assert set(answers) <= {"urgent", "routine"} and len(answers) == 2
    assert "My brakes do not work." in capsys.readouterr().out


def test_two_checkpoints_are_compared(tmp_path, monkeypatch, capsys, checkpoints, ran):  # noqa: F811
    small(monkeypatch)
    models = [checkpoints("bert"), checkpoints("distilbert")]
    example("compare_checkpoints").main(models, str(ROOT / "examples" / "bikes.csv"), str(tmp_path))
    printed = capsys.readouterr().out.splitlines()
    for model, line in zip(models, printed[:2], strict=True):
        assert line.startswith(f"{model}: bikes: ") and "full " in line
    estimate, low, high = map(float, re.findall(r"[+-]\d\.\d{3}", printed[2]))
    assert low <= estimate <= high
    assert Counter(spec.arm for spec in ran if spec.recipe) == {"scratch": 4, "full": 4}


def test_the_example_rows_are_balanced_and_all_different():
    rows = pd.read_csv(ROOT / "examples" / "bikes.csv")
    assert list(rows.columns) == ["text", "label"] and len(rows) == 80
    assert rows["text"].str.lower().nunique() == 80
    assert rows["label"].value_counts().to_dict() == {"urgent": 40, "routine": 40}


def test_every_example_is_named():
    listed = (ROOT / "examples" / "README.md").read_text("utf-8")
    files = [f.name for f in (ROOT / "examples").iterdir() if f.is_file() and f.name != "README.md"]
    assert len(files) >= 4 and all(f"`{name}`" in listed for name in files)
    with pytest.raises(FileNotFoundError):
        example("no_such_example")

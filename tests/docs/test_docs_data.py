"""Every sample file, command and message of docs/how-to/own-data.md is what the program reads, takes and says."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from transfergain import cli
from transfergain.data.read import read_file
from transfergain.options import OptionKind
from transfergain.study import load
from transfergain.tasks import TASKS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-data.md"
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = FENCE.findall(PAGE.read_text("utf-8"))
SAID = "# says "
RUN = "transfergain run "
SAMPLES = {block.split("\n")[0][2:]: block.split("\n", 1)[1] for block in BLOCKS if block[:2] == "# " and SAID not in block}
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith(RUN)]
MESSAGES = [block.removeprefix(SAID).splitlines() for block in BLOCKS if block.startswith(SAID)]
EXAMPLES = {
    "reviews.csv": 3,
    "tickets.jsonl": 3,
    "notes.csv": 2,
    "stars.txt": 2,
    "doccano.jsonl": 2,
    "claims.csv": 3,
    "mails.csv": 4,
    "songs.jsonl": 2,
    "comments.csv": 3,
    "moods.txt": 2,
    "studio.json": 2,
    "studio-min.json": 2,
    "names.conll": 2,
    "nested.conll": 1,
    "brackets.conll": 1,
    "spans.jsonl": 2,
    "numbered.jsonl": 2,
    "marked.jsonl": 2,
    "quiz.json": 2,
    "quiz.jsonl": 3,
    "quiz.csv": 2,
    "menu.tmx": 2,
    "menu.fr": 2,
    "menu.jsonl": 2,
    "menu.csv": 2,
}
"""File of a command -> the examples it holds."""


@pytest.fixture
def samples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in SAMPLES.items():
        Path(name).write_text(content, "utf-8")


def parsed(command):
    """What the task makes of a command's train file and shifts."""
    flags = get_command(cli.app).commands["run"].make_context("run", shlex.split(command.removeprefix(RUN))).params
    (entry,) = load({key: value for key, value in flags.items() if value}).entries()
    source = entry.source()
    task = TASKS[entry.task].chosen(source.options)
    options = {**task.defaults(OptionKind.PARSE), **source.options}
    files = {"train": source.train_file} | {f"shift:{name}": path for name, path in source.shifts.items()}
    return source.train_file, task.parse({s: read_file(path, task.readers(options)) for s, path in files.items()}, options)


def test_every_sample_is_used():
    used = " ".join(COMMANDS)
    assert [name for name in SAMPLES if name not in used] == ["menu.en"]
    assert {shlex.split(command)[5] for command in COMMANDS} == set(EXAMPLES)


def test_every_task_and_option_has_its_place():
    text = PAGE.read_text("utf-8")
    for task in TASKS.values():
        assert task.name in text
        for option in (
            *task.defaults(OptionKind.COLUMN),
            *task.defaults(OptionKind.READING),
            *task.defaults(OptionKind.ENCODING),
        ):
            assert f"--{option.replace('_', '-')}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_read_their_samples(command, samples):
    file, data = parsed(command)
    assert len(data.splits["train"]) == EXAMPLES[file]
    assert data.warnings == ()


def test_samples_of_one_task_say_the_same(samples):
    by_file = {file: data.splits["train"] for file, data in map(parsed, COMMANDS) if file.startswith(("n", "m"))}
    assert by_file["marked.jsonl"][0].inputs["tokens"] == [*by_file["numbered.jsonl"][0].inputs["tokens"], "."]
    assert by_file["menu.tmx"] == by_file["menu.fr"]
    assert by_file["menu.jsonl"] == tuple(
        type(e)({"source": e.inputs["source"].lower()}, e.target.lower()) for e in by_file["menu.fr"]
    )
    assert [e.target for e in by_file["menu.csv"]] == [e.inputs["source"] for e in by_file["menu.fr"]]


GUESSES = {
    "reviews.csv": ("sentiment", {"text_column": "text", "label_column": "label"}),
    "tickets.jsonl": ("classification", {"text_column": "message", "label_column": "team"}),
    "notes.csv": ("sentiment", {"text_column": "text", "label_column": "label"}),
    "stars.txt": ("sentiment", {}),
    "doccano.jsonl": ("classification", {"text_column": "text", "label_column": "label"}),
    "studio.json": ("classification", {"text_column": "text", "label_column": "label"}),
    "studio-min.json": ("classification", {"text_column": "text", "label_column": "topic"}),
    "claims.csv": ("classification", {"text_column": "premise", "text_pair_column": "hypothesis"}),
    "mails.csv": ("classification", {"multi_label": True}),
    "songs.jsonl": ("classification", {"multi_label": True}),
    "comments.csv": ("classification", {"multi_label": True}),
    "moods.txt": ("classification", {"multi_label": True}),
    "names.conll": ("ner", {}),
    "brackets.conll": ("ner", {}),
    "spans.jsonl": ("ner", {}),
    "numbered.jsonl": ("ner", {}),
    "marked.jsonl": ("ner", {}),
    "quiz.json": ("qa", {}),
    "quiz.jsonl": ("qa", {}),
    "quiz.csv": ("qa", {}),
    "menu.tmx": ("translation", {}),
    "menu.fr": ("translation", {"source_lang": "fr", "target_lang": "en"}),
    "menu.jsonl": ("translation", {"source_lang": "fr", "target_lang": "en"}),
    "menu.csv": ("translation", {"source_lang": "fr", "target_lang": "en"}),
}
"""Sample -> what `init` makes of it: task, and options among those that it proposes."""


@pytest.mark.parametrize("file", GUESSES)
def test_init_tells_the_samples_apart(file, samples):
    from transfergain.commands.init import _read, _recognise

    task, options = _recognise(file, _read(Path(file), {}), {})
    wanted, some = GUESSES[file]
    assert (task.name, {key: options[key] for key in some}) == (wanted, some)


def test_every_sample_is_guessed():
    assert set(EXAMPLES) - set(GUESSES) == {"nested.conll"}, "which column is meant has to be said"


@pytest.mark.parametrize("lines", MESSAGES, ids=lambda lines: lines[0])
def test_messages_are_said(lines, samples):
    command, *said = lines
    file, _, flags = command.partition(" ")
    task = "ner" if file.startswith("names") else "translation"
    _, data = parsed(f"{RUN}--task {task} --train-file {file} {flags}")
    for line in said:
        assert line in data.notes

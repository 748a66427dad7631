"""`transfergain init`: what it tells from a file, and that the study file it writes is one."""

import json
import sys
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.terminal import on_terminal
from support.texts import articles, sentences, tagged, translations, write_conll, write_csv, write_parallel, write_squad
from transfergain.cli import main
from transfergain.commands import init
from transfergain.data import prepare
from transfergain.data.formats import parallel
from transfergain.data.formats.table import Table
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.study import load
from transfergain.tasks import TASKS, surest_first


@pytest.fixture
def start(tmp_path, monkeypatch, capsys):
    """Runs `init` in this process, without a terminal; returns (exit code, the study file's keys, stdout, stderr)."""

    def call(*arguments):
        output = tmp_path / "study.toml"
        monkeypatch.setattr(sys, "argv", ["transfergain", "init", *map(str, arguments), "--output", str(output)])
        with pytest.raises(SystemExit) as ended:
            main()
        keys = tomllib.loads(output.read_text("utf-8")) if output.exists() else {}
        return ended.value.code, keys, *capsys.readouterr()

    return call


def rows(name, records):
    return Table(name, records)


def files(folder):
    """Task -> (a file of it, keys that its study must have)."""
    topics = [(text, ["sport", "law", "food"][i % 3]) for i, (text, _) in enumerate(sentences(120))]
    return {
        "sentiment": (write_csv(folder / "reviews.csv", sentences(120)), {"text_column": "text", "label_column": "label"}),
        "classification": (
            write_csv(folder / "news.csv", topics, ("headline", "desk")),
            {"text_column": "headline", "label_column": "desk"},
        ),
        "ner": (write_conll(folder / "names.conll", tagged(80)), {"tokens_column": "tokens", "tags_column": "ner_tags"}),
        "qa": (write_squad(folder / "squad.json", articles(20)), {}),
        "translation": (
            write_parallel(folder / "talk", translations(80)),
            {"source_lang": "fr", "target_lang": "en", "max_target_length": 16},
        ),
    }


@pytest.mark.parametrize("task", TASKS)
def test_a_file_of_every_task_becomes_a_study_that_loads(start, tmp_path, task):
    file, wanted = files(tmp_path)[task]
    code, keys, out, err = start(file)
    assert (code, err) == (0, "")
    assert keys["task"] == task and keys["train_file"] == file
    assert wanted.items() <= keys.items()
    study = load({}, str(tmp_path / "study.toml"))
    data = prepare.load(study.entries()[0].source(), TASKS[task])
    assert study.budgets[-1] <= len(data.train) + len(data.dev)
    assert keys["max_length"] in init.PROPOSED_LENGTHS and (keys["seeds"], keys["tune"]) == ("auto", 0)
    commands = [line.split()[1] for line in out.splitlines() if line.endswith(f" {tmp_path / 'study.toml'}")]
    assert commands == ["plan", "run"], "what it takes comes first"


def test_every_column_has_usual_names_and_its_default_is_the_first():
    columns = [option for task in TASKS.values() for option in task.options if option.kind & OptionKind.COLUMN]
    assert columns and all(option.usual_names[0] == option.default for option in columns)


def test_the_surest_task_is_asked_first():
    assert [task.name for task in surest_first()] == ["qa", "translation", "ner", "sentiment", "classification"]


@pytest.mark.parametrize(
    ("header", "labels", "task"),
    [
        (("text", "label"), ["positive", "negative"], "sentiment"),
        (("Review", "Stars"), ["1", "2", "3", "4", "5"], "sentiment"),
        (("text", "label"), ["0", "1"], "classification"),
        (("utterance", "intent"), ["greet", "leave", "order"], "classification"),
        (("q7", "answer code"), ["yes", "no"], "classification"),
    ],
)
def test_text_and_label_are_told_by_name_or_by_what_they_hold(header, labels, task):
    table = rows("f.csv", [
        {"id": str(i), header[0]: text, header[1]: labels[i % len(labels)]} for i, (text, _) in enumerate(sentences(100))
    ])  # fmt: skip
    found = next((kind.name, guess) for kind in surest_first() if (guess := kind.recognise(table)) is not None)
    assert found == (task, {"text_column": header[0], "label_column": header[1]})


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([{"translation": {"en": "a b", "fr": "c d"}}] * 9, {"source_lang": "fr", "target_lang": "en"}),
        ([{"de": "a b", "fr": "c d", "id": "7"}] * 9, {"source_lang": "de", "target_lang": "fr"}),
        ([{"deu_Latn": "a b", "eng_Latn": "c d"}] * 9, {"source_lang": "deu_Latn", "target_lang": "eng_Latn"}),
        ([{"text": "a b", "label": "c"}] * 9, None),
    ],
)
def test_languages_are_told_from_columns(records, wanted):
    assert TASKS["translation"].recognise(rows("f.jsonl", records)) == wanted


def test_marked_text_is_ner_unless_it_has_labels():
    marked = [{"text": "[Ada Lovelace|PER] was here"}, {"text": "nobody was"}] * 9
    assert TASKS["ner"].recognise(rows("f.jsonl", marked)) == {"text_column": "text"}
    assert TASKS["ner"].recognise(rows("f.jsonl", [row | {"label": "x"} for row in marked])) is None


def test_languages_are_told_from_the_files_beside(tmp_path):
    for ending in ("fr", "en", "de", "md"):
        (tmp_path / f"train.{ending}").write_text("x\n")
    assert parallel.beside(tmp_path / "train.fr") == {"source_lang": "fr", "target_lang": "en"}
    assert parallel.beside(tmp_path / "train.en") is None
    assert parallel.beside(tmp_path / "train.md") is None


def test_dev_and_test_files_beside_a_train_file_are_used(start, tmp_path):
    for name, seed in (("train", 0), ("dev", 1), ("test", 2)):
        write_csv(tmp_path / f"{name}.csv", sentences(60, seed))
    code, keys, _, _ = start(tmp_path / "train.csv")
    assert code == 0
    assert keys["validation_file"] == str(tmp_path / "dev.csv") and keys["test_file"] == str(tmp_path / "test.csv")
    other = write_csv(tmp_path / "held-out.csv", sentences(60, 3))
    assert start(tmp_path / "train.csv", "--force", "--test-file", other)[1]["test_file"] == other


def test_flags_have_the_last_word(start, tmp_path, reviews):
    shifted = write_csv(tmp_path / "tweets.csv", sentences(40, seed=1))
    given = ["--task", "classification", "--seeds", 3, "--tune", 0, "--budgets", "40,80", "--max-length", 20]
    code, keys, _, err = start(reviews, *given, "--shift", f"tweets={shifted}", "--model", "some/model")
    assert (code, err) == (0, "")
    assert keys["task"] == "classification" and keys["model"] == "some/model"
    assert (keys["seeds"], keys["tune"], keys["budgets"], keys["max_length"]) == (3, 0, [40, 80], 20)
    assert keys["shift"] == {"tweets": shifted}


def test_lengths_are_those_of_the_models_tokenizer(tmp_path, checkpoints):
    file = write_csv(tmp_path / "reviews.csv", sentences(120))
    proposal = init.propose(file, {"model": checkpoints("bert")})
    words = [len(e.inputs["text"].replace("-", " - ").split()) for e in proposal.data.train]
    assert proposal.lengths == [n + 2 for n in words]  # its tokenizer is of words, with [CLS] and [SEP]
    assert proposal.keys["max_length"] >= sorted(proposal.lengths)[int(0.99 * (len(words) - 1))]
    guessed = init.propose(file, {"model": "some/hub-model"})
    assert "guessed" in guessed.counted and "not on this machine" in init.render(guessed)


def test_no_proposal_is_longer_than_the_model_takes(tmp_path, checkpoints):
    long = [(" ".join([text] * 60), label) for text, label in sentences(60)]
    proposal = init.propose(write_csv(tmp_path / "long.csv", long), {"model": checkpoints("bert")})
    assert proposal.keys["max_length"] == 128
    assert "100.0% are longer than max_length" in init.render(proposal)


def test_a_study_file_is_not_written_over(start, tmp_path, reviews):
    (tmp_path / "study.toml").write_text("seeds = 3\n")
    code, keys, out, err = start(reviews)
    assert (code, keys, out) == (2, {"seeds": 3}, "")
    assert err == f"transfergain: --output {tmp_path / 'study.toml'} is there already; --force writes over it\n"
    assert start(reviews, "--force")[1]["task"] == "sentiment"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("great film,positive\n" * 30 + "poor film,negative\n" * 30, "its first line seems to be data"),
        ("a,b\n1,2\n3,4\n", "cannot tell what task its columns (a, b) are for"),
        ("", "is empty"),
    ],
)
def test_what_cannot_be_told_is_said(start, tmp_path, content, complaint):
    (tmp_path / "x.csv").write_text(content)
    code, keys, out, err = start(tmp_path / "x.csv")
    assert (code, keys, out, err.count("\n")) == (2, {}, "", 1)
    assert complaint in err


def test_without_file_or_terminal_it_asks_for_the_file_in_words(start):
    code, keys, _, err = start()
    assert (code, keys) == (2, {}) and "init needs a FILE" in err


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(TEXTS, min_size=2, max_size=4, unique=True), column=TEXTS)
def test_no_label_or_column_breaks_the_file(tmp_path, labels, column):
    """Quotes, line ends, control characters and comment signs stay inside their strings and comments."""
    records = [{"text": text, column: labels[i % len(labels)]} for i, (text, _) in enumerate(sentences(80))]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    keys = {"task": "classification", "text_column": "text", "label_column": column, "model": "some/model"}
    try:
        proposal = init.propose(str(path), keys)
    except UserError:
        return  # refused for what the labels are, which is not at stake here
    read = tomllib.loads(init.render(proposal))
    assert read["label_column"] == column and read["task"] == "classification"
    assert set(read) == {"task", "train_file", "text_column", "label_column", "model", "max_length", "budgets", "seeds",
                         "tune", "output_dir"}  # fmt: skip


@pytest.mark.long
def test_on_a_terminal_it_asks_a_few_questions(tmp_path, reviews):
    arguments = [sys.executable, "-m", "transfergain", "init", reviews, "-o", str(tmp_path / "study.toml")]
    typed = "classification\n\n\n\n\n4\n"  # task, text and label column, model, shift, seeds
    code, shown = on_terminal(arguments, typed)
    keys = tomllib.loads((tmp_path / "study.toml").read_text())
    assert (code, keys["task"], keys["seeds"], keys["label_column"]) == (0, "classification", 4, "label")
    assert "Task (sentiment, classification" in shown and "[sentiment]" in shown

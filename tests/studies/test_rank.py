"""`transfergain rank` on tiny checkpoints."""

import io
import json
import re
import shlex

import pytest
import torch
import transformers
from rich.console import Console

import transfergain as tg
from support.checkpoints import build_checkpoint
from support.texts import articles, sentences, tagged, write_conll, write_csv, write_squad
from support.tiny import command
from transfergain.arms import probe_model
from transfergain.commands.rank import answer, names, show
from transfergain.engine import ranking as measuring
from transfergain.engine.rank_row import RankRow
from transfergain.engine.threads import torch_threads
from transfergain.running import ranking
from transfergain.running.ranking import Ranking, next_commands
from transfergain.study import Study

FIELDS = set(RankRow.__dataclass_fields__)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    small = build_checkpoint("bert", folder / "bert", spread=0.3)
    return [str(small), str(build_checkpoint("distilbert", folder / "distilbert", spread=0.3))]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {
        "sentiment": str(write_csv(folder / "reviews.csv", sentences(120))),
        "ner": str(write_conll(folder / "names.conll", tagged(80))),
        "qa": str(write_squad(folder / "places.json", articles(32))),
    }


def test_the_number_of_threads_is_left_as_it_was(models, files):
    for number in (1, 2):  # one of them is not what a ranking takes
        with torch_threads(number):
            tg.rank(models[:1], task="sentiment", train_file=files["sentiment"], max_length=16, examples=60, quiet=True)
            assert torch.get_num_threads() == number


@pytest.mark.parametrize("task", ["sentiment", "ner", "qa"])
def test_checkpoints_are_rows_the_best_probe_first_and_broken_ones_say_why(models, files, task, tmp_path):
    (tmp_path / "empty").mkdir()
    given = [tmp_path / "empty", *models, tmp_path / "nowhere at all"]
    found = tg.rank(given, task=task, train_file=files[task], examples=60, max_length=64, quiet=True)
    rows = found.to_dicts()
    assert [set(row) for row in rows] == [FIELDS] * 4 and list(found.to_frame().columns) == list(rows[0])
    ranked, broken = rows[:2], rows[2:]
    assert {row["model"] for row in ranked} == set(models) and ranked[0]["probe"] >= ranked[1]["probe"]
    assert ranked[0]["behind"] is None and ranked[1]["behind_low"] <= ranked[1]["behind"] <= ranked[1]["behind_high"]
    assert ranked[1]["behind"] == pytest.approx(ranked[0]["probe"] - ranked[1]["probe"])
    for row in ranked:
        assert 0 <= row["low"] <= row["probe"] <= row["high"] <= 1
        assert row["hidden"] == 32 and row["parameters"] > 10_000 and row["seconds"] > 0 and not row["problem"]
        assert (row["log_me"] is None) == (task == "qa") and bool(row["best"]) == (task != "qa")
        assert task == "qa" or (row["log_me"] >= row["log_me_all"] and row["h_score"] > 0)
    assert all(row["problem"] and row["probe"] is None for row in broken)
    assert "no config.json" in next(row["problem"] for row in broken if row["model"].endswith("empty"))
    assert found.next and found.next[0].startswith("transfergain run --model")
    assert set(found.by_size()) == set(models)
    again = tg.rank(given, task=task, train_file=files[task], examples=60, max_length=64, quiet=True)
    assert [row.probe for row in again.rows] == [row.probe for row in found.rows]


def test_a_layer_is_chosen_without_the_labels_that_are_judged(models, files, monkeypatch):
    """Chosen on all examples it knew the judged half's labels, too, and many layers of noise were better than chance."""
    seen, own = [], measuring.promising
    monkeypatch.setattr(measuring, "promising", lambda problem, *more: seen.append(len(problem.hits)) or own(problem, *more))
    tg.rank(models[:1], task="sentiment", train_file=files["sentiment"], max_length=16, examples=60, quiet=True)
    assert seen == [24] * 10, "of the 30 of each half, less the fifth that chooses after it"


@pytest.mark.long
def test_checkpoints_with_other_tokenizers_each_read_with_their_own(models, files, tmp_path):
    others = [str(build_checkpoint(kind, tmp_path / kind, spread=0.3)) for kind in ("roberta", "gpt2", "t5")]
    found = tg.rank([models[0], *others], task="sentiment", train_file=files["sentiment"], examples=60, quiet=True)
    assert {row.model for row in found.ranked} == {models[0], *others} and not any(row.problem for row in found.rows)
    assert len({row.log_me for row in found.rows}) == 4


def test_the_command_prints_the_ranking_and_ends_with_the_next_commands(models, files, monkeypatch, capsys):
    flags = ["--task", "sentiment", "--train-file", files["sentiment"], "--examples", "60"]
    assert command(monkeypatch, "rank", *models, *flags) == 0
    said = capsys.readouterr().out
    assert "95 %" in said and "LogME" in said and "by size" in said
    *runs, compare = (shlex.split(line.removeprefix("Next")) for line in said.strip().splitlines()[-3:])
    assert [run[:3] for run in runs] == [["transfergain", "run", "--model"]] * 2 and files["sentiment"] in runs[0]
    folders = [run[run.index("--output-dir") + 1] for run in runs]
    assert len(set(folders)) == 2 and compare == ["transfergain", "compare", *folders]
    assert command(monkeypatch, "rank", *models, *flags, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in found["rows"]} == set(models) and len(found["next"]) == 3
    assert found["examples"] == 60 and found["metric"] == "accuracy"


def test_the_page_holds_the_answer_scores_commands_and_what_was_not_ranked(models, files, tmp_path, monkeypatch, capsys):
    flags = ["--task", "sentiment", "--train-file", files["sentiment"], "--examples", "60"]
    odd, page = tmp_path / "<i>odd", tmp_path / "deep" / "ranking.html"
    assert command(monkeypatch, "rank", *models, odd, *flags, "--page", page) == 0
    said, html = capsys.readouterr().out, page.read_text(encoding="utf-8")
    first = said.splitlines()[0]
    assert "promises most on reviews" in first and str(page) in said.replace("\n", "")
    text = re.sub(r"<[^>]+>", "", html.split("</style>")[1])
    assert first.split(":")[0] in text and "Not ranked" in text and text.count("transfergain run --model") == 2
    assert all(model in text for model in models) and "&lt;i&gt;odd" in html and "<i>odd" not in html
    assert "default-src 'none'" in html and "http://" not in html.replace("http://www.w3.org", "")


def test_a_page_that_cannot_be_written_is_one_line_and_the_ranking_is_printed(models, files, tmp_path, monkeypatch, capsys):
    flags = ["--task", "sentiment", "--train-file", files["sentiment"], "--examples", "60"]
    (tmp_path / "file").touch()
    assert command(monkeypatch, "rank", models[0], *flags, "--page", tmp_path / "file" / "x.html") == 2
    said = capsys.readouterr()
    assert "LogME" in said.out and "--page" in said.err and "cannot be written" in said.err and "Traceback" not in said.err


def rows_of(*scores):
    """A ranking of (score, half of the interval of how far it is behind the first)."""
    made = []
    for i, (score, half) in enumerate(scores):
        apart = scores[0][0] - score
        behind = (apart, apart - half, apart + half) if i else (None, None, None)
        made.append(RankRow(f"m{i}", score, score - 0.05, score + 0.05, *behind, parameters=10))
    return Ranking("sentiment", "reviews", "accuracy", 60, tuple(made), ())


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([(0.9, 0.01)], "m0 promises most on reviews: a linear probe of it has 90.0 % accuracy."),
        ([(0.9, 0), (0.8, 0.02)], "has 90.0 % accuracy. m1 is 10.0 points behind (95 %: +8.0 to +12.0)."),
        (
            [(0.9, 0), (0.88, 0.05)],
            "m1 is 2.0 points behind (95 %: -3.0 to +7.0): too near to tell them apart by this, train both.",
        ),
    ],
)
def test_the_first_sentence_says_which_and_whether_the_next_one_is_told_apart(scores, said):
    assert said in answer(rows_of(*scores))


def test_folders_are_shown_by_their_last_part_where_that_names_one_alone():
    rows = tuple(RankRow(model, probe=0.5) for model in ("/a/x", "/b/x", "/b/y", "builtin:minilm", "me/y2"))
    short = names(Ranking("sentiment", "reviews", "accuracy", 60, rows, ()))
    assert short == {"/a/x": "/a/x", "/b/x": "/b/x", "/b/y": "y", "builtin:minilm": "builtin:minilm", "me/y2": "me/y2"}


def test_lines_are_broken_between_words_on_a_terminal_but_commands_are_not():
    why = 'model "me/y" is no folder here, and the Hub cannot be reached: ' + "try again later " * 9
    rows = (*rows_of((0.9, 0.05), (0.88, 0.05)).rows, RankRow("me/y", problem=why), RankRow("z", problem="it failed"))
    command = "transfergain run --model m0 " + "--train-file a/long/path/to/reviews.csv " * 3
    out = io.StringIO()
    show(Ranking("sentiment", "reviews", "accuracy", 60, rows, (command,)), Console(file=out, force_terminal=True, width=80))
    *lines, last = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80 and last == f"Next            {command}"
    said = " ".join(" ".join(lines).split())
    assert said.count("me/y") == 2 and why.strip() in said and "not ranked z: it failed" in said


def test_the_next_studies_have_folders_of_their_own_and_all_that_was_asked_for():
    keys = {"task": "qa", "train_file": "my data.json", "doc_stride": 0, "trust_remote_code": True, "device": "cpu"}
    first, second, compare = map(shlex.split, next_commands(["/a/x", "/b/x"], Study(**keys)))
    read = ["--task", "qa", "--train-file", "my data.json", "--doc-stride", "0", "--trust-remote-code", "--output-dir"]
    assert first == ["transfergain", "run", "--model", "/a/x", *read, "runs/my data-x-1"]
    assert second == ["transfergain", "run", "--model", "/b/x", *read, "runs/my data-x-2"]
    assert compare == ["transfergain", "compare", "runs/my data-x-1", "runs/my data-x-2"]
    ours, theirs = (shlex.split(line)[-1] for line in next_commands(["builtin:minilm", "me/small"], Study(**keys))[:2])
    assert (ours, theirs) == ("runs/my data-builtin-minilm", "runs/my data-small")
    assert len(next_commands(["me/small"], Study(**keys))) == 1


def translation(folder):
    (folder / "a.fr").write_text("un\n" * 30)
    (folder / "a.en").write_text("one\n" * 30)
    return ["--task", "translation", "--train-file", folder / "a.fr", "--source-lang", "fr", "--target-lang", "en"]


def one_class(folder):
    return ["--task", "sentiment", "--train-file", write_csv(folder / "one.csv", [(f"text {i}", "good") for i in range(30)])]


def many_classes(folder):
    pairs = [(f"a text of number {i} with {i % 19}", f"label{i % 19}") for i in range(400)]
    return ["--task", "classification", "--train-file", write_csv(folder / "many.csv", pairs), "--examples", "20"]


def no_data(folder):
    return ["--task", "sentiment"]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (translation, "--task translation: its answers are texts"),
        (one_class, "has one class only"),
        (many_classes, "--examples 20 are too few to rank checkpoints by with 19 classes; 38 or more are needed"),
        (no_data, "no data for --task sentiment"),
    ],
)
def test_bad_input_is_one_line(models, made, why, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "rank", *models, *map(str, made(tmp_path))) == 2
    said = capsys.readouterr().err.strip()
    assert why in said and len(said.splitlines()) == 1 and not re.search(r"Traceback|\.py", said)


def test_without_one_checkpoint_that_can_be_read_all_reasons_are_said(files, tmp_path, monkeypatch, capsys):
    (tmp_path / "x").mkdir()
    given = [tmp_path / "x", tmp_path / "y"]
    assert command(monkeypatch, "rank", *given, "--task", "sentiment", "--train-file", files["sentiment"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no checkpoint could be ranked: --model" in said and all(path.name in said for path in given)


def test_a_checkpoint_is_checked_as_a_study_checks_it(models, files, tmp_path, monkeypatch):
    """A tokenizer with more tokens than the model has embeddings, and a model that memory cannot hold."""
    model = transformers.AutoModel.from_pretrained(models[0])
    tokenizer = transformers.AutoTokenizer.from_pretrained(models[0])
    tokenizer.add_tokens([f"new{i}" for i in range(5)])
    model.save_pretrained(tmp_path / "short")
    tokenizer.save_pretrained(tmp_path / "short")
    keys = {"task": "sentiment", "train_file": files["sentiment"], "examples": 60, "max_length": 16, "quiet": True}
    found = tg.rank([models[0], tmp_path / "short"], **keys)
    assert "resize_token_embeddings" in found.rows[-1].problem
    monkeypatch.setattr(ranking.auto, "free_memory", lambda: 1000)
    with pytest.raises(tg.UserError, match="do not fit into"):
        tg.rank(models[:1], **keys)


def test_an_architecture_that_transformers_does_not_know_is_read_too(checkpoints):
    """Its own code made the model; nothing is to be made from its config by name."""

    class OwnConfig(transformers.BertConfig):
        model_type = "own-kind"

    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoints("bert"), num_labels=2)
    model.config = model.bert.config = OwnConfig(**{**model.config.to_dict(), "model_type": "own-kind"})
    probe = probe_model.on(model, "AutoModelForSequenceClassification")
    assert probe(input_ids=torch.tensor([[2, 5, 3]])).logits.shape == (1, 2)

"""Arms that are pretrained on unlabelled text: a study makes their checkpoints once, for all budgets and seeds."""

import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

import transfergain as tg
from support.texts import sentences
from support.tiny import KEYS, InProcess, command, files, findings, flags, outcomes
from transfergain.course import Course
from transfergain.data import unlabelled
from transfergain.executors import EXECUTORS
from transfergain.running import models, setup
from transfergain.running.setup import set_up
from transfergain.store import Store
from transfergain.study import load
from transfergain.tasks import find
from transfergain.types import Example, Phase, Status

ARMS = "scratch,scratch-long,full,self,adapted"


@pytest.fixture
def in_process(monkeypatch):
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    InProcess.ran.clear()


def study(folder, train, checkpoint, **more):
    keys = KEYS | {"arms": ARMS, "tune": 0, "max_length": 16, "train_file": train, "model": checkpoint} | more
    steps = {"pretrain_steps": 6} if "self" in keys["arms"] or "adapted" in keys["arms"] else {}
    return ["run", *flags(steps | keys | {"output_dir": folder})]


def test_a_study_pretrains_once_and_all_its_trials_start_from_there(tmp_path, checkpoints, in_process, monkeypatch, capsys):
    train, _ = files(tmp_path)
    arguments = study(tmp_path / "run", train, checkpoints("bert"))
    assert command(monkeypatch, *arguments) == 0
    out = capsys.readouterr()
    assert "unlabelled texts" in out.err and "left out as dev or test texts" in out.err
    with Store(tmp_path / "run") as store:
        rows = store.rows()
    made = {row.spec.arm: row for row in rows if row.spec.phase is Phase.PRETRAIN}
    assert sorted(made) == ["adapted", "self"] and all(row.outcome.status is Status.DONE for row in made.values())
    started = {arm: {r.spec.checkpoint_revision for r in rows if r.spec.arm == arm and r.spec.budget} for arm in made}
    assert started == {arm: {row.spec.id} for arm, row in made.items()}
    folders = {path.name for path in (tmp_path / "run" / models.PRETRAINED_FOLDER).iterdir()}
    assert folders == {row.spec.id for row in made.values()}
    counted = Counter((r.spec.arm, r.spec.budget) for r in rows if r.spec.phase is Phase.REPORT and r.spec.recipe)
    assert all(counted[arm, budget] == 2 for arm in ARMS.split(",") for budget in KEYS["budgets"])
    assert made["self"].outcome.curve[-1].loss > 0 and made["self"].outcome.details.flops > 0
    found = findings(tmp_path / "run")
    assert {row["arm"] for row in found["gains"]} == {"full", "self", "adapted"}
    assert any("pretrained once" in warning["text"] for warning in found["warnings"])

    before = outcomes(tmp_path / "run")
    ran = len(InProcess.ran)
    assert command(monkeypatch, *arguments) == 0
    assert len(InProcess.ran) == ran and outcomes(tmp_path / "run") == before


def test_scratch_long_gets_the_operations_of_self(tmp_path, checkpoints, in_process, monkeypatch):
    train, _ = files(tmp_path)
    keys = {"arms": "scratch,scratch-long,self", "budgets": "60", "seeds": 2, "pretrain_steps": 12}
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 0
    with Store(tmp_path / "run") as store:
        stored = store.rows()
    rows = {(r.spec.arm, r.spec.phase, r.spec.replicate): r.outcome.details for r in stored}
    (recipe,) = {r.spec.recipe for r in stored if r.spec.arm == "scratch-long"}
    assert recipe.max_steps(10**6) == rows["scratch-long", Phase.REPORT, 0].steps, "however many labels there are"
    late = [w["text"] for w in findings(tmp_path / "run")["warnings"] if "ended by themselves" in w["text"]]
    assert not any("scratch-long" in text for text in late), "its end was set"
    spent = rows["self", Phase.PRETRAIN, 0].flops
    for seed in (0, 1):
        long, short = rows["scratch-long", Phase.REPORT, seed], rows["scratch", Phase.REPORT, seed]
        assert long.steps == long.max_steps
        first = rows["scratch", Phase.REPORT, 0]
        assert long.flops == pytest.approx(first.flops + spent, rel=0.05) and long.steps > short.steps


def test_two_seeds_of_pretraining_are_shared_out(tmp_path, checkpoints, in_process, monkeypatch):
    train, _ = files(tmp_path)
    keys = {"arms": "scratch,self", "budgets": "60", "seeds": 3, "pretraining_seeds": 2}
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 0
    with Store(tmp_path / "run") as store:
        rows = store.rows()
    made = {r.spec.id: r.spec.replicate for r in rows if r.spec.phase is Phase.PRETRAIN}
    shared = {r.spec.replicate: made[r.spec.checkpoint_revision] for r in rows if r.spec.arm == "self" and r.spec.budget}
    assert shared == {0: 0, 1: 1, 2: 0}
    assert not any("pretrained once" in warning["text"] for warning in findings(tmp_path / "run")["warnings"])


def test_a_pretraining_that_fails_is_a_row_and_its_arm_is_skipped(tmp_path, checkpoints, in_process, monkeypatch, capsys):
    """The text is fewer than a batch: the arms that need it say so, the others have their answer."""
    train, _ = files(tmp_path)
    (tmp_path / "few.txt").write_text("a good film\n", "utf-8")
    keys = {"arms": "scratch,full,adapted", "budgets": "60", "unlabelled_file": tmp_path / "few.txt"}
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 1
    with Store(tmp_path / "run") as store:
        rows = {(r.spec.arm, r.spec.phase): r.outcome for r in store.rows()}
    assert rows["adapted", Phase.PRETRAIN].status is Status.FAILED
    assert rows["adapted", Phase.REPORT].status is Status.SKIPPED
    assert "fewer than a batch" in rows["adapted", Phase.REPORT].error
    assert rows["full", Phase.REPORT].status is Status.DONE


def test_a_study_names_the_arms_that_others_are_measured_against(tmp_path, checkpoints, in_process, monkeypatch, capsys):
    train, _ = files(tmp_path)
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), arms="scratch,scratch-long")) == 2
    assert "scratch-long is measured against self and scratch; name self, too" in capsys.readouterr().err


def test_text_that_no_arm_reads_is_refused(tmp_path, checkpoints, in_process, monkeypatch, capsys):
    train, _ = files(tmp_path)
    keys = {"arms": "scratch,full", "unlabelled_file": train}
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 2
    assert "--unlabelled-file: no arm of the study reads it; add self or adapted to --arms" in capsys.readouterr().err


def test_what_is_evaluated_on_is_never_pretrained_on():
    long = "one two three four five six seven eight nine ten eleven twelve thirteen"
    texts = unlabelled.collect(
        [["A  test text", "a dev text", f"before {long} after", "kept", ":)"], ["Don't buy lamb.", ":(", "kept too"]]
    )
    found = unlabelled.without(texts, ["A dev text"], ["a test text", f"{long} fourteen", "Do n't buy lamb .", ":("])
    assert found.texts.files == (("kept", ":)"), ("kept too",))
    assert (found.same, found.overlapping) == (4, 1) and "3 texts" not in found.note and "3 unlabelled texts" in found.note
    assert found.texts.fingerprint != texts.fingerprint


def test_a_table_without_labels_has_its_texts_in_the_column_of_the_labelled_one(
    tmp_path, checkpoints, in_process, monkeypatch, capsys
):
    train, _ = files(tmp_path)
    header, *rows = Path(train).read_text("utf-8").splitlines()
    Path(train).write_text("\n".join([header.replace("text", "review"), *rows]), "utf-8")
    more = [f"{i},more {row.rpartition(',')[0]}" for i, row in enumerate(rows)]
    (tmp_path / "more.csv").write_text("\n".join(["id,review", *more]), "utf-8")
    keys = {"arms": "scratch,self", "budgets": "60", "text_column": "review", "unlabelled_file": tmp_path / "more.csv"}
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 0
    assert f"{len(more)} unlabelled texts" in capsys.readouterr().err
    (tmp_path / "more.csv").write_text("\n".join(["id,comment", *more]), "utf-8")
    assert command(monkeypatch, *study(tmp_path / "b", train, checkpoints("bert"), **keys)) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert 'no column "review"' in said and "or give a file with that column alone" in said


def test_what_arms_are_pretrained_on_are_the_parts_of_examples():
    """A passage that ten questions are asked of is one text."""
    qa, ner = Example({"question": "who?", "context": "she"}, ()), Example({"tokens": ("Ada", ".")}, ())
    assert setup._parts(find("qa"), qa) == ["who?", "she"]
    assert setup._parts(find("ner"), ner) == ["Ada ."]


def test_several_lengths_and_corpora_are_compared(tmp_path, checkpoints, in_process, monkeypatch, capsys):
    """The arm is what the longest pretraining on the study's own text makes of it; the others are beside it."""
    train, _ = files(tmp_path)
    backwards = [
        " ".join(reversed(line.rpartition(",")[0].split())) for line in Path(train).read_text("utf-8").splitlines()[1:]
    ]
    (tmp_path / "sea.txt").write_text("\n".join(backwards), "utf-8")
    keys = {"arms": "scratch,self", "pretrain_steps": "3,6", "unlabelled": f"sea={tmp_path / 'sea.txt'}"}
    arguments = study(tmp_path / "run", train, checkpoints("bert"), **keys)
    assert command(monkeypatch, *arguments) == 0
    err = capsys.readouterr().err
    assert "sea: " in err and "pretraining · seed 0" in err and "predictions given" not in err
    assert "23 trials, 0 done already" in err
    with Store(tmp_path / "run") as store:
        rows = store.rows()
    made = {Course.of(row.spec.recipe): row for row in rows if row.spec.phase is Phase.PRETRAIN}
    assert set(made) == {Course(6), Course(3), Course(6, "sea")}
    assert made[Course(6)].spec.data_fingerprint != made[Course(6, "sea")].spec.data_fingerprint
    started = Counter((row.spec.checkpoint_revision, row.spec.budget) for row in rows if row.spec.arm == "self")
    for course, row in made.items():
        budgets = KEYS["budgets"] if course == Course(6) else [max(KEYS["budgets"])]
        assert {budget: started[row.spec.id, budget] for budget in budgets} == dict.fromkeys(budgets, 2)
        assert sum(count for (revision, _), count in started.items() if revision == row.spec.id) == 2 * len(budgets)
    found = findings(tmp_path / "run")
    assert [(row["steps"], row["corpus"], row["n_seeds"]) for row in found["courses"]] == [
        (6, "", 2), (3, "", 2), (6, "sea", 2)
    ]  # fmt: skip
    assert {row["n_seeds"] for row in found["gains"] if row["arm"] == "self"} == {2}
    kept = (tmp_path / "run" / "models" / "self" / models.TRIAL_ID_FILE).read_text("utf-8")
    assert {row.spec.id: row.spec.checkpoint_revision for row in rows}[kept] == made[Course(6)].spec.id

    before, ran = outcomes(tmp_path / "run"), len(InProcess.ran)
    assert command(monkeypatch, *arguments) == 0
    assert len(InProcess.ran) == ran and outcomes(tmp_path / "run") == before


def test_every_data_set_of_a_study_is_pretrained_on_its_own_texts(tmp_path, checkpoints):
    one, _ = files(tmp_path)
    more = Path(one).read_text("utf-8") + "".join(f"{text} again and again,positive\n" for text, _ in sentences(30))
    (tmp_path / "more.csv").write_text(more, "utf-8")
    keys = {"arms": ["scratch", "self"], "model": checkpoints("bert"), "unlabelled": {"first": [str(one)]}}
    keys["tasks"] = [{"train_file": str(one)}, {"train_file": str(tmp_path / "more.csv")}]
    found = set_up(load(keys), Console(quiet=True))
    with found.ahead:
        texts = {
            corpus: {text for own in cleaned.texts.files for text in own} for corpus, cleaned in found.unlabelled.items()
        }
    assert set(texts) == {(data, corpus) for data in found.datasets for corpus in ("", "first")}
    for data in found.datasets.values():
        assert texts[data.name, ""] == {example.inputs["text"] for example in data.train}


def test_a_course_that_fails_costs_the_other_ones_nothing(tmp_path, checkpoints, in_process, monkeypatch):
    train, _ = files(tmp_path)
    (tmp_path / "few.txt").write_text("a good film\n", "utf-8")
    keys = {"arms": "scratch,self", "budgets": "60", "unlabelled": f"few={tmp_path / 'few.txt'}"}
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 1
    with Store(tmp_path / "run") as store:
        rows = store.rows()
    (reason,) = {r.outcome.error for r in rows if r.outcome.status is Status.SKIPPED}
    assert "--unlabelled few: " in reason and "fewer than a batch" in reason
    status = Counter((r.spec.arm, r.spec.phase, r.outcome.status) for r in rows)
    assert status["self", Phase.PRETRAIN, Status.FAILED] == 1 and status["self", Phase.PRETRAIN, Status.DONE] == 1
    assert status["self", Phase.REPORT, Status.DONE] == 2 and status["self", Phase.REPORT, Status.SKIPPED] == 2


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"arms": "scratch,full", "unlabelled": "a=b.txt"},
            "--unlabelled: no arm of the study reads it; add self or adapted",
        ),
        ({"arms": "scratch,full", "pretrain_steps": "5,10"}, "--pretrain-steps: no arm of the study reads it; add self or"),
        ({"unlabelled": "b.txt"}, '--unlabelled: "b.txt" is not of the form name=FILE'),
        ({"unlabelled": "a=nowhere.txt"}, "nowhere.txt: no such file"),
        ({"pretrain_steps": "6,many"}, "--pretrain-steps: must be whole numbers such as 500,2000"),
        ({"pretrain_steps": "0"}, "--pretrain-steps: input should be greater than or equal to 1"),
    ],
)
def test_a_course_that_cannot_be_is_one_line(keys, said, tmp_path, checkpoints, in_process, monkeypatch, capsys):
    train, _ = files(tmp_path)
    assert command(monkeypatch, *study(tmp_path / "run", train, checkpoints("bert"), **keys)) == 2
    assert said in capsys.readouterr().err


def test_a_corpus_is_rid_of_the_references_that_a_translation_is_scored_by(tmp_path, checkpoints):
    """Both sides of parallel text are read, and the test set's must be none of it."""
    rows = [{"fr": text, "en": " ".join(reversed(text.split()))} for text, _ in sentences(300)]
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"translation": row}) for row in rows), "utf-8")
    (tmp_path / "both.txt").write_text("\n".join(text for row in rows for text in row.values()), "utf-8")
    keys = {"task": "translation", "train_file": str(tmp_path / "train.jsonl"), "source_lang": "fr", "target_lang": "en"}
    keys |= {"arms": ["scratch", "self"], "unlabelled_file": str(tmp_path / "both.txt"), "model": checkpoints("bart")}
    found = set_up(load(keys), Console(quiet=True))
    with found.ahead:
        (data,), (cleaned,) = found.datasets.values(), found.unlabelled.values()
    kept = {text for texts in cleaned.texts.files for text in texts}
    sealed = {str(text) for example in (*data.dev, *data.test) for text in (example.inputs["source"], example.target)}
    assert sealed and not sealed & kept and {example.target for example in data.train} <= kept


@pytest.mark.parametrize("kind", ["bart", "bert"])
def test_translation_starts_from_pretrained_encoders_and_encoder_decoders(kind, tmp_path, checkpoints, in_process):
    """`self` pretrains what the checkpoint is: an encoder-decoder whole, an encoder for the two sides it is made into."""
    rows = [{"translation": {"fr": text, "en": " ".join(reversed(text.split()))}} for text, _ in sentences(300)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = tg.run(
        model=checkpoints(kind), task="translation", train_file=tmp_path / "train.jsonl", source_lang="fr", target_lang="en",
        arms=["scratch", "self", "adapted"], budgets=[40], seeds=2, epochs=1, min_steps=4, pretrain_steps=4, max_length=16,
        max_target_length=16, output_dir=tmp_path / "run", quiet=True,
    )  # fmt: skip
    assert found.trials["failed"] == found.trials["skipped"] == found.trials["pending"] == 0
    objectives = {row.outcome.details.checks["objective"] for row in found.rows if row.spec.phase is Phase.PRETRAIN}
    assert objectives == {"infilling" if kind == "bart" else "masked"}
    assert {row.arm for row in found.gains} == {"self", "adapted"}

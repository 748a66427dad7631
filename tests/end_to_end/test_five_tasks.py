"""One study of words, answers and translations, through the command line, on a tiny encoder."""

import json

import pytest
from tiny import command

from conftest import articles, tagged, translations, write_conll, write_parallel, write_squad
from transfergain.analysis.findings import load
from transfergain.store import Store
from transfergain.tasks import TASKS

STUDY = """
model = "{model}"
seeds = 2
tune = 0
epochs = 1
min_steps = 6
workers = 1
device = "cpu"
precision = "fp32"
keep_models = "all"
output_dir = "{out}"

[[tasks]]
task = "ner"
train_file = "{folder}/words.conll"
budgets = [40]

[[tasks]]
task = "qa"
train_file = "{folder}/answers.json"
max_length = 48
doc_stride = 8
budgets = [40]

[[tasks]]
task = "translation"
train_file = "{folder}/pairs.fr"
source_lang = "fr"
target_lang = "en"
max_target_length = 12
budgets = [40]
"""
ARMS = ("scratch", "full", "probe", "lora")


@pytest.fixture(scope="module")
def studied(tmp_path_factory, checkpoints):
    """(study file, output folder) of a finished run."""
    folder = tmp_path_factory.mktemp("five")
    write_conll(folder / "words.conll", tagged(90))
    write_squad(folder / "answers.json", articles(30))
    write_parallel(folder / "pairs", translations(90))
    study = folder / "study.toml"
    study.write_text(STUDY.format(model=checkpoints("bert"), folder=folder, out=folder / "out"), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        assert command(patch, "run", study) == 0
    return study, folder / "out"


def test_every_task_has_its_scores_and_gains(studied):
    found = json.loads((studied[1] / "findings.json").read_text("utf-8"))
    assert found["trials"]["failed"] == found["trials"]["skipped"] == found["trials"]["pending"] == 0
    for entry in found["data"].values():
        task = TASKS[entry["task"]]
        rows = [r for r in found["scores"] if r["task"] == task.name and r["split"] == "test"]
        assert {r["metric"] for r in rows} == set(task.metrics)
        assert {r["arm"] for r in rows} >= set(ARMS)
        assert {r["arm"] for r in found["gains"] if r["task"] == task.name} == set(ARMS) - {"scratch"}
    assert (studied[1] / "report.html").stat().st_size > 10_000


def test_what_each_task_adds_to_the_findings(studied):
    found = json.loads((studied[1] / "findings.json").read_text("utf-8"))
    scores = {(r["task"], r["metric"], r["arm"]): r for r in found["scores"]}
    assert set(scores["ner", "entity_f1", "full"]["parts"]) == {"LOC", "PER"}
    assert scores["qa", "squad_f1", "full"]["n_clusters"] < scores["qa", "squad_f1", "full"]["n_test"]
    assert scores["ner", "entity_f1", "full"]["n_clusters"] == scores["ner", "entity_f1", "full"]["n_test"]
    assert set(found["data"]["pairs"]["signatures"]) == {"chrf", "bleu"}
    page = (studied[1] / "report.html").read_text("utf-8")
    assert "entity_f1 by type" in page and "chrf signature" in page


def test_the_same_command_runs_nothing_again(studied, monkeypatch):
    before = (studied[1] / "findings.json").read_bytes()
    with Store(studied[1]) as store:
        rows = len(store.rows())
    assert command(monkeypatch, "run", studied[0]) == 0
    with Store(studied[1]) as store:
        assert len(store.rows()) == rows
    assert (studied[1] / "findings.json").read_bytes() == before


def stored(folder, dataset, arm):
    """(predictions on test, folder of the saved model) of seed 0."""
    row = next(r for r in load(folder).rows if (r.spec.dataset, r.spec.arm, r.spec.replicate) == (dataset, arm, 0))
    return row.outcome.evaluated["test"].predictions, folder / "models" / f"{dataset}-{arm}-seed0"


def sealed(study, dataset):
    from transfergain.data.prepare import load as load_data
    from transfergain.study import load as load_study

    entry = next(e for e in load_study({}, str(study)).entries() if e.source().name() == dataset)
    return load_data(entry.source(), TASKS[entry.task])


@pytest.mark.parametrize("arm", ARMS)
def test_a_saved_tagger_answers_as_the_trial_did(studied, arm):
    from transformers import pipeline

    predictions, folder = stored(studied[1], "words", arm)
    data = sealed(studied[0], "words")
    tag = pipeline("token-classification", model=str(folder), device="cpu", ignore_labels=[])
    for example, predicted in zip(data.test, predictions, strict=True):
        words = example.inputs["tokens"]
        starts = [len(" ".join([*words[:i], ""])) for i in range(len(words))]
        at = {token["start"]: token["entity"] for token in tag(" ".join(words))}
        assert [data.labels.index(at[start]) for start in starts] == list(predicted)


@pytest.mark.parametrize("arm", ARMS)
def test_a_saved_translator_answers_as_the_trial_did(studied, arm):
    """`generate` without arguments, one sentence at a time."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    predictions, folder = stored(studied[1], "pairs", arm)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    task, rows = TASKS["translation"], sealed(studied[0], "pairs").test
    with torch.inference_mode():
        ids = [
            model.generate(**tokenizer(e.inputs["source"], return_tensors="pt", return_token_type_ids=False))[0].tolist()
            for e in rows
        ]
    assert task.decode(ids, None, rows, None, tokenizer) == list(predictions)


@pytest.mark.parametrize("arm", ARMS)
def test_a_saved_reader_answers_as_the_trial_did(studied, arm):
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    from transfergain.engine.predict import predict

    predictions, folder = stored(studied[1], "answers", arm)
    row = next(r for r in load(studied[1]).rows if (r.spec.dataset, r.spec.arm, r.spec.replicate) == ("answers", arm, 0))
    model, tokenizer = AutoModelForQuestionAnswering.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    task, rows = TASKS["qa"], sealed(studied[0], "answers").test
    encoded = task.encode(rows, tokenizer, {"max_length": 48, "doc_stride": 8})
    with torch.inference_mode():
        outputs = predict(model, encoded.features, tokenizer.pad_token_id, "fp32", task.outputs).outputs
    assert task.decode(outputs, encoded, rows, row.outcome.details["setting"], tokenizer) == list(predictions)

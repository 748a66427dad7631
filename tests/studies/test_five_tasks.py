"""One study of all five tasks from the command line, each from the kind of file that people have for it."""

import json
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard

from support.texts import articles, sentences, tagged, translations, write_conll, write_csv, write_parallel, write_squad
from support.tiny import InProcess, command, findings, outcomes
from transfergain.arms import ARMS, DEFAULT_ARMS
from transfergain.data import prepare
from transfergain.executors import EXECUTORS
from transfergain.metrics import METRICS
from transfergain.split import Split
from transfergain.store import Store
from transfergain.study import load
from transfergain.tasks import TASKS

DATASETS = {"reviews": "sentiment", "topics": "classification", "names": "ner", "places": "qa", "phrases": "translation"}
CLASSES = {
    "sentiment": "BertForSequenceClassification",
    "classification": "BertForSequenceClassification",
    "ner": "BertForTokenClassification",
    "qa": "BertForQuestionAnswering",
    "translation": "EncoderDecoderModel",
}
SPLITS = {"names": ("test", "shift:messages"), "phrases": ("test", "shift:notices")}
ONE = ("test",)
PROBES = {
    "sentiment": "ProbeForSequenceClassification",
    "classification": "ProbeForSequenceClassification",
    "ner": "ProbeForTokenClassification",
    "qa": "ProbeForQuestionAnswering",
}
"""The classes of kept models whose layer was solved; translation, whose answer is no choice, has none."""
BUDGET = 60


def study_file(folder, model):
    """The study's file, and its data beside it."""
    topics = [(f"{text} {i}", ("praise", "blame", "both")[i % 3]) for i, (text, _) in enumerate(sentences(120))]
    places = {"task": "qa", "train_file": write_squad(folder / "places.json", articles(30)), "max_length": 24}
    places |= {"doc_stride": 6}
    tables = [
        {"task": "sentiment", "train_file": write_csv(folder / "reviews.csv", sentences(120))},
        {"task": "classification", "train_file": write_csv(folder / "topics.csv", topics)},
        {"task": "ner", "train_file": write_conll(folder / "names.conll", tagged(120)),
         "shift": {"messages": write_conll(folder / "messages.bio", tagged(20, seed=1))}},
        places,
        {"task": "translation", "train_file": write_parallel(folder / "phrases", translations(120)), "source_lang": "fr",
         "target_lang": "en", "max_target_length": 8, "num_beams": 2,
         "shift": {"notices": write_parallel(folder / "notices", translations(20, seed=1))}},
    ]  # fmt: skip
    keys = {"model": model, "budgets": [BUDGET], "seeds": 2, "tune": 0, "epochs": 1, "min_steps": 12, "max_length": 64}
    keys |= {"precision": "fp32", "device": "cpu", "workers": 1, "output_dir": str(folder / "out")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    for table in tables:
        shift = ", ".join(f"{name} = {json.dumps(path)}" for name, path in table.pop("shift", {}).items())
        lines += ["", "[[tasks]]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        lines += [f"shift = {{ {shift} }}"] if shift else []
    (folder / "study.toml").write_text("\n".join(lines))
    return folder / "study.toml"


@pytest.fixture(scope="module")
def first(tmp_path_factory, checkpoints):
    """(study file, output folder) of a study that has run."""
    folder = tmp_path_factory.mktemp("five")
    file = study_file(folder, checkpoints())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, "local", InProcess)
        assert command(patch, "run", file) == 0
    return file, folder / "out"


@pytest.fixture(scope="module")
def datasets(first):
    """Name -> the data as the study read it."""
    return {entry.source().name(): prepare.load(entry.source(), TASKS[entry.task]) for entry in load({}, first[0]).entries()}


@pytest.fixture(scope="module")
def rows(first):
    """The stored trials of arms and floors."""
    with Store(first[1]) as store:
        return list(store.rows())


def arms_of(task):
    """The arms that apply."""
    return [arm for arm in DEFAULT_ARMS if task in PROBES or ARMS[arm].takes_steps]


def floors_of(task):
    return [floor.name for floor in TASKS[task].floors]


def test_every_trial_is_done(first):
    floors = sum(len(floors_of(task)) for task in DATASETS.values())
    done = 2 * (sum(len(arms_of(task)) for task in DATASETS.values()) + floors)
    skipped = 2 * len(DEFAULT_ARMS) * len(DATASETS) + 2 * floors - done
    assert skipped == 4, "two probes of two seeds"
    assert findings(first[1])["trials"] == {"done": done, "failed": 0, "skipped": skipped, "pending": 0}


def test_every_data_set_is_scored_by_its_own_metrics(first):
    found = findings(first[1])
    assert {name: entry["task"] for name, entry in found["data"].items()} == DATASETS
    cells = [
        (name, arm, split, metric)
        for name, task in DATASETS.items()
        for arm in [*arms_of(task), *floors_of(task)]
        for split in SPLITS.get(name, ONE)
        for metric in TASKS[task].metrics
    ]
    scored = Counter((s["dataset"], s["arm"], s["split"], s["metric"]) for s in found["scores"])
    assert scored == Counter(cells)
    gained = Counter((g["dataset"], g["arm"], g["split"], g["metric"]) for g in found["gains"])
    assert gained == Counter(cell for cell in cells if cell[1] in ARMS and ARMS[cell[1]].pretrained)
    assert all(0 <= s["mean"] <= 1 and len(s["per_seed"]) == 2 for s in found["scores"])
    assert all(g["verdict"] and g["low"] <= g["estimate"] <= g["high"] for g in found["gains"])


def test_articles_are_the_clusters_of_questions(first, datasets):
    test = datasets["places"].test
    titles = {e.inputs["title"] for e in test}
    others = {e.inputs["title"] for e in (*datasets["places"].train, *datasets["places"].dev)}
    assert not titles & others and 2 <= len(titles) < len(test)
    for row in (*findings(first[1])["scores"], *findings(first[1])["gains"]):
        assert row["n_clusters"] == (len(titles) if row["dataset"] == "places" else row["n_test"])
        assert row["n_test"] == len(datasets[row["dataset"]].splits()[Split.parse(row["split"])])


def test_entities_are_also_scored_by_type(first, datasets):
    for row in findings(first[1])["scores"]:
        assert (row["parts"] is not None) == (row["metric"] == "entity_f1")
        if row["parts"]:
            names = datasets["names"]
            tags = Counter(names.labels[tag] for e in names.splits()[Split.parse(row["split"])] for tag in e.target)
            assert list(row["parts"]) == ["LOC", "PER"]
            for kind, part in row["parts"].items():
                assert part.keys() == {"precision", "recall", "f1", "support"}
                assert part["support"] == tags[f"B-{kind}"] and all(0 <= part[k] <= 1 for k in ("precision", "recall", "f1"))


def test_translations_are_scored_under_sacrebleus_signatures(first):
    for entry in findings(first[1])["data"].values():
        wanted = {"chrf", "bleu"} if entry["task"] == "translation" else set()
        assert entry["signatures"].keys() == wanted
        assert all(signature.startswith("nrefs:1|") for signature in entry["signatures"].values())


IS_A_PREDICTION = {
    "sentiment": lambda said, example, labels: type(said) is int and 0 <= said < len(labels),
    "ner": lambda said, example, labels: (
        len(said) == len(example.inputs["tokens"]) and all(type(tag) is int and 0 <= tag < len(labels) for tag in said)
    ),
    "qa": lambda said, example, labels: type(said) is str and said in example.inputs["context"],
    "translation": lambda said, example, labels: type(said) is str and len(said.split()) <= 8 and "[" not in said,
}
IS_A_PREDICTION["classification"] = IS_A_PREDICTION["sentiment"]


def test_stored_predictions_are_the_tasks_and_give_the_stored_counts(rows, datasets):
    assert rows
    for row in rows:
        data, task = datasets[row.spec.dataset], TASKS[row.spec.task]
        if row.outcome.status == "skipped":
            continue
        assert list(map(str, row.outcome.evaluated)) == list(SPLITS.get(data.name, ONE))
        for split, evaluated in row.outcome.evaluated.items():
            truth = data.splits()[split]
            for said, example in zip(evaluated.predictions, truth, strict=True):
                if row.spec.recipe or task.name != "translation":  # a source that is copied may have any length
                    assert IS_A_PREDICTION[task.name](said, example, data.labels), (row.spec.describe(), said)
            assert list(evaluated.counts) == list(task.metrics)
            for metric, counts in evaluated.counts.items():
                again = METRICS[metric].counts(evaluated.predictions, [e.target for e in truth], data.labels)
                assert np.array_equal(counts, again)
            if task.cluster is None:
                assert evaluated.clusters is None
            else:
                pairs = set(zip(evaluated.clusters.tolist(), map(task.cluster, truth), strict=True))
                assert len(pairs) == len({n for n, _ in pairs}) == len({key for _, key in pairs}), "one number an article"


@pytest.mark.parametrize("name", DATASETS)
def test_kept_models_are_of_their_tasks_class_and_have_cards(first, name):
    task, folder = TASKS[DATASETS[name]], first[1] / "models"
    scores = {
        (s["arm"], s["split"], s["metric"]): s["per_seed"] for s in findings(first[1])["scores"] if s["dataset"] == name
    }
    for arm in arms_of(task.name):
        kept = folder / f"{name}-{arm}"
        assert json.loads((kept / "config.json").read_text())["architectures"] == [
            (CLASSES if ARMS[arm].takes_steps else PROBES)[task.name]
        ]
        assert (kept / "tokenizer.json").exists() and (kept / "model.safetensors").exists()
        with Store(first[1]) as store:
            seed = store.get((kept / "trial").read_text()).spec.replicate
        card = ModelCard.load(kept / "README.md").data
        assert (card.pipeline_tag, card.library_name) == (task.pipeline, "transformers")
        assert {r.task_type for r in card.eval_results} == {task.pipeline}
        measured = {(arm, r.dataset_split, r.metric_type): r.metric_value for r in card.eval_results}
        assert measured == {key: values[seed] for key, values in scores.items() if key[0] == arm}


def test_the_page_shows_all_five(first):
    page = (first[1] / "report.html").read_text("utf-8")
    for name, task in DATASETS.items():
        assert name in page and TASKS[task].title in page
    for signature in findings(first[1])["data"]["phrases"]["signatures"].values():
        assert signature in page
    assert "entity F1 by type" in page


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
@pytest.mark.parametrize("table", ["gains", "scores", "trials"])
def test_every_table_is_exported(first, monkeypatch, tmp_path, table, format):
    path = tmp_path / f"table.{format}"
    assert command(monkeypatch, "export", first[1], "--table", table, "--format", format, "--output", path) == 0
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": lambda p: pd.DataFrame(json.loads(p.read_text()))}
    frame = read[format](path)
    assert set(frame["dataset"]) == set(DATASETS)
    assert len(frame) == (len(outcomes(first[1])) if table == "trials" else len(findings(first[1])[table]))


def natural(task, example, labels):
    """The right answer to an example, as people write it in a file of predictions."""
    forms = {
        "ner": lambda target: " ".join(labels[tag] for tag in target),
        "qa": lambda target: next(iter(target["text"]), ""),
        "translation": str,
    }
    return forms.get(task, lambda target: labels[target])(example.target)


def test_predictions_of_all_five_come_back_and_are_compared(first, datasets, monkeypatch, tmp_path):
    """The texts are exported, predicted rightly and given to the same study: nothing is trained again."""
    file, folder = tmp_path / "study.toml", tmp_path / "out"
    shutil.copytree(first[1], folder)
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    assert command(monkeypatch, "export", folder, "--table", "test-texts") == 0
    text = first[0].read_text().replace(json.dumps(str(first[1])), json.dumps(str(folder)))
    head, *tables = text.split("[[tasks]]")
    given = []
    for name, table in zip(DATASETS, tables, strict=True):
        frame = pd.read_csv(folder / f"test-texts-{name}.csv", dtype=str, keep_default_na=False)
        truth = [(str(split), e) for split, rows in datasets[name].splits().items() for e in rows]
        assert list(frame["split"]) == [split for split, _ in truth]
        frame["prediction"] = [natural(DATASETS[name], e, datasets[name].labels) for _, e in truth]
        path = tmp_path / f"{name}.csv"
        frame.sample(frac=1, random_state=0).to_csv(path, index=False)
        given.append(f"{table.rstrip()}\npredictions = {{ oracle = {json.dumps(str(path))} }}\n")
    file.write_text("[[tasks]]".join([head, *given]))
    assert command(monkeypatch, "run", file) == 0
    trained = {(spec.dataset, spec.arm) for spec in InProcess.ran if spec.recipe}
    assert trained == {("phrases", "probe"), ("phrases", "probe-random")}, "what was skipped is asked again"
    found = findings(folder)
    scores = {(s["dataset"], s["split"], s["metric"]): s["mean"] for s in found["scores"] if s["arm"] == "oracle"}
    for name, task in DATASETS.items():
        for split in SPLITS.get(name, ONE):
            assert [scores[name, split, metric] for metric in TASKS[task].metrics] == pytest.approx(
                [1.0] * len(TASKS[task].metrics)
            )
    rows = [row for row in found["predictions"] if row["reference"] == "oracle"]
    assert {row["dataset"] for row in rows} == set(DATASETS) and all(row["estimate"] <= 0 for row in rows)
    even = {(row["dataset"], row["arm"]) for row in found["break_even"] if row["reference"] == "oracle"}
    assert even == {(name, arm) for name, task in DATASETS.items() for arm in arms_of(task)}
    (folder / "report.html").unlink()
    for name in DATASETS:
        (tmp_path / f"{name}.csv").unlink()
    assert command(monkeypatch, "report", folder) == 0, "the files are needed no longer"
    assert findings(folder) == found and "oracle (given)" in (folder / "report.html").read_text()


def test_the_same_command_again_runs_nothing(first, monkeypatch):
    file, folder = first
    before = (folder / "findings.json").read_bytes()
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    assert command(monkeypatch, "run", file) == 0
    again = {(spec.dataset, spec.arm) for spec in InProcess.ran}
    assert again == {("phrases", "probe"), ("phrases", "probe-random")}, "what was skipped is asked again, and costs nothing"
    assert (folder / "findings.json").read_bytes() == before

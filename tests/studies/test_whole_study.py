"""Whole studies on a tiny checkpoint, as a user runs them."""

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from huggingface_hub import ModelCard

import transfergain as tg
from support.tiny import KEYS, command, files, findings, flags, models, outcomes, ran
from transfergain.analysis.rows import Measure
from transfergain.analysis.schema import schema
from transfergain.arms import ARMS, DEFAULT_ARMS
from transfergain.data import prepare
from transfergain.running.description import TASTE
from transfergain.store import Store
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.types import WarningKind

assert ran  # a fixture

SCORE_KEYS = {"task", "dataset", "arm", "budget", "split", "metric", "mean", "low", "high", "per_seed", "n_seeds", "n_test"}
GAIN_KEYS = {
    "task", "dataset", "arm", "reference", "budget", "split", "metric", "estimate", "low", "high",
    "relative_error_reduction", "p_value", "p_holm", "p_sign_flip", "prob_better", "n_seeds", "n_test", "mde", "verdict",
    "sentence", "error", "reference_error", "below_floor", "why", "seeds_needed", "endless", "reference_at_chance", "level",
}  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory, checkpoints):
    """(keys, output folder, findings) of a study with all arms, two budgets and a shift, run by `transfergain.run`."""
    folder = tmp_path_factory.mktemp("study")
    train, tweets = files(folder)
    keys = KEYS | {"model": checkpoints(), "train_file": train, "shift": {"tweets": tweets}}
    return keys, folder / "out", tg.run(**keys, output_dir=folder / "out", quiet=True)


def test_findings_json_has_the_promised_shape(first):
    _, folder, returned = first
    found = findings(folder)
    assert found["schema_version"] == 4
    assert {"schema_version", "study", "environment", "warnings", "trials", "scores", "gains"} <= set(found)
    assert found["trials"] == {"done": 3 + 20 + 8, "failed": 0, "skipped": 0, "pending": 0}
    assert found["study"]["seeds"] == 2
    assert {"torch", "transformers", "python", "transfergain", "device"} <= set(found["environment"])
    assert all(set(warning) == {"kind", "text"} for warning in found["warnings"])
    jsonschema.validate(found, schema())
    assert all(set(row) >= SCORE_KEYS for row in found["scores"])
    assert all(set(row) >= GAIN_KEYS for row in found["gains"])
    assert found["gains"] == returned.table("gains")
    assert found["scores"] == returned.table("scores")


def test_every_arm_budget_split_and_metric_has_its_score_and_gain(first):
    _, folder, _ = first
    found = findings(folder)
    arms = tuple(DEFAULT_ARMS)
    cells = {
        (arm, budget, split, metric)
        for arm in arms
        for budget in (40, 120)
        for split in ("test", "shift:tweets")
        for metric in ("accuracy", "macro_f1")
    }
    scored = Counter((s["arm"], s["budget"], s["split"], s["metric"]) for s in found["scores"])
    assert set(scored.values()) == {1}
    assert set(scored) == cells | {(floor, *cell[1:]) for cell in cells for floor in ("majority", "tfidf")}
    gained = Counter((g["arm"], g["budget"], g["split"], g["metric"]) for g in found["gains"])
    assert gained == Counter(cell for cell in cells if ARMS[cell[0]].pretrained)
    sizes = {"test": 60, "shift:tweets": 40}
    assert all(row["n_test"] == sizes[row["split"]] and row["n_seeds"] == 2 for row in found["scores"] + found["gains"])


def test_scores_and_gains_follow_from_the_stored_predictions(first):
    keys, folder, _ = first
    data = prepare.load(Study(**keys).source(), TASKS["sentiment"])
    truth = {split: [e.target for e in rows] for split, rows in data.splits().items()}
    hits = {}
    with Store(folder) as store:
        for row in store.rows():
            for split, e in row.outcome.evaluated.items():
                share = sum(p == t for p, t in zip(e.predictions, truth[split], strict=True)) / len(truth[split])
                hits.setdefault((row.spec.arm, row.spec.budget, str(split)), []).append(share)
    found = findings(folder)
    for s in found["scores"]:
        if s["metric"] == "accuracy":
            assert s["per_seed"] == pytest.approx(hits[s["arm"], s["budget"], s["split"]], abs=1e-12)
    for g in found["gains"]:
        if g["metric"] == "accuracy":
            means = {arm: sum(v) / len(v) for arm in (g["arm"], "scratch") for v in [hits[arm, g["budget"], g["split"]]]}
            assert g["estimate"] == pytest.approx(means[g["arm"]] - means["scratch"], abs=1e-12)
            assert g["error"] == pytest.approx(1 - means[g["arm"]], abs=1e-12)
            assert g["low"] <= g["estimate"] <= g["high"]


def test_report_is_written_beside_the_findings(first):
    _, folder, returned = first
    page = (folder / "report.html").read_text("utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    for arm in DEFAULT_ARMS:
        assert arm in page
    assert returned.headline()
    assert sorted(f.name for f in folder.iterdir() if f.name != ".lock") == [
        "findings.json", "models", "report.html", "report.md", "study.sqlite", "timings.json",
    ]  # fmt: skip


@pytest.mark.parametrize("arm", DEFAULT_ARMS)
def test_models_load_in_a_pipeline_and_predict_what_was_measured(first, arm):
    from transformers import pipeline

    keys, folder, _ = first
    data = prepare.load(Study(**keys).source(), TASKS["sentiment"])
    model = folder / "models" / arm
    with Store(folder) as store:
        kept = store.get((model / "trial").read_text())
    assert (kept.spec.arm, kept.spec.budget) == (arm, 120)
    classify = pipeline("text-classification", model=str(model), device="cpu", trust_remote_code=arm.startswith("probe"))
    for split, rows in data.splits().items():
        said = classify([e.inputs["text"] for e in rows], batch_size=32)
        assert [answer["label"] for answer in said] == [data.labels[p] for p in kept.outcome.evaluated[split].predictions]
    results = ModelCard.load(model / "README.md").data.eval_results
    measured = {(r.dataset_split, r.metric_type): r.metric_value for r in results}
    scores = {
        (s["split"], s["metric"]): s["per_seed"][kept.spec.replicate]
        for s in findings(folder)["scores"]
        if s["arm"] == arm and s["budget"] == 120
    }
    assert measured == scores


def test_the_kept_model_is_that_of_the_best_dev_score(first):
    _, folder, returned = first
    for arm in DEFAULT_ARMS:
        trials = [r for r in returned.rows if (r.spec.arm, r.spec.budget, r.spec.phase) == (arm, 120, "report")]
        best = max(trials, key=lambda r: (r.outcome.dev_score, -r.spec.replicate))
        assert (folder / "models" / arm / "trial").read_text() == best.spec.id


def test_the_same_command_again_runs_nothing_and_writes_the_same_bytes(first, ran, monkeypatch, capsys):
    keys, folder, _ = first
    before, kept = (folder / "findings.json").read_bytes(), models(folder)
    (folder / "findings.json").unlink()
    shift = {"shift": f"tweets={keys['shift']['tweets']}"}
    assert command(monkeypatch, "run", *flags(keys | shift | {"output_dir": folder})) == 0
    assert ran == []
    assert (folder / "findings.json").read_bytes() == before
    assert models(folder) == kept
    answer, under_way = capsys.readouterr()
    assert "31 trials, 31 done already" in under_way and "done already" not in answer
    assert "Report" in answer and "Report" not in under_way


def test_more_seeds_run_only_the_new_ones(first, ran, tmp_path):
    keys, folder, returned = first
    shutil.copytree(folder, tmp_path / "more")
    old = {row.spec.id for row in returned.rows}
    more = tg.run(**keys | {"seeds": 3}, output_dir=tmp_path / "more", quiet=True)
    assert {(s.phase, s.replicate) for s in ran} == {("report", 2)}
    assert len(ran) == 2 * (5 + 2)
    assert old < {row.spec.id for row in more.rows}
    assert {row.n_seeds for row in more.gains} == {3}
    stored = outcomes(folder)
    assert {i: o for i, o in outcomes(tmp_path / "more").items() if i in stored} == stored


def test_a_trial_has_the_same_numbers_in_every_process(first, ran, tmp_path):
    keys, folder, _ = first
    tg.run(**keys | {"budgets": [120], "seeds": 1}, output_dir=tmp_path, quiet=True)
    here, in_workers = outcomes(tmp_path), outcomes(folder)
    assert len(here) == 3 + 5 + 2
    assert here == {i: in_workers[i] for i in here}


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
def test_export_writes_the_gains(first, monkeypatch, tmp_path, format, capsys):
    _, folder, returned = first
    path = tmp_path / f"gains.{format}"
    assert command(monkeypatch, "export", folder, "--format", format, "--output", path) == 0
    assert capsys.readouterr().out.strip() == str(path)
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": lambda p: pd.DataFrame(json.loads(p.read_text()))}
    frame = read[format](path)
    assert frame["estimate"].tolist() == [g.estimate for g in returned.gains]
    assert frame["sentence"].tolist() == [g.sentence for g in returned.gains]


def test_report_analyses_the_store_again(first, monkeypatch, tmp_path, capsys):
    _, folder, returned = first
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("findings.json", "report.html"))
    assert command(monkeypatch, "report", tmp_path / "copy") == 0
    assert (tmp_path / "copy" / "findings.json").read_bytes() == (folder / "findings.json").read_bytes()
    assert (tmp_path / "copy" / "report.html").exists()
    assert returned.summary.answer in " ".join(capsys.readouterr().out.split())


def test_a_plan_measures_every_arm_and_writes_nothing(first, monkeypatch, tmp_path, capsys):
    planned = {k: v for k, v in first[0].items() if k != "shift"} | {"arms": "scratch,probe", "output_dir": tmp_path / "out"}
    assert command(monkeypatch, "plan", *flags(planned), "--json") == 0
    said, told = capsys.readouterr()
    cells = json.loads(said)["cells"]
    assert [(c["arm"], c["budget"]) for c in cells] == [("scratch", 40), ("probe", 40), ("scratch", 120), ("probe", 120)]
    assert all((c["reports"], c["more"], c["done"], c["source"]) == (2, 0, 0, "measured") for c in cells)
    assert [c["tuning"] for c in cells] == [0, 0, 1, 0], "at the largest budget alone, and a probe nowhere"
    assert all(0 < c["seconds_report"] <= c["seconds_most"] for c in cells)
    measured = [line.split(" · ")[1] for line in told.splitlines() if line.startswith("measured")]
    assert measured == ["scratch", "probe"]
    assert not (tmp_path / "out").exists()


def test_a_plan_takes_from_the_store_what_has_run(first, monkeypatch, capsys):
    keys, folder, _ = first
    same = flags({k: v for k, v in keys.items() if k != "shift"} | {"seeds": 3, "output_dir": folder})
    before = outcomes(folder)
    assert command(monkeypatch, "plan", *same, "--shift", f"tweets={keys['shift']['tweets']}", "--json") == 0
    said, told = capsys.readouterr()
    cells = json.loads(said)["cells"]
    assert len(cells) == 2 * len(DEFAULT_ARMS)
    assert all((c["done"], c["source"]) == (2 + c["tuning"], "store") for c in cells)
    assert {c["arm"] for c in cells if c["tuning"]} == {"scratch", "full", "lora"}
    assert "measured" not in told
    assert outcomes(folder) == before


def test_load_gives_the_findings_of_a_folder(first):
    _, folder, returned = first
    loaded = tg.load(folder)
    assert loaded.to_json() == returned.to_json()
    frame = loaded.to_frame("scores")
    assert len(frame) == len(returned.scores)


def test_another_study_may_not_use_the_folder(first, monkeypatch, tmp_path, capsys):
    keys, folder, _ = first
    (tmp_path / "reviews.csv").write_text(Path(keys["train_file"]).read_text().replace(" film ", " movie "))
    before = outcomes(folder)
    changed = {k: v for k, v in keys.items() if k != "shift"} | {"train_file": tmp_path / "reviews.csv"}
    assert command(monkeypatch, "run", *flags(changed | {"output_dir": folder})) == 2
    assert "holds a study of other data" in capsys.readouterr().err
    assert outcomes(folder) == before


def test_two_tasks_in_one_study_file(checkpoints, tmp_path, ran, monkeypatch, capsys):
    train, tweets = files(tmp_path)
    (tmp_path / "study.toml").write_text(f"""
model = {json.dumps(checkpoints())}
arms = "scratch,full"
budgets = [40]
seeds = 2
tune = 0
epochs = 1
min_steps = 20
device = "cpu"
workers = 1
keep_models = "all"
output_dir = {json.dumps(str(tmp_path / "out"))}

[[tasks]]
task = "sentiment"
train_file = {json.dumps(train)}
shift = {{ tweets = {json.dumps(tweets)} }}

[[tasks]]
task = "classification"
train_file = {json.dumps(str(tmp_path / "topics.csv"))}
text_column = "sentence"
label_column = "topic"
budgets = [30]
""")
    lines = [line.rsplit(",", 1) for line in Path(train).read_text().splitlines()[1:]]
    topics = [f"{text},{'praise' if label == 'positive' else 'blame'}" for text, label in lines]
    (tmp_path / "topics.csv").write_text("\n".join(["sentence,topic", *topics]))
    assert command(monkeypatch, "run", tmp_path / "study.toml") == 0
    found = findings(tmp_path / "out")
    assert found["trials"] == {"done": 2 * (2 + 2) * 2, "failed": 0, "skipped": 0, "pending": 0}
    gains = [g for g in found["gains"] if g["metric"] == "accuracy"]
    assert [(g["task"], g["dataset"], g["budget"], g["split"]) for g in gains] == [
        ("sentiment", "reviews", 40, "test"),
        ("sentiment", "reviews", 40, "shift:tweets"),
        ("classification", "topics", 30, "test"),
    ]
    on_test = [g for g in gains if g["split"] == "test"]  # a family of two for Holm
    assert min(g["p_holm"] for g in on_test) == min(1.0, 2 * min(g["p_value"] for g in on_test))
    assert {f.name for f in (tmp_path / "out" / "models").iterdir()} == {
        f"{name}-{arm}-seed{r}" for name in ("reviews", "topics") for arm in ("scratch", "full") for r in (0, 1)
    }
    output = capsys.readouterr().out
    assert "reviews" in output and "topics" in output and " 2 data " in " ".join(output.split())
    few = [w["text"] for w in found["warnings"] if "too few to tell" in w["text"]]
    assert few == ["reviews, topics: 2 seeds: too few to tell luck from gain; use 5 or more"]


def test_a_quick_study_says_first_that_it_is_a_taste_and_the_whole_one_keeps_its_trials(
    checkpoints, tmp_path, ran, monkeypatch, capsys
):
    train, _ = files(tmp_path)
    given = {key: value for key, value in KEYS.items() if key not in ("seeds", "tune")}
    keys = given | {"budgets": [40], "model": checkpoints(), "train_file": train, "output_dir": tmp_path / "out"}
    capsys.readouterr()  # what making the checkpoint printed
    assert command(monkeypatch, "run", "--quick", *flags(keys)) == 0
    assert capsys.readouterr().err.startswith("quick           a taste (--quick): scratch and full alone")
    assert findings(tmp_path / "out")["warnings"][0] == {"kind": "design", "text": TASTE}
    assert {(s.arm, s.replicate) for s in ran if s.recipe} == {(arm, i) for arm in ("scratch", "full") for i in range(3)}
    before = len(ran)
    assert command(monkeypatch, "run", *flags(keys | {"arms": "scratch,full,probe", "seeds": 3})) == 0
    assert {s.arm for s in ran[before:]} == {"probe"}


def test_a_failing_trial_gives_exit_code_1_and_findings_of_the_rest(checkpoints, tmp_path, ran, monkeypatch, capsys):
    def prepare(blueprint, kept=ARMS["full"].prepare):
        if blueprint.replicate == 0:
            raise RuntimeError("no luck")
        return kept(blueprint)

    train, _ = files(tmp_path)
    changed = {"arms": "scratch,full", "budgets": [40], "tune": 0, "model": checkpoints(), "train_file": train}
    keys = KEYS | changed | {"output_dir": tmp_path / "out"}
    with monkeypatch.context() as patch:
        patch.setitem(ARMS, "full", dataclasses.replace(ARMS["full"], prepare=prepare))
        assert command(patch, "run", *flags(keys)) == 1
    found = findings(tmp_path / "out")
    assert found["trials"] == {"done": 3 + 4, "failed": 1, "skipped": 0, "pending": 0}
    assert [g["n_seeds"] for g in found["gains"]] == [1, 1]
    assert all(g["low"] is None and g["verdict"] == "inconclusive" for g in found["gains"])
    failed = [o for o in outcomes(tmp_path / "out").values() if o["status"] == "failed"]
    assert [o["error"] for o in failed] == ["RuntimeError: no luck"]
    assert "seed 0 · failed: RuntimeError: no luck" in capsys.readouterr().err
    assert any("failed: RuntimeError: no luck" in warning["text"] for warning in found["warnings"])
    assert (tmp_path / "out" / "report.html").exists()
    ran.clear()  # mended, the same command runs the failed trial alone
    assert command(monkeypatch, "run", *flags(keys)) == 0
    assert [(s.arm, s.replicate) for s in ran] == [("full", 0)]


def test_noise_is_measured_and_noise_that_the_tokenizer_undoes_is_said_to_be_none(checkpoints, tmp_path, ran):
    train, _ = files(tmp_path)
    noise = ["lowercase@1", "lowercase@5", "drop@5"]
    keys = {"arms": ["scratch", "full"], "budgets": [40], "seeds": 1, "tune": 0, "perturbations": noise}
    found = tg.run(**KEYS | keys, model=checkpoints(), train_file=train, output_dir=tmp_path / "out", quiet=True)
    says = "reviews: nothing that the model reads is changed by lowercase: scores repeat the test set's"
    assert [w.text for w in found.warnings if w.kind is WarningKind.UNSEEN_PERTURBATION] == [says]
    drops = {str(r.split): r for r in found.robustness if r.measure is Measure.PERTURBATION_DROP and r.arm == "full"}
    assert set(drops) == {f"perturbed:{name}" for name in noise}
    assert drops["perturbed:lowercase@5"].estimate == 0
    assert "its tokenizer undoes it" in drops["perturbed:lowercase@5"].sentence
    assert "on drop at severity 5 than on the test set as it is" in drops["perturbed:drop@5"].sentence

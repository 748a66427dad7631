from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load

from support.fakes import FakeExecutor, dataset, outcome_of, run
from transfergain.analysis.findings import load
from transfergain.outcome import Choice, Details, Outcome
from transfergain.report.files import write_files
from transfergain.report.model_card import cards
from transfergain.split import TEST
from transfergain.store import Store


def written(folder):
    """(findings, model folder name -> README.md) after a run of fakes."""
    findings = load(folder)
    write_files(findings)
    return findings, {f.parent.name: f for f in sorted(folder.glob("models/*/README.md"))}


def test_front_matter_holds_the_measured_scores(tmp_path):
    run(tmp_path, {"reviews": dataset(shift=True)}, seeds=3)
    findings, readme = written(tmp_path)
    assert set(readme) == {"scratch", "full"}
    front = metadata_load(readme["full"])
    assert front["library_name"] == "transformers"
    assert front["pipeline_tag"] == "text-classification"
    with Store(tmp_path) as store:
        kept = store.get((tmp_path / "models" / "full" / "trial").read_text())
    results = ModelCard.load(readme["full"]).data.eval_results
    measured = {(r.dataset_split, r.metric_type): r.metric_value for r in results}
    assert set(measured) == {(s, m) for s in ("test", "shift:tweets") for m in ("accuracy", "macro_f1")}
    scores = {(str(s.split), s.metric): s.per_seed for s in findings.scores if s.arm == "full"}
    for key, value in measured.items():
        assert value == scores[key][kept.spec.replicate]
    hits = sum(int(p == e.target) for p, e in zip(kept.outcome.evaluated[TEST].predictions, dataset().test, strict=True))
    assert measured["test", "accuracy"] == hits / 10


def test_the_page_names_budget_seed_labels_recipe_and_gain(tmp_path):
    run(tmp_path, seeds=3, budgets=[20, 30])
    findings, readme = written(tmp_path)
    text = readme["full"].read_text("utf-8")
    assert "Trained on 30 labelled examples (train and dev together), seed 2, chosen among the seeds by dev accuracy" in text
    assert "Labels: negative, positive." in text
    assert '"learning_rate": 0.000173' in text
    gains = [g.sentence for g in findings.primary(findings.gains) if g.budget == 30]
    assert len(gains) == 1
    assert f"- {gains[0]}" in text
    assert not [g for g in findings.gains if g.budget == 20 and g.sentence in text]
    assert findings.gains[0].sentence not in readme["scratch"].read_text("utf-8")


def test_a_card_of_one_seed_among_all_does_not_claim_to_be_the_best(tmp_path):
    run(tmp_path, keep_models="all")
    _, readme = written(tmp_path)
    assert set(readme) == {f"{arm}-seed{r}" for arm in ("scratch", "full") for r in (0, 1)}
    for name, path in readme.items():
        text = path.read_text("utf-8")
        assert f"seed {name[-1]}, dev accuracy" in text
        assert "chosen among" not in text


def test_base_model_is_named_for_a_hub_checkpoint_alone(tmp_path):
    (tmp_path / "local").mkdir()
    for model, expected in (("org/model", "org/model"), ("builtin:minilm", None), (str(tmp_path / "local"), None)):
        folder = tmp_path / model.replace("/", "_").replace(":", "_")
        run(folder, model=model)
        _, readme = written(folder)
        assert metadata_load(readme["full"]).get("base_model") == expected


ODD = ["\x7f", "\x85 \x9f", "\u2028x\u2029", "\ufeffx", "😀", "a: {b}", "--- x", "'"]
"""Names that YAML forbids, or reads as something else, where they are not escaped."""


@pytest.mark.parametrize("name", ["1234", "yes", 'a "quoted" one', "#hash: [x]", "naïve ✓", "a\\b", *ODD])
def test_front_matter_survives_odd_names(tmp_path, name):
    run(tmp_path, {name: dataset(name)})
    path, text = next(iter(cards(load(tmp_path)).items()))
    path.write_text(text, "utf-8")
    entry = metadata_load(path)["model-index"][0]["results"][0]["dataset"]
    assert entry == {"name": name, "type": name, "split": "test"}


def test_a_model_of_another_plan_gets_no_new_card(tmp_path):
    run(tmp_path, seeds=3)
    assert (tmp_path / "models" / "full" / "trial").exists()
    run(tmp_path, seeds=2)  # the kept model is of the third seed, which the study no longer has
    assert cards(load(tmp_path)) == {}


def test_no_part_of_a_file_is_left_and_no_card_without_models(tmp_path):
    run(tmp_path, keep_models="none")
    _, readme = written(tmp_path)
    assert readme == {}
    assert not list(tmp_path.rglob("*.part"))
    assert {f.name for f in tmp_path.iterdir()} == {
        "study.sqlite",
        "findings.json",
        "report.html",
        "report.md",
        "timings.json",
    }


def test_a_failed_trial_has_no_card(tmp_path):
    def behave(spec, data):
        return Outcome("failed", error="no") if spec.arm == "full" and spec.phase == "report" else outcome_of(spec, data)

    run(tmp_path, executor=FakeExecutor(behave=behave))
    _, readme = written(tmp_path)
    assert set(readme) == {"scratch"}


def test_half_a_character_is_replaced_and_the_front_matter_stays_whole():
    import yaml

    from transfergain.report.model_card import _yaml

    assert yaml.safe_load(_yaml({"a\udc80": ["b\ud800", 1.5, None]})) == {"a\ufffd": ["b\ufffd", 1.5, None]}


def test_names_are_text_in_the_body_of_a_card(tmp_path):
    name = "<script>alert(1)< [x](http:y) `a` | b"
    hostile = dataset(name)
    run(tmp_path, {name: replace(hostile, labels=("<img src=x>", "positive"))}, seeds=3)
    _, text = next(iter(cards(load(tmp_path)).items()))
    body = text.split("---", 2)[2]
    assert "<script" not in body and "<img" not in body and "[x](" not in body and "script" in body


def test_a_card_says_how_a_model_with_code_of_its_own_is_loaded(tmp_path):
    def behave(spec, data):
        done = outcome_of(spec, data)
        return (
            replace(done, details=Details(choice=Choice("mean of tokens, all layers", 0.1, 14)))
            if spec.arm == "full"
            else done
        )

    run(tmp_path, executor=FakeExecutor(behave=behave), seeds=3)
    _, readme = written(tmp_path)
    text = readme["full"].read_text("utf-8")
    assert "`AutoModelForSequenceClassification.from_pretrained(FOLDER, trust_remote_code=True)`, or a pipeline with" in text
    assert "Chosen on dev: mean of tokens, all layers; L2 0.1; of 14 settings." in text
    assert "trust_remote_code" not in readme["scratch"].read_text("utf-8")

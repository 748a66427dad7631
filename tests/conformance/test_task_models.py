"""Every arm on the architectures of entities, answers and translations; a saved model answers as its trial did."""

import copy
from itertools import product

import pytest
import torch
import transformers
from safetensors.torch import load_file

from conftest import articles, build_checkpoint, tagged, translations, write_conll, write_parallel, write_squad
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS, REFERENCE, weights
from transfergain.data.prepare import DataSource, load
from transfergain.errors import UserError
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Checkpoint, Recipe, TrialSpec

ENCODERS = ("bert", "roberta", "distilbert")
DECODERS = ("t5", "bart", "marian")
"""Kinds whose checkpoints bring all that translates."""
KINDS = {"ner": ENCODERS, "qa": ENCODERS, "translation": (*DECODERS, "bert")}
PAIRS = [(task, kind) for task, kinds in KINDS.items() for kind in kinds]
TRIALS = [(*pair, arm) for pair, arm in product(PAIRS, ARMS)]
LANGUAGES = {"source_lang": "fr", "target_lang": "en"}
OPTIONS = {"translation": LANGUAGES | {"max_target_length": 8, "num_beams": 2}}
BATCH = 5
"""Not the size of the trial's batches, so that padding differs."""


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder, places = tmp_path_factory.mktemp("data"), articles(24)
    for article in places:  # a model of a few steps would rather say nothing, if it may
        del article["paragraphs"][0]["qas"][-1]
    sources = {
        "ner": DataSource(write_conll(folder / "names.conll", tagged(90))),
        "qa": DataSource(write_squad(folder / "places.json", places)),
        "translation": DataSource(write_parallel(folder / "phrases", translations(90)), options=LANGUAGES),
    }
    return {task: load(source, TASKS[task]) for task, source in sources.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """(task, kind) -> a tiny checkpoint as such checkpoints are published, random enough to answer this and that."""
    made = {}

    def get(task, kind):
        auto_class = "AutoModelForSeq2SeqLM" if kind in DECODERS else "AutoModel"
        if kind not in made:
            made[kind] = build_checkpoint(kind, tmp_path_factory.mktemp(kind), auto_class=auto_class, spread=0.3)
        return made[kind]

    return get


def trial(data, folder, arm, save_to):
    """(outcome, options) of a trial of a few steps."""
    task, checkpoint = TASKS[data.task], checkpoints_.resolve(folder)
    options = tuple(sorted({**task.encoding, **OPTIONS.get(data.task, {})}.items()))
    recipe = Recipe(1e-3, batch_size=8, epochs=1, min_steps=6, evaluations=2, max_length=64, options=options)
    spec = TrialSpec(data.task, data.name, arm, 60, 0, "report", recipe, (("test", data.fingerprint),), "f", "c")
    bench = Bench({data.name: data}, checkpoint, "cpu", 1)
    return run_trial(spec, bench, save_to), dict(options) | {"max_length": 64}


def tag_words(folder, rows, labels, options, setting):
    """What the pipeline says at the first token of each word."""
    tag = transformers.pipeline("token-classification", model=str(folder), device=-1, ignore_labels=[])
    said = []
    for row in rows:
        words = row.inputs["tokens"]
        starts = [len(" ".join([*words[:i], ""])) if i else 0 for i in range(len(words))]
        at = {found["start"]: found["entity"] for found in tag(" ".join(words))}
        said.append([labels.index(at[start]) for start in starts])
    return said


def batches(tokenizer, features, keys):
    for i in range(0, len(features), BATCH):
        part = [{key: f[key] for key in keys if key in f} for f in features[i : i + BATCH]]
        yield tokenizer.pad(part, return_tensors="pt")


INPUTS = ("input_ids", "token_type_ids", "attention_mask")


def answer_questions(folder, rows, labels, options, setting):
    """`transformers` has no pipeline for this any more: the loaded model's logits, decoded as in the trial."""
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = TASKS["qa"].encode(rows, tokenizer, options)
    outputs = []
    with torch.inference_mode():
        for batch in batches(tokenizer, encoded.features, INPUTS):
            found = model(**batch)
            outputs += list(torch.stack([found.start_logits, found.end_logits], dim=1).numpy())
    return TASKS["qa"].decode(outputs, encoded, rows, setting, tokenizer)


def translate(folder, rows, labels, options, setting):
    """The loaded model's `generate` without arguments: the folder has them all."""
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    sources, said = [tokenizer(row.inputs["source"]) for row in rows], []
    with torch.inference_mode():
        for batch in batches(tokenizer, sources, INPUTS[::2]):
            said += tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True)
    return said


ANSWERS = {"ner": tag_words, "qa": answer_questions, "translation": translate}


@pytest.mark.parametrize(("task", "kind", "arm"), TRIALS)
def test_a_trials_saved_model_answers_as_the_trial_did(datasets, folders, tmp_path, task, kind, arm):
    data, folder = datasets[task], folders(task, kind)
    outcome, options = trial(data, folder, arm, tmp_path / "model")
    if kind in DECODERS and arm == "probe":
        assert outcome.status == "skipped" and "brings all the weights" in outcome.error
        assert not (tmp_path / "model").exists()
        return
    assert outcome.status == "done", outcome.error
    assert outcome.details["steps"] == 6 and outcome.details["best_step"] > 0
    evaluated = outcome.evaluated["test"]
    assert len(evaluated.predictions) == len(data.test)
    assert len(set(map(str, evaluated.predictions))) >= 3, "the test would not see a wrong model"
    loaded = ANSWERS[task](tmp_path / "model", data.test, data.labels, options, outcome.details["setting"])
    assert loaded == list(evaluated.predictions)

"""Every arm on the architectures of entities, answers and translations; a saved model answers as its trial did."""

import copy
from itertools import product

import pytest
import torch
import transformers
from safetensors.torch import load_file

from support.checkpoints import build_checkpoint
from support.heads import STEPPED
from support.texts import articles, tagged, translations, write_conll, write_parallel, write_squad
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS, REFERENCE, weights
from transfergain.arms.base import Blueprint
from transfergain.data.prepare import DataSource, load
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.split import TEST
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Checkpoint, Recipe, TrialSpec

ENCODERS = ("bert", "roberta", "distilbert")
DECODERS = ("t5", "bart", "marian")
"""Kinds whose checkpoints bring all that translates."""
KINDS = {"ner": ENCODERS, "qa": ENCODERS, "translation": (*DECODERS, "bert")}
PAIRS = [(task, kind) for task, kinds in KINDS.items() for kind in kinds]
WHOLE_TEXTS = ("setfit",)
"""Arms that take one class a text, which none of these tasks has."""
EVERYWHERE = ("full", "lora")
"""The arms that every architecture trains: the model as it is, and wrapped."""


def is_long(kind, arm):
    """Whether a trial is one of those that only --slow runs. BERT trains every arm; a refusal costs nothing."""
    return not (kind == "bert" or arm in EVERYWHERE or (kind in DECODERS and arm not in STEPPED))


TRIALS = [
    pytest.param(*pair, arm, marks=pytest.mark.slow if is_long(pair[1], arm) else ()) for pair, arm in product(PAIRS, ARMS)
]
LANGUAGES = {"source_lang": "fr", "target_lang": "en"}
OPTIONS = {"translation": LANGUAGES | {"max_target_length": 8, "num_beams": 2}}
BATCH = 5
"""Not the size of the trial's batches, so that padding differs."""


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Task -> data; `doubtful` is that of questions some of which have no answer."""
    folder, places = tmp_path_factory.mktemp("data"), articles(32)
    doubtful = DataSource(write_squad(folder / "doubtful.json", places))
    for article in places:  # a model of a few steps would rather say nothing, if it may
        del article["paragraphs"][0]["qas"][-1]
    sources = {
        "ner": DataSource(write_conll(folder / "names.conll", tagged(90))),
        "qa": DataSource(write_squad(folder / "places.json", places)),
        "translation": DataSource(write_parallel(folder / "phrases", translations(90)), options=LANGUAGES),
    }
    return {task: load(source, TASKS[task]) for task, source in sources.items()} | {"doubtful": load(doubtful, TASKS["qa"])}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """kind -> a tiny checkpoint as such checkpoints are published, random enough to answer this and that."""
    made = {}

    def get(kind):
        auto_class = "AutoModelForSeq2SeqLM" if kind in DECODERS else "AutoModel"
        if kind not in made:
            made[kind] = build_checkpoint(kind, tmp_path_factory.mktemp(kind), auto_class=auto_class, spread=0.3)
        return made[kind]

    return get


def trial(data, folder, arm, save_to, max_length=64, **changes):
    """(outcome, options of `encode`) of a trial of a few steps."""
    task, checkpoint = TASKS[data.task], checkpoints_.resolve(folder)
    options = tuple(sorted({**task.defaults(OptionKind.ENCODING), **OPTIONS.get(data.task, {})}.items()))
    rate = 1e-4 if task.generation else 1e-3  # of what generates little is left that differs from text to text
    few = {"learning_rate": rate, "batch_size": 8, "epochs": 1, "min_steps": 6}
    recipe = Recipe(**few | changes, max_length=max_length, options=options)
    spec = TrialSpec(data.task, data.name, arm, 60, 0, "report", recipe, ((TEST, data.fingerprint),), "f", "c")
    bench = Bench({data.name: data}, checkpoint, "cpu", 1)
    return run_trial(spec, bench, save_to), dict(options) | {"max_length": max_length}


def tag_words(folder, rows, labels, options, setting):
    """What the pipeline says at the first token of each word."""
    tag = transformers.pipeline(
        "token-classification", model=str(folder), device=-1, ignore_labels=[], trust_remote_code=True
    )
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
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, trust_remote_code=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
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


@pytest.mark.long
@pytest.mark.parametrize(("task", "kind", "arm"), TRIALS)
def test_a_trials_saved_model_answers_as_the_trial_did(datasets, folders, tmp_path, task, kind, arm):
    data, folder = datasets[task], folders(kind)
    outcome, options = trial(data, folder, arm, tmp_path / "model")
    if arm in WHOLE_TEXTS:
        assert outcome.status == "skipped" and "pairs whole texts" in outcome.error
        return
    if task == "translation" and arm not in STEPPED:
        assert outcome.status == "skipped" and "no choice between classes" in outcome.error
        assert not (tmp_path / "model").exists()
        return
    assert outcome.status == "done", outcome.error
    details = outcome.details
    if arm in STEPPED:
        assert details.steps == details.max_steps == 6 and details.best_step > 0
    assert details.frozen_features == (arm not in STEPPED)
    if arm in ("scratch", "full") and kind != "t5":  # whose output layer has no bias
        assert type(details.tokens_kept) is int, details.tokens_kept
    predictions = outcome.evaluated[TEST].predictions
    assert len(predictions) == len(data.test)
    assert len(set(map(str, predictions))) >= 3, "the test would not see a wrong model"
    loaded = ANSWERS[task](tmp_path / "model", data.test, data.labels, options, details.setting)
    same = sum(a == b for a, b in zip(loaded, predictions, strict=True))
    # Features of tokens are stored in float16, in which those of random weights may tie.
    assert same == len(predictions) or (arm == "probe-random" and same > 0.9 * len(predictions))


@pytest.mark.long
def test_windows_and_unanswerable_questions_are_answered_as_in_the_trial(datasets, folders, tmp_path):
    data = datasets["doubtful"]
    outcome, options = trial(data, folders("bert"), "full", tmp_path, 20, learning_rate=3e-3, min_steps=100)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert len(TASKS["qa"].encode(data.test, tokenizer, options).features) > 1.5 * len(data.test)
    predictions, setting = outcome.evaluated[TEST].predictions, outcome.details.setting
    assert setting["null"] and "" in predictions and len(set(predictions)) >= 4
    assert answer_questions(tmp_path, data.test, (), options, setting) == list(predictions)


@pytest.mark.long
@pytest.mark.parametrize("kind", DECODERS)
def test_a_saved_translator_has_the_recipes_search_and_not_the_checkpoints(datasets, folders, tmp_path, kind):
    trial(datasets["translation"], folders(kind), "lora", tmp_path)
    saved = transformers.GenerationConfig.from_pretrained(tmp_path)
    before = transformers.GenerationConfig.from_pretrained(folders(kind))
    assert (saved.num_beams, saved.max_new_tokens, saved.max_length) == (2, 8, None)
    assert not saved.no_repeat_ngram_size and not saved.early_stopping and not saved.do_sample
    for name in ("decoder_start_token_id", "eos_token_id", "forced_eos_token_id", "pad_token_id", "bad_words_ids"):
        assert getattr(saved, name) == getattr(before, name), name


@pytest.fixture(scope="module")
def prepare(datasets, folders):
    """(task, kind, arm, replicate) -> Prepared, prepared once; tests change copies only."""
    made = {}

    def get(*key):
        if key not in made:
            task, kind, arm, replicate = key
            checkpoint = checkpoints_.resolve(folders(kind))
            auto_class, labels = TASKS[task].auto_class, datasets[task].labels
            tokenizer, generates = checkpoints_.load_tokenizer(checkpoint), TASKS[task].generates
            config = checkpoints_.load_config(checkpoint, tokenizer, labels, generates=generates)
            made[key] = ARMS[arm].build(Blueprint(checkpoint, auto_class, config, replicate))
        return made[key]

    return get


def finished(prepared):
    """The standard model that would be saved if training changed nothing."""
    return prepared.finish(copy.deepcopy(prepared.model))


def head(model):
    names = weights.head_names(model)
    return {name: p.detach() for name, p in model.named_parameters() if name in names}


def not_from_file(model, folder):
    """(names of the matrices that differ from the file's, of all) outside the head; a warm-started decoder is the file's.

    Marian's sinusoidal positions are in no file.
    """
    file, new = load_file(f"{folder}/model.safetensors"), weights.head_names(model)
    kept = {name: p for name, p in model.named_parameters() if p.ndim == 2 and name not in new}
    origin = {n: key for n in kept for key in file if n == key or n.endswith(f".{key}")}
    assert all("embed_positions" in name for name in kept.keys() - origin)
    return {name for name in origin if not torch.equal(kept[name], file[origin[name]])}, set(origin)


@pytest.mark.parametrize(("task", "kind"), PAIRS)
def test_arms_share_the_head_and_differ_from_scratch_in_the_files_weights_alone(prepare, folders, task, kind):
    models = {arm: finished(prepare(task, kind, arm, 0)) for arm in STEPPED}
    other = finished(prepare(task, kind, REFERENCE, 1))
    reference = head(models[REFERENCE])
    assert bool(reference) == (kind not in DECODERS)
    drawn = [name for name, p in reference.items() if float(p.std()) > 0]  # biases are 0, norms 1
    assert not [name for name in drawn if torch.equal(reference[name], head(other)[name])], "the head is the replicate's"
    for arm, model in models.items():
        assert type(model) is type(models[REFERENCE])
        assert head(model).keys() == reference.keys()
        assert all(torch.equal(p, reference[name]) for name, p in head(model).items()), arm
        differing, matrices = not_from_file(model, folders(kind))
        assert matrices and differing == (set() if ARMS[arm].pretrained else matrices), arm


@pytest.mark.parametrize("kind", ["distilbert", "gpt2"])
def test_a_checkpoint_that_cannot_translate_is_refused(checkpoints, kind):
    checkpoint = checkpoints_.resolve(checkpoints(kind))
    with pytest.raises(UserError, match=f"{kind} models are neither sequence-to-sequence nor encoders") as error:
        checkpoints_.load_config(checkpoint, checkpoints_.load_tokenizer(checkpoint), (), generates=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("task", ["ner", "qa"])
def test_an_architecture_without_a_head_for_the_task_is_refused(task):
    with pytest.raises(UserError, match=r"^--model here: transformers has no \w+ head for marian models") as error:
        ARMS["scratch"].build(Blueprint(Checkpoint("here", "", ""), TASKS[task].auto_class, transformers.MarianConfig(), 0))
    assert "\n" not in str(error.value)

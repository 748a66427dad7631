"""Every arm on every architecture: same head, right weights, right parameters train, and the result is a standard model."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from support.checkpoints import build_tokenizer
from support.texts import sentences
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS, REFERENCE, weights
from transfergain.arms.base import Blueprint
from transfergain.engine.batching import collate
from transfergain.errors import UserError
from transfergain.seeds import seed
from transfergain.split import TEST
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Checkpoint, Dataset, Example, Recipe, TrialSpec

KINDS = ("bert", "roberta", "distilbert", "gpt2", "t5", "bart")
PRETRAINED = [name for name, arm in ARMS.items() if arm.pretrained]
SOLVED = [name for name, arm in ARMS.items() if not arm.takes_steps]
"""Arms that take no steps: a linear layer on frozen features."""
LABELS = ("negative", "positive")
TASK = TASKS["sentiment"]
CPU = torch.device("cpu")


def examples(count, number):
    return tuple(Example({"text": text}, LABELS.index(label)) for text, label in sentences(count, number))


DATA = Dataset(
    task="sentiment", name="tiny", labels=LABELS, train=examples(48, 0), dev=examples(16, 1), test=examples(24, 2),
    shifts={}, fingerprint="f", shift_fingerprints={},
)  # fmt: skip


@pytest.fixture(scope="module")
def prepare(checkpoints):
    """(kind, arm, replicate) -> Prepared, prepared once; tests change copies only."""
    made = {}

    def get(kind, arm, replicate=0):
        key = (kind, arm, replicate)
        if key not in made:
            made[key] = prepare_again(checkpoints(kind), arm, replicate)
        return made[key]

    return get


def prepare_again(folder, arm, replicate=0):
    checkpoint = checkpoints_.resolve(folder)
    config = checkpoints_.load_config(checkpoint, checkpoints_.load_tokenizer(checkpoint), LABELS)
    return ARMS[arm].build(Blueprint(checkpoint, TASK.auto_class, config, replicate))


def finished(prepared):
    """The standard model that would be saved if training changed nothing."""
    return prepared.finish(copy.deepcopy(prepared.model))


def head(model):
    return {name: p.detach() for name, p in model.named_parameters() if name in weights.head_names(model)}


def same_as_file(model, folder):
    """Names of base parameters that the file holds, bit for bit, and of those it does not."""
    file = load_file(Path(folder) / "model.safetensors")
    same = {n for n, p in model.base_model.named_parameters() if n in file and torch.equal(p, file[n])}
    return same, {n for n, _ in model.base_model.named_parameters()} - same


def random_weights(model, folder):
    """Names of the base model's matrices, and of those among them that the file holds bit for bit."""
    same, _ = same_as_file(model, folder)
    matrices = {n for n, p in model.base_model.named_parameters() if p.ndim == 2}
    return matrices, matrices & same


def encoded(folder, rows):
    tokenizer = checkpoints_.load_tokenizer(checkpoints_.resolve(folder))
    return TASK.encode(rows, tokenizer, {"max_length": 64}).features, tokenizer.pad_token_id


def test_the_reference_is_the_one_arm_without_pretraining_that_trains():
    trained = [name for name, arm in ARMS.items() if not arm.pretrained and name not in SOLVED]
    assert [name for name in trained if not ARMS[name].as_costly_as] == [REFERENCE]
    assert all(ARMS[ARMS[name].as_costly_as].pretrains for name in trained if name != REFERENCE)


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_describes_itself(name):
    arm = ARMS[name]
    assert arm.name == name
    assert arm.title and arm.description and arm.citation
    if name in SOLVED:
        assert arm.default_learning_rate == 0 and not arm.adapts
    else:
        assert 1e-5 <= arm.default_learning_rate <= 3e-3, "the default lies in the published search space"


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("kind", KINDS)
def test_prepares_a_standard_model_with_the_tasks_labels(prepare, kind, arm):
    prepared = prepare(kind, arm)
    model = finished(prepared)
    assert prepared.solved == (arm in SOLVED)
    if not prepared.solved:
        assert type(model) is type(prepare(kind, REFERENCE).model)
        assert type(model).__module__.startswith("transformers.models.")
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.pad_token_id is not None
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert any(p.requires_grad for p in prepared.model.parameters())
    assert 0 < prepared.checks["median_std"] < weights.UNIT_NORMAL_STD


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_the_replicates_and_the_same_in_every_arm(prepare, kind):
    reference = head(finished(prepare(kind, REFERENCE)))
    assert reference
    for arm in set(PRETRAINED) - set(SOLVED):
        other = head(finished(prepare(kind, arm)))
        assert other.keys() == reference.keys()
        assert all(torch.equal(other[n], reference[n]) for n in reference), arm
    for arm in ARMS.keys() - SOLVED:
        second = head(finished(prepare(kind, arm, 1)))
        matrices = [n for n in second if second[n].ndim == 2]
        assert matrices and not any(torch.equal(second[n], reference[n]) for n in matrices), arm


@pytest.mark.parametrize("arm", ARMS)
def test_preparing_twice_gives_the_same_weights(prepare, checkpoints, arm):
    torch.manual_seed(5)
    again = prepare_again(checkpoints("bert"), arm).model.state_dict()
    first = prepare("bert", arm).model.state_dict()
    assert first.keys() == again.keys()
    assert all(torch.equal(first[n], again[n]) for n in first)


@pytest.mark.parametrize("arm", PRETRAINED)
@pytest.mark.parametrize("kind", KINDS)
def test_pretrained_weights_are_the_files(prepare, checkpoints, kind, arm):
    _, differ = same_as_file(finished(prepare(kind, arm)), checkpoints(kind))
    assert not differ


@pytest.mark.parametrize("kind", KINDS)
def test_scratch_weights_are_not_the_files_and_vary_with_the_replicate(prepare, checkpoints, kind):
    model, other = prepare(kind, REFERENCE).model, prepare(kind, REFERENCE, 1).model
    matrices, same = random_weights(model, checkpoints(kind))
    assert matrices and not same
    theirs = dict(other.base_model.named_parameters())
    assert not [n for n in matrices if torch.equal(model.base_model.get_parameter(n), theirs[n])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_probes_twin_reads_the_very_weights_that_scratch_starts_from(prepare, kind):
    twin, scratch = prepare(kind, "probe-random").model, prepare(kind, REFERENCE).model
    theirs = dict(scratch.base_model.named_parameters())
    assert all(torch.equal(p, theirs[n]) for n, p in twin.encoder.named_parameters())
    assert type(twin) is type(prepare(kind, "probe").model)


@pytest.mark.parametrize("kind", KINDS)
def test_scratch_has_the_spread_of_the_librarys_own_initialisation(prepare, kind):
    from transformers import AutoModelForSequenceClassification

    model = prepare(kind, REFERENCE).model
    torch.manual_seed(99)
    library = AutoModelForSequenceClassification.from_config(model.config).state_dict()
    for name, p in model.state_dict().items():
        if p.ndim == 2 and p.numel() >= 512:
            assert float(p.std()) == pytest.approx(float(library[name].std()), rel=0.25), name
        elif p.ndim == 1:
            assert torch.equal(p, library[name]), name  # biases 0, norms 1


@pytest.mark.parametrize("kind", KINDS)
def test_scratch_and_full_train_everything_and_a_probe_its_linear_layer_only(prepare, kind):
    for arm in ("scratch", "full"):
        assert all(p.requires_grad for p in prepare(kind, arm).model.parameters())
    for arm in SOLVED:
        prepared = prepare(kind, arm)
        probe = prepared.model
        trained = {n for n, p in probe.named_parameters() if p.requires_grad}
        layer = {"head.weight", "head.bias"}
        assert trained == layer if not prepared.contrasts else trained > layer, "SetFit tunes the encoder first"
        assert not any(p.any() for p in probe.head.parameters()), "nothing is drawn for it"


@pytest.mark.parametrize("kind", KINDS)
def test_lora_trains_its_updates_and_the_head_only(prepare, kind):
    model = prepare(kind, "lora").model
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    updates = {n for n in trained if ".lora_A." in n or ".lora_B." in n}
    rest = {n.replace("base_model.model.", "").replace(".modules_to_save.default", "") for n in trained - updates}
    assert updates
    assert rest == weights.head_names(prepare(kind, "full").model)


def test_lora_adapts_every_linear_layer_of_the_base_model(prepare):
    adapted = {n.split(".lora_A.")[0] for n, _ in prepare("bert", "lora").model.named_parameters() if ".lora_A." in n}
    linear = {n for n, m in prepare("bert", "full").model.base_model.named_modules() if isinstance(m, torch.nn.Linear)}
    assert adapted == {f"base_model.model.bert.{n}" for n in linear}


def test_loras_own_initialisation_is_the_replicates(prepare):
    first, second = (dict(prepare("bert", "lora", r).model.named_parameters()) for r in (0, 1))
    downs = [n for n in first if ".lora_A." in n]
    assert downs and not any(torch.equal(first[n], second[n]) for n in downs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_lora_model_says_what_the_wrapped_one_does(prepare, checkpoints, kind):
    prepared = prepare(kind, "lora")
    wrapped = copy.deepcopy(prepared.model).eval()
    torch.manual_seed(seed("test"))
    with torch.no_grad():
        for name, p in wrapped.named_parameters():
            if ".lora_B." in name:
                p.normal_(std=0.3)
    features, pad = encoded(checkpoints(kind), DATA.test[:6])
    batch = collate(features, pad, CPU)
    with torch.inference_mode():
        before = prepared.model.eval()(**batch).logits
        expected = wrapped(**batch).logits
        merged = prepared.finish(wrapped).eval()
        got = merged(**batch).logits
    assert not torch.allclose(before, expected, atol=1e-3), "the update changes the logits"
    assert torch.allclose(got, expected, atol=1e-4)
    assert merged.state_dict().keys() == prepare(kind, "full").model.state_dict().keys()
    assert not any("peft" in type(m).__module__ for m in merged.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_logits(prepare, checkpoints, kind):
    """A batch of texts of different lengths, one ending in a word that is unknown, equals the texts one by one."""
    model = prepare(kind, "full").model.eval()
    texts = ["good", "the film was very good", "a rather messy and cold room with a sad book", "the meal was unheard-of"]
    features, pad = encoded(checkpoints(kind), [Example({"text": text}, 0) for text in texts])
    assert len({len(f["input_ids"]) for f in features}) > 2
    with torch.inference_mode():
        together = model(**collate(features, pad, CPU)).logits
        single = torch.cat([model(**collate([f], pad, CPU)).logits for f in features])
    assert torch.allclose(together, single, atol=1e-5)


def test_a_tokenizer_without_padding_pads_with_its_end_token(checkpoints):
    checkpoint = checkpoints_.resolve(checkpoints("gpt2"))
    assert build_tokenizer("gpt2").pad_token is None
    tokenizer = checkpoints_.load_tokenizer(checkpoint)
    assert tokenizer.pad_token == tokenizer.eos_token
    assert checkpoints_.load_config(checkpoint, tokenizer, LABELS).pad_token_id == tokenizer.eos_token_id


def spec_of(arm, checkpoint):
    recipe = Recipe(learning_rate=3e-3, batch_size=8, epochs=1, min_steps=6, patience=0.9, max_length=32)
    return TrialSpec(
        task="sentiment", dataset="tiny", arm=arm, budget=40, replicate=0, phase="report", recipe=recipe,
        splits=((TEST, "f"),), data_fingerprint="f", checkpoint_revision=checkpoint.revision,
    )  # fmt: skip


EVERYWHERE = ("full", "lora")
"""The arms that every architecture trains: the model as it is, and wrapped. BERT trains every arm, as do all with --slow."""


@pytest.mark.parametrize(
    ("kind", "arm"),
    [
        pytest.param(kind, arm, marks=() if kind == "bert" or arm in EVERYWHERE else pytest.mark.slow)
        for kind in KINDS
        for arm in ARMS
    ],
)
def test_a_trials_model_loads_in_a_pipeline_and_repeats_its_predictions(prepare, checkpoints, tmp_path, kind, arm):
    from transformers import pipeline

    checkpoint = checkpoints_.resolve(checkpoints(kind))
    outcome = run_trial(spec_of(arm, checkpoint), Bench({"tiny": DATA}, checkpoint, "cpu", 1), tmp_path / "model")
    assert outcome.status == "done", outcome.error
    solved = arm in SOLVED
    contrasts = prepare(kind, arm).contrasts
    assert outcome.details.max_steps == (None if solved else 6)
    assert outcome.details.steps == (80 if contrasts else outcome.details.max_steps), "32 texts begin 40 pairs each"
    classify = pipeline("text-classification", model=str(tmp_path / "model"), device=-1, trust_remote_code=solved)
    said = classify([e.inputs["text"] for e in DATA.test])
    assert [answer["label"] for answer in said] == [LABELS[p] for p in outcome.evaluated[TEST].predictions]
    same, differ = same_as_file(classify.model, checkpoints(kind))
    assert outcome.details.frozen_features == (solved and not contrasts)
    if solved:
        assert bool(differ) == (not ARMS[arm].pretrained or contrasts)
        assert (outcome.curve, outcome.converged) == ((), None)
        assert (outcome.details.trained_parameters == 2 * 32 + 2) == (not contrasts)
        assert outcome.details.choice.tried == 4 + 6 and outcome.details.choice.reads
        return
    assert differ and (len(differ) > len(same) or arm == "lora")
    before = head(finished(prepare(kind, arm)))
    assert any(not torch.equal(p, before[n]) for n, p in head(classify.model).items()), "the head has trained"


def test_an_architecture_without_a_head_for_the_task_is_refused():
    from transformers import MarianConfig

    with pytest.raises(
        UserError, match=r"^--model here: transformers has no SequenceClassification head for marian"
    ) as error:
        ARMS["scratch"].build(Blueprint(Checkpoint("here", "", ""), TASK.auto_class, MarianConfig(), 0))
    assert "\n" not in str(error.value)

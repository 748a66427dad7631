"""What is verified, hashed and handed to transformers: the same files, and no others."""

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from transfergain.arms.base import Blueprint
from transfergain.arms.weights import build_pretrained
from transfergain.checkpoint import check_vocabulary, load_config, load_tokenizer, resolve
from transfergain.checkpoint.cleaned import cleaned_config, cleaned_tokenizer_config
from transfergain.errors import UserError
from transfergain.temporary import MARK

OPEN_FILES = Path("/proc/self/fd")
CLASSES = "AutoModelForSequenceClassification"


@pytest.fixture
def model(checkpoints, tmp_path):
    """A copy of a tiny checkpoint."""
    return Path(shutil.copytree(checkpoints("bert"), tmp_path / "model"))


def edit(path, **keys):
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def in_shards(folder, second="sub/w.safetensors"):
    """Split the weights in two shards, one of them in a folder of its own."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {"model-1.safetensors": names[::2], second: names[1::2]}
    for shard, part in shards.items():
        (folder / shard).parent.mkdir(exist_ok=True)
        save_file({name: weights[name] for name in part}, folder / shard, metadata={"format": "pt"})
    where = {name: shard for shard, part in shards.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder / second


def loaded(folder, task=CLASSES, labels=("no", "yes")):
    checkpoint = resolve(str(folder))
    config = load_config(checkpoint, load_tokenizer(checkpoint), labels)
    return build_pretrained(Blueprint(checkpoint, task, config, 0)).model


def handed(folder):
    """What transformers is given of a folder."""
    path = Path(resolve(str(folder)).path)
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir())


def test_a_shard_that_changes_changes_the_revision_wherever_it_lies(model):
    shard = in_shards(model)
    before = resolve(str(model)).revision
    save_file({name: value + 1 for name, value in load_file(shard).items()}, shard, metadata={"format": "pt"})
    assert resolve(str(model)).revision != before


def test_shards_load_as_the_single_file_does(model, checkpoints):
    in_shards(model)
    assert handed(model)[:3] == ["config.json", "model-1.safetensors", "model.safetensors.index.json"]
    ours, theirs = loaded(model).state_dict(), loaded(checkpoints("bert")).state_dict()
    assert all(ours[name].equal(theirs[name]) for name in theirs)


def test_nothing_but_what_was_verified_is_handed_over(model):
    for name in ("pytorch_model.bin", "evil.py", "other.safetensors", "README.md", "model.fp16.safetensors"):
        (model / name).write_bytes(b"x")
    (model / "onnx").mkdir()
    assert handed(model) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def test_code_is_handed_over_and_hashed_only_where_it_is_trusted(model):
    (model / "own.py").write_text("x = 1")
    distrusted, trusted = resolve(str(model)), resolve(str(model), trust_remote_code=True)
    assert not Path(distrusted.path, "own.py").exists() and Path(trusted.path, "own.py").exists()
    (model / "own.py").write_text("x = 2")
    assert resolve(str(model)).revision == distrusted.revision
    assert resolve(str(model), trust_remote_code=True).revision != trusted.revision


def test_sentencepiece_files_are_part_of_the_revision(model):
    (model / "source.spm").write_bytes(b"one")
    before = resolve(str(model)).revision
    (model / "source.spm").write_bytes(b"two")
    assert resolve(str(model)).revision != before


def test_the_private_folder_is_the_owners_alone(model):
    assert Path(resolve(str(model)).path).parent.stat().st_mode & 0o077 == 0


def test_the_private_folder_is_one_that_a_later_run_removes_where_this_one_is_killed(model):
    assert (Path(resolve(str(model)).path).parents[1] / MARK).is_file()


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="counts open files in /proc")
def test_any_number_of_checkpoints_takes_one_open_file(model):
    before = len(list(OPEN_FILES.iterdir()))
    for i in range(5):
        edit(model / "config.json", mark=i)
        resolve(str(model))
    assert len(list(OPEN_FILES.iterdir())) <= before + 1


def test_settings_that_name_other_files_lead_nowhere(model, tmp_path):
    """Of the weights, of the tokenizer, and of programs that compute attention."""
    shutil.copy(model / "model.safetensors", tmp_path / "outside.safetensors")
    edit(model / "config.json", transformers_weights="../outside.safetensors", attn_implementation="org/kernel")
    edit(model / "tokenizer_config.json", vocab_file="/etc/passwd", tokenizer_file="/etc/passwd",
         fast_tokenizer_files=["../outside.json"])  # fmt: skip
    assert loaded(model).config._attn_implementation in ("eager", "sdpa")
    kept = json.loads(Path(resolve(str(model)).path, "tokenizer_config.json").read_text())
    assert not {"vocab_file", "tokenizer_file", "fast_tokenizer_files"} & set(kept)


OLD_HEADS = [
    {"problem_type": "multi_label_classification"},
    {"problem_type": "regression", "num_labels": 1},
    {"id2label": {str(i): str(i) for i in range(28)}, "label2id": {str(i): i for i in range(28)}},
    {"return_dict": False, "torchscript": True, "output_attentions": True},
    {"classifier_dropout": 0.9, "finetuning_task": "mrpc", "task_specific_params": {"x": {"num_beams": 4}}},
]


@pytest.mark.parametrize("old", OLD_HEADS)
def test_nothing_of_an_old_head_leaks_into_the_new_task(model, checkpoints, old):
    import torch

    edit(model / "config.json", **old)
    ids, labels = torch.tensor([[2, 5, 6, 3]]), torch.tensor([1])
    found = loaded(model).eval()(input_ids=ids, labels=labels)
    usual = loaded(checkpoints("bert")).eval()(input_ids=ids, labels=labels)
    assert found.loss.equal(usual.loss) and found.attentions is None
    spans = loaded(model, "AutoModelForQuestionAnswering", ())(input_ids=ids)
    assert spans.start_logits.shape == spans.end_logits.shape == (1, 4), "a head of 28 classes would not fit"


def test_plain_ways_of_attention_and_configs_within_are_kept():
    inner = {"problem_type": "x", "hidden_size": 3}
    config = {"model_type": "a", "attn_implementation": "eager", "text_config": inner}
    assert cleaned_config(config, "m") == config | {"text_config": {"hidden_size": 3}}
    settings = {"vocab": {"a": 1}, "pad_token": "_"}
    assert cleaned_tokenizer_config(settings | {"merges": "x"}, "m") == settings


@pytest.mark.parametrize("place", ["checkpoint-500", "models--org--name/snapshots/0123abc", "model"])
def test_the_only_model_below_is_taken(model, tmp_path, place):
    target = tmp_path / "given" / place
    target.parent.mkdir(parents=True)
    model.rename(target)
    found = resolve(str(tmp_path / "given"))
    assert found.within == place and found.revision == resolve(str(target)).revision


@pytest.mark.parametrize("path", ["", "0_Transformer"])
def test_folders_of_sentence_transformers_load(model, path):
    modules = [{"idx": 0, "name": "0", "path": path, "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]  # fmt: skip
    if path:
        inner = model / path
        inner.mkdir()
        for file in [f for f in model.iterdir() if f.is_file()]:
            file.rename(inner / file.name)
    (model / "modules.json").write_text(json.dumps(modules))
    (model / "2_Dense").mkdir()
    (model / "2_Dense" / "config.json").write_text("{}")
    save = {"linear.weight": next(iter(load_file(model / path / "model.safetensors").values()))}
    save_file(save, model / "2_Dense" / "model.safetensors")
    assert resolve(str(model)).within == path
    assert loaded(model)


def test_modules_that_lead_outside_are_not_followed(model, tmp_path):
    (tmp_path / "given").mkdir()
    modules = [{"idx": 0, "name": "0", "path": "../model", "type": "sentence_transformers.models.Transformer"}]
    (tmp_path / "given" / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"no config\.json there"):
        resolve(str(tmp_path / "given"))


def test_weights_that_change_while_a_study_runs_are_refused(model):
    """The revision was pinned before; what is loaded now would be another model."""
    checkpoint = resolve(str(model))
    tokenizer = load_tokenizer(checkpoint)
    assert load_config(checkpoint, tokenizer, ("no", "yes"))
    weights = load_file(model / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="changed or removed since the study began"):
        load_config(checkpoint, tokenizer, ("no", "yes"))
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match="changed or removed since the study began"):
        load_config(checkpoint, tokenizer, ("no", "yes"))


def test_a_log_that_is_too_large_or_a_pipe_is_left_out(model):
    (model / "logs.txt").touch()
    os.truncate(model / "logs.txt", 300 * 2**20)
    os.mkfifo(model / "notes.txt")
    (model / "archive.json").mkdir()
    assert handed(model) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def test_a_mask_without_an_embedding_is_no_obstacle_and_other_tokens_are(model):
    checkpoint = resolve(str(model))
    tokenizer = load_tokenizer(checkpoint)
    config = load_config(checkpoint, tokenizer, ("no", "yes"))
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    check_vocabulary(checkpoint, tokenizer, config)
    tokenizer.add_tokens(["zorble"])
    with pytest.raises(UserError, match="resize_token_embeddings"):
        check_vocabulary(checkpoint, tokenizer, config)


def test_a_name_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither a folder here nor a well-formed Hub id"):
        resolve("a\0b")

"""`transfergain convert`: pickles and TensorFlow's files of every architecture become the same model as safetensors."""

import importlib.util
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner

from support.checkpoints import build_checkpoint
from support.old_weights import keras_name, keras_value, write_bin, write_h5
from transfergain import cli
from transfergain.checkpoint import convert as module
from transfergain.checkpoint import converter, resolve, tensorflow
from transfergain.checkpoint.convert import convert
from transfergain.errors import UserError

needs_h5py = pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="h5py is not installed")
HEADS = {
    "bert": "AutoModelForMaskedLM",
    "roberta": "AutoModelForMaskedLM",
    "distilbert": "AutoModelForSequenceClassification",
    "gpt2": "AutoModelForCausalLM",
    "t5": "AutoModelForSeq2SeqLM",
    "bart": "AutoModelForSeq2SeqLM",
    "marian": "AutoModelForSeq2SeqLM",
}


@pytest.fixture(params=HEADS)
def saved(request, tmp_path):
    """A folder of an architecture with a head, and the model in it, whose weights are all different."""
    folder = Path(build_checkpoint(request.param, tmp_path / "model", auto_class=HEADS[request.param]))
    model = getattr(transformers, HEADS[request.param]).from_pretrained(folder)
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return folder, model


@pytest.fixture
def inside(monkeypatch):
    """Convert in this process, which has the libraries loaded; `test_the_command...` has the one that users have."""

    def convert_here(source, weights, half):
        return converter.convert(converter.Order(source, tuple(map(str, weights)), str(half), 0))

    monkeypatch.setattr(module, "_in_its_process", convert_here)


def same(folder, model):
    """The greatest difference between a model's weights and those in a folder."""
    found = type(model).from_pretrained(folder).state_dict()
    assert found.keys() == model.state_dict().keys()
    return max(float((found[name] - value).abs().max()) for name, value in model.state_dict().items())


def test_names_and_sides_come_back_for_every_weight(saved):
    _, model = saved
    known = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name, value in model.state_dict().items():
        place = f"/layer/tf_model/{keras_name(name, model)}"
        assert tensorflow.torch_name(place, known, model.base_model_prefix) == name
        written = keras_value(name, value, model)
        assert tensorflow.turned(place, written.ndim) == ((1, 0) if place.endswith("kernel:0") else ())


@pytest.mark.parametrize("saved", ["bert", "gpt2", "t5"], indirect=True)
@needs_h5py
def test_a_file_of_tensorflow_becomes_the_same_model(saved, inside, tmp_path):
    folder, model = saved
    write_h5(folder, model, twice=list(model.state_dict())[:2])
    done = convert(str(folder), str(tmp_path / "out"))
    assert (done.architecture, done.new, done.foreign) == (type(model).__name__, [], [])
    assert same(tmp_path / "out", model) == 0
    assert resolve(str(tmp_path / "out")).tensors > 10


@pytest.mark.parametrize(("saved", "shards"), [("roberta", 1), ("marian", 3)], indirect=["saved"])
def test_a_pickle_becomes_the_same_model(saved, inside, tmp_path, shards):
    folder, model = saved
    write_bin(folder, model, shards)
    done = convert(str(folder), str(tmp_path / "out"))
    assert done.architecture == type(model).__name__ and same(tmp_path / "out", model) == 0
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == shards
    assert not list((tmp_path / "out").glob("*.bin*"))
    resolve(str(tmp_path / "out"))


@pytest.fixture
def bert(checkpoints, tmp_path):
    folder = Path(shutil.copytree(checkpoints("bert"), tmp_path / "my model"))
    return folder, transformers.AutoModel.from_pretrained(folder)


class Touch:
    """Whoever unpickles it makes a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (Path.touch, (Path(self.mark),))


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(bert, inside, tmp_path):
    folder, model = bert
    write_bin(folder, model)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(UserError, match=r"pytorch_model.bin is damaged, or holds more than weights"):
        convert(str(folder), str(tmp_path / "out"))
    torch.save({"weight": Touch(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds more than weights"):
        convert(str(folder), str(tmp_path / "out"))
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my model"], "nothing half-written"


def test_weights_of_another_model_are_refused_by_name(bert, inside, tmp_path):
    folder, model = bert
    state = model.state_dict()
    lost = "encoder.layer.1.output.dense.weight"
    write_bin(folder, model)
    torch.save({name: value for name, value in state.items() if name != lost}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=f"its weights lack {lost} of BertModel"):
        convert(str(folder), str(tmp_path / "out"))
    torch.save(state | {lost: state[lost][:5]}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=f"{lost} have other shapes than config.json says"):
        convert(str(folder), str(tmp_path / "out"))


@pytest.mark.long
def test_memory_has_a_bound(bert, tmp_path, monkeypatch):
    folder, model = bert
    write_bin(folder, model)
    monkeypatch.setattr(module, "BASE_BYTES", 2**26)
    with pytest.raises(UserError, match=r"(takes more than|ended the process)") as refusal:
        convert(str(folder), str(tmp_path / "out"))
    assert "\n" not in str(refusal.value)


def h5(folder, change):
    """Write weights, let `change` do something to the open file, and say why they are refused."""
    import h5py

    write_h5(folder, transformers.AutoModel.from_pretrained(folder))
    with h5py.File(folder / "tf_model.h5", "a") as file:
        change(file)
    shapes = {"pooler.dense.weight": (32, 32)}
    with pytest.raises(UserError) as refusal:
        tensorflow.read(folder / "tf_model.h5", "m", shapes, "bert")
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


POOLER = "layer/tf_model/pooler/dense/kernel:0"


@needs_h5py
def test_files_of_tensorflow_that_lead_elsewhere_or_lie_are_refused(bert, tmp_path):
    import h5py

    folder, _ = bert
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}

    def refusal(change):
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        (folder / "tf_model.h5").unlink(missing_ok=True)
        return h5(folder, change)

    def replaced(name, **how):
        def change(file):
            del file[name]
            file.create_dataset(name, **how)

        return change

    assert "a link at /x" in refusal(lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")))
    assert "a link at /x" in refusal(lambda f: f.__setitem__("x", h5py.SoftLink("/layer")))
    outside = [(str(tmp_path / "outside"), 0, 4096)]
    (tmp_path / "outside").write_bytes(bytes(4096))
    assert "elsewhere" in refusal(replaced(POOLER, shape=(32, 32), dtype="f4", external=outside))
    assert "of different models" in refusal(replaced(POOLER, data=np.zeros((32, 33), "f4")))
    assert "not as numbers" in refusal(replaced(POOLER, data=[b"x"]))
    bomb = replaced(POOLER, shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000), compression="gzip")
    assert "packed" in refusal(bomb), "nothing of it is read"
    assert "has two weights that are pooler.dense.weight" in refusal(
        lambda f: f.__setitem__("b/pooler/dense/kernel:0", np.ones((32, 32), "f4"))
    )
    (folder / "tf_model.h5").write_bytes((folder / "tf_model.h5").read_bytes()[:3000])
    with pytest.raises(UserError, match="damaged, cut short or no HDF5 file"):
        tensorflow.read(folder / "tf_model.h5", "m", {}, "bert")


def test_what_cannot_be_converted_is_one_line(bert, tmp_path, monkeypatch):
    folder, _ = bert
    out = str(tmp_path / "out")

    def refused(source, target=out):
        with pytest.raises(UserError) as refusal:
            convert(source, target)
        assert not (tmp_path / "out").exists()
        return str(refusal.value)

    assert "has safetensors already" in refused(str(folder))
    (folder / "model.safetensors").unlink()
    assert "has none of pytorch_model.bin, " in refused(str(folder))
    assert "is there already" in refused(str(folder), str(folder))
    (folder / "tf_model.h5").write_bytes(b"x")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert 'which h5py reads: in a clone of transfergain: pip install ".[convert]"' in refused(str(folder))
    (folder / "config.json").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert "has no config.json" in refused(str(folder))
    (folder / "pytorch_model.bin").unlink()
    (folder / "pytorch_model.bin").mkdir()
    assert "no regular file" in refused(str(folder))
    assert "give the folder that it is in" in refused(str(folder / "tf_model.h5"))
    weights = {"weight_map": {"a": "../x.bin"}}
    (folder / "pytorch_model.bin").rmdir()
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(weights))
    assert "which is no bin file within the folder" in refused(str(folder))


@pytest.mark.parametrize("file", ["pytorch_model.bin", "tf_model.h5"])
def test_run_says_the_line_that_converts(bert, file):
    folder, _ = bert
    (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(b"x")
    with pytest.raises(UserError) as refusal:
        resolve(str(folder))
    assert str(refusal.value).endswith(f"convert it once: transfergain convert '{folder}' 'my model-safetensors'")


@pytest.mark.long
def test_the_command_says_what_to_do_next(bert, tmp_path):
    folder, model = bert
    write_bin(folder, model)
    out = tmp_path / "out"
    done = CliRunner().invoke(cli.app, ["convert", str(folder), str(out)])
    assert done.exit_code == 0, done.output
    assert f"{out} written: BertModel, {len(model.state_dict())} tensors" in done.output
    assert f"transfergain run --model {out}" in done.output

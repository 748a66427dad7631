"""Weights as TensorFlow's classes of transformers 4 and PyTorch's pickles hold them, made of a model of today."""

import re
from pathlib import Path

import torch


def keras_name(name, model):
    """The name of a weight in `tf_model.h5`: of norms, dense layers and embeddings, by what kind of module holds it."""
    owner, _, last = name.rpartition(".")
    module = model.get_submodule(owner)
    if isinstance(module, torch.nn.LayerNorm):
        last = {"weight": "gamma", "bias": "beta"}[last]
    elif isinstance(module, torch.nn.Linear) and last == "weight":
        last = "kernel"
    elif isinstance(module, torch.nn.Embedding):
        last = "embeddings"
    return re.sub(r"/(\d+)/", r"_._\1/", "/".join([*owner.split("."), last])) + ":0"


def keras_value(name, value, model):
    """A dense layer's weights lie on their other side in Keras; GPT-2's own layer has them as PyTorch does."""
    dense = isinstance(model.get_submodule(name.rpartition(".")[0]), torch.nn.Linear) and name.endswith("weight")
    return (value.T if dense else value).contiguous().numpy()


def write_h5(folder, model, twice=()):
    """Write `tf_model.h5` in place of safetensors; names in `twice` are written once more, for a layer that shares them."""
    import h5py

    folder = Path(folder)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    with h5py.File(folder / "tf_model.h5", "w") as file:
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                path = f"layer/tf_model/{keras_name(name, model)}"
                file[path] = keras_value(name, value, model)
                if name in twice:
                    file[f"other/{path}"] = keras_value(name, value, model)
    return folder / "tf_model.h5"


def write_bin(folder, model, shards=1):
    """Write `pytorch_model.bin`, or several and their index, in place of safetensors."""
    import json

    folder = Path(folder)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    names = sorted(model.state_dict())
    if shards == 1:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        return
    files = [f"pytorch_model-{i:05d}-of-{shards:05d}.bin" for i in range(1, shards + 1)]
    parts = dict(zip(files, (names[i::shards] for i in range(shards)), strict=True))
    for file, part in parts.items():
        torch.save({name: model.state_dict()[name] for name in part}, folder / file)
    index = {name: file for file, part in parts.items() for name in part}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))

"""Checkpoints that are broken, or made to do harm: each a copy of a whole tiny one, changed in one way."""

import json
import os
import pickle
import struct
from pathlib import Path

from safetensors.torch import load_file, save_file

from bad_inputs.world import case, train


class Touch:
    """Whoever unpickles it makes a file."""

    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def hostile(name, *says):
    """Register a case: a function that changes the folder of a checkpoint called `tiny`."""

    def register(change):
        def build(world):
            change(world.folder / world.model("tiny"))
            return [*train(world), "--model", "tiny"]

        case("--model tiny", *says, name=f"checkpoint: {name}")(build)
        return change

    return register


def config(folder, **keys):
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(known | keys))


def configured(name, *says, **keys):
    hostile(name, *says)(lambda folder: config(folder, **keys))


def sharded(folder, shard="model-00001-of-00001.safetensors"):
    """Turn single weights into an index of one shard, which may lie anywhere."""
    weights = load_file(folder / "model.safetensors")
    target = folder / shard
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").replace(target)
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(weights, shard)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return target


# Weights.
hostile("absent shard", "names model-00001-of-00001.safetensors, which is not there", "fetch the whole model")(
    lambda folder: sharded(folder).unlink()
)
hostile("garbage shard", "damaged, cut short")(lambda folder: sharded(folder).write_bytes(b"\xff" * 999))
hostile("shard outside", "'../weights.safetensors'", "within the folder")(
    lambda folder: sharded(folder, "../weights.safetensors")
)
hostile("index of no files", "no weight_map")(lambda folder: [sharded(folder), index(folder, {"a": 3})])
hostile("empty index", "no weight_map")(lambda folder: [sharded(folder), index(folder, {})])
hostile("index that is a list", "not readable JSON")(
    lambda folder: [sharded(folder), (folder / "model.safetensors.index.json").write_text("[]")]
)


def index(folder, weight_map):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@hostile("pickle in the index beside a decoy", "'w.bin'", "not opened")
def _(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "decoy.safetensors")
    (folder / "w.bin").write_bytes(pickle.dumps(Touch()))
    index(folder, dict.fromkeys(weights, "w.bin"))


hostile("weights of another name", "pytorch.safetensors", "neither model.safetensors nor")(
    lambda folder: (folder / "model.safetensors").rename(folder / "pytorch.safetensors")
)


def only(name):
    def change(folder):
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(b"x")

    return change


hostile("weights of TensorFlow", "tf_model.h5, weights of TensorFlow", "transfergain convert ")(only("tf_model.h5"))
hostile("weights of Flax", "flax_model.msgpack, weights of Flax")(only("flax_model.msgpack"))
hostile("gguf", "model.gguf, quantised weights")(only("model.gguf"))


def header(length, text):
    def change(folder):
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + text)

    return change


hostile("header beyond the file", "longer than the file")(header(2**63, b"{}"))
hostile("header that is nested too deep", "damaged")(header(100_000, b'{"a":' * 20_000))
hostile("header without shapes", "damaged")(header(8, b'{"a": 1}'))
hostile("header of negative shapes", "damaged")(
    header(64, b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}'.ljust(64) + bytes(4))
)
hostile("weights that are a folder", "no regular file")(
    lambda folder: [(folder / "model.safetensors").unlink(), (folder / "model.safetensors").mkdir()]
)
hostile("weights that are a pipe", "no regular file")(
    lambda folder: [(folder / "model.safetensors").unlink(), os.mkfifo(folder / "model.safetensors")]
)
hostile("config that is a pipe", "no regular file")(
    lambda folder: [(folder / "config.json").unlink(), os.mkfifo(folder / "config.json")]
)
hostile("config that is a device", "no regular file")(
    lambda folder: [(folder / "config.json").unlink(), (folder / "config.json").symlink_to("/dev/zero")]
)
hostile("tokenizer that is a device", "no regular file")(lambda folder: (folder / "vocab.txt").symlink_to("/dev/zero"))
hostile("config of hundreds of megabytes", "are the most")(lambda folder: os.truncate(folder / "config.json", 300 * 2**20))

# Adapters and quantised weights.
hostile("adapter within", "adapter", "merge_and_unload()")(
    lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
)
configured("quantised", "quantised (quantization_config: bitsandbytes)", "made from",
           quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})  # fmt: skip
configured("compressed", "quantised", compression_config={"quant_method": "compressed-tensors"})

# Configs.
configured("unknown activation", "building a model", "no_such", hidden_act="no_such")
configured("zero heads", "--model tiny", num_attention_heads=0)
configured("heads that do not divide", "building a model", num_attention_heads=5)
configured("no layers to speak of", "num_hidden_layers", num_hidden_layers="many")
configured("a thousand million layers", "asks for 1,000,000,000 layers (num_hidden_layers)", num_hidden_layers=10**9)
configured("an absurd width", "GB of weights or more", hidden_size=10**9, num_attention_heads=10)
configured("an absurd vocabulary", "GB of weights or more", vocab_size=10**12)
configured("absurdly many positions", "GB of weights or more", max_position_embeddings=10**12)
configured("a number beyond all machines", "GB of weights or more", intermediate_size=10**40)
configured("a size below zero", "--model tiny", intermediate_size=-64)
configured("dropout of seven", "building a model", hidden_dropout_prob=7.0)
configured("a norm of words", "--model tiny", layer_norm_eps="small")
configured("few embeddings", "its tokenizer has", "resize_token_embeddings", vocab_size=10)
configured("types of tokens", "--model tiny", type_vocab_size=0)
configured("code that a config asks for", "--trust-remote-code", model_type="unheard-of",
           auto_map={"AutoConfig": "evil.Evil"})  # fmt: skip
hostile("deep config", "nested more than")(lambda folder: config(folder, a=json.loads('{"a":' * 200 + "1" + "}" * 200)))
hostile("config deeper than any parser", "not readable JSON")(
    lambda folder: (folder / "config.json").write_text('{"a":' * 200_000 + "1" + "}" * 200_000)
)
hostile("config of other bytes", "not readable JSON")(lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe{}"))

# Tokenizers.
hostile("tokenizer of other types", "tokenizer cannot be read")(
    lambda folder: (folder / "tokenizer_config.json").write_text('{"model_max_length": "long", "pad_token": 7}')
)
hostile("tokenizer config that is a list", "not readable JSON")(
    lambda folder: (folder / "tokenizer_config.json").write_text("[]")
)

# Folders.


@case("--model runs", "no config.json there, but models in checkpoint-1, checkpoint-2", name="checkpoint: two below")
def _(world):
    for name in ("runs/checkpoint-1", "runs/checkpoint-2"):
        world.model(name)
    return [*train(world), "--model", "runs"]


@case("--model adapter", "adapter", "merge_and_unload()", name="checkpoint: adapter with its base's config")
def _(world):
    folder = world.folder / world.model("adapter", "model.safetensors")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "bert-base-uncased"}')
    save_file({}, folder / "adapter_model.safetensors")
    return [*train(world), "--model", "adapter"]


@case("--model alone", "adapter", "merge_and_unload()", name="checkpoint: adapter alone")
def _(world):
    folder = world.folder / world.model("alone", "model.safetensors", "config.json")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "bert-base-uncased"}')
    return [*train(world), "--model", "alone"]

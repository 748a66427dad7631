"""Compare models that `transfergain convert` made of TensorFlow's files with what TensorFlow computes.

The files are written in an environment of their own, with random weights, by the last transformers that had TensorFlow:

    python -m venv tf && tf/bin/pip install "transformers<5" tensorflow-cpu tf-keras h5py
    tf/bin/python benchmarks/tensorflow_files.py write FOLDER
    .venv/bin/python benchmarks/tensorflow_files.py compare FOLDER

The second prints a line a model: the largest difference of its outputs from TensorFlow's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

SIDES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99}
BOTH = {
    "vocab_size": 99, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64,
    "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": 2,
}  # fmt: skip
DISTIL = {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
MOBILE = {**SIDES, "embedding_size": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32}
FLAUBERT = {"n_words": 99, "vocab_size": 99, "emb_dim": 32, "n_layers": 2, "n_heads": 2}
T5 = {"vocab_size": 99, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
GPT = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "BertModel": ("BertConfig", SIDES),
    "BertForMaskedLM": ("BertConfig", SIDES),
    "BertForPreTraining": ("BertConfig", SIDES),
    "BertForSequenceClassification": ("BertConfig", {**SIDES, "num_labels": 3}),
    "RobertaModel": ("RobertaConfig", SIDES),
    "RobertaForMaskedLM": ("RobertaConfig", SIDES),
    "RobertaForTokenClassification": ("RobertaConfig", SIDES),
    "XLMRobertaForMaskedLM": ("XLMRobertaConfig", SIDES),
    "CamembertForMaskedLM": ("CamembertConfig", SIDES),
    "DistilBertModel": ("DistilBertConfig", DISTIL),
    "DistilBertForMaskedLM": ("DistilBertConfig", DISTIL),
    "ElectraModel": ("ElectraConfig", {**SIDES, "embedding_size": 16}),
    "ElectraForPreTraining": ("ElectraConfig", {**SIDES, "embedding_size": 16}),
    "ElectraForMaskedLM": ("ElectraConfig", {**SIDES, "embedding_size": 16}),
    "AlbertForMaskedLM": ("AlbertConfig", {**SIDES, "embedding_size": 16}),
    "MobileBertForMaskedLM": ("MobileBertConfig", MOBILE),
    "MPNetForMaskedLM": ("MPNetConfig", SIDES),
    "DebertaForMaskedLM": ("DebertaConfig", SIDES),
    "DebertaV2ForMaskedLM": ("DebertaV2Config", SIDES),
    "RemBertForMaskedLM": ("RemBertConfig", {**SIDES, "input_embedding_size": 16, "output_embedding_size": 24}),
    "RoFormerForMaskedLM": ("RoFormerConfig", SIDES),
    "ConvBertForMaskedLM": ("ConvBertConfig", {**SIDES, "embedding_size": 32}),
    "FunnelForMaskedLM": ("FunnelConfig", {"vocab_size": 99, "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64,
                                           "block_sizes": [2, 2]}),
    "XLNetLMHeadModel": ("XLNetConfig", {"vocab_size": 99, "d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}),
    "FlaubertWithLMHeadModel": ("FlaubertConfig", FLAUBERT),
    "LongformerForMaskedLM": ("LongformerConfig", {**SIDES, "attention_window": 8}),
    "GPT2Model": ("GPT2Config", GPT),
    "GPT2LMHeadModel": ("GPT2Config", GPT),
    "GPTJForCausalLM": ("GPTJConfig", {**GPT, "rotary_dim": 8}),
    "OPTForCausalLM": ("OPTConfig", {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                                     "ffn_dim": 64, "max_position_embeddings": 64, "word_embed_proj_dim": 32}),
    "T5Model": ("T5Config", T5),
    "T5ForConditionalGeneration": ("T5Config", T5),
    "MT5ForConditionalGeneration": ("MT5Config", T5),
    "BartModel": ("BartConfig", BOTH),
    "BartForConditionalGeneration": ("BartConfig", BOTH),
    "MBartForConditionalGeneration": ("MBartConfig", BOTH),
    "MarianMTModel": ("MarianConfig", BOTH),
    "PegasusForConditionalGeneration": ("PegasusConfig", BOTH),
    "BlenderbotForConditionalGeneration": ("BlenderbotConfig", BOTH),
}  # fmt: skip
"""Architecture -> its config, tiny."""
IN_SHARDS = "XLMRobertaForMaskedLM"
"""The model that is saved in several files."""
TOKENS = [[5, 17, 33, 60, 71, 8, 90, 12, 41, 3, 77, 25], [9, 9, 50, 61, 70, 88, 10, 11, 12, 13, 14, 15]]
TOLERANCE = 1e-4
ANSWER = "tensorflow.npz"


def write(folder: Path) -> None:
    """Save every model with random weights, and its outputs; in the environment with TensorFlow."""
    os.environ["TF_USE_LEGACY_KERAS"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1", "3"
    import numpy as np
    import tensorflow as tf
    import transformers

    for name, (config, sides) in MODELS.items():
        place = folder / name
        if (place / ANSWER).exists():
            continue
        tf.keras.utils.set_random_seed(7)
        try:
            model = getattr(transformers, f"TF{name}")(getattr(transformers, config)(**sides))
            model(inputs(name, tf.constant(TOKENS)))
            for weight in model.weights:  # norms and biases begin as ones and zeros, which would show no exchange
                weight.assign_add(tf.random.normal(weight.shape, stddev=0.1, dtype=weight.dtype))
            output = model(inputs(name, tf.constant(TOKENS)))[0].numpy()
        except Exception as error:  # some architectures need packages or sizes of their own
            print(f"{name}: not written ({type(error).__name__}: {str(error).splitlines()[0][:150]})", flush=True)
            continue
        model.save_pretrained(place, max_shard_size="60KB" if name == IN_SHARDS else "5GB")
        (place / "vocab.txt").write_text("\n".join(f"w{i}" for i in range(99)), "utf-8")
        np.savez(place / ANSWER, output=output)
        print(f"{name}: written", flush=True)


def inputs(name: str, tokens: Any) -> dict[str, Any]:
    """Give a model with a decoder the same tokens on both sides."""
    both = "Conditional" in name or name in ("T5Model", "BartModel", "MarianMTModel")
    return {"input_ids": tokens} | ({"decoder_input_ids": tokens} if both else {})


def compare(folder: Path) -> None:
    """Convert every model that was written, and print the largest difference of its outputs."""
    import numpy as np
    import torch
    import transformers

    from transfergain.checkpoint import convert, converter

    def here(source: str, weights: Any, half: Path) -> converter.Done:
        return converter.convert(converter.Order(source, tuple(map(str, weights)), str(half), 0))

    convert._in_its_process = here  # the same work in one process, which has its libraries loaded
    transformers.logging.set_verbosity_error()
    print("| architecture | largest difference of outputs | weights |\n|---|---|---|")
    failed = []
    for name in MODELS:
        if not (folder / name / ANSWER).exists():
            continue
        out = folder / f"{name}-safetensors"
        try:
            done = convert.convert(str(folder / name), str(out), force=True)
            model = getattr(transformers, done.architecture).from_pretrained(out, dtype=torch.float32).eval()
            with torch.no_grad():
                output = model(**inputs(name, torch.tensor(TOKENS)))[0].numpy()
        except Exception as error:
            failed.append(name)
            print(f"| {name} | {type(error).__name__}: {str(error).splitlines()[0][:300]} | |", flush=True)
            continue
        theirs = np.load(folder / name / ANSWER, allow_pickle=False)["output"]
        largest = float(np.abs(output - theirs).max())
        failed += [name] if largest > TOLERANCE else []
        print(f"| {name} | {largest:.1e} | {done.tensors} |", flush=True)
    print(json.dumps({"failed": failed}))
    sys.exit(bool(failed))


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))

"""Shared fixtures: tiny random checkpoints as `transformers` saves them, a small labelled file, the real corpora."""

import csv
import os
import random
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("TRANSFERGAIN_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

GOOD = "good fine lovely superb bright happy warm neat solid charming".split()
BAD = "bad poor ugly broken dull sad cold messy weak boring".split()
FILLER = "the a this that film book chair phone meal room was is very quite rather and with my our on in".split()


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the long validations too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long; run with --slow"))


@pytest.fixture(scope="session")
def real_data():
    """Folder of public corpora (TRANSFERGAIN_DATA, or beside the checkout); tests that need it skip without it."""
    if not REAL_DATA.exists():
        pytest.skip("the real corpora are not here")
    return REAL_DATA


def sentences(count, seed=0, extra=()):
    """`count` (text, label) pairs, balanced, all different, learnable from their opinion words."""
    rng = random.Random(seed)
    pairs, seen = [], set()
    while len(pairs) < count:
        label = "positive" if len(pairs) % 2 else "negative"
        words = [rng.choice(FILLER) for _ in range(rng.randint(3, 9))]
        words.insert(rng.randint(0, len(words)), rng.choice(GOOD if label == "positive" else BAD))
        words += extra
        text = " ".join(words)
        if text not in seen:
            seen.add(text)
            pairs.append((text, label))
    return pairs


def write_csv(path, rows, header=("text", "label")):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


@pytest.fixture
def reviews(tmp_path):
    """A csv of 300 labelled sentences."""
    return write_csv(tmp_path / "reviews.csv", sentences(300))


def build_tokenizer(kind):
    """A word-level tokenizer with the special tokens and template of the architecture's own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = {
        "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        "distilbert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        "roberta": ["<s>", "<pad>", "</s>", "<unk>"],
        "gpt2": ["<|endoftext|>"],
        "t5": ["<pad>", "</s>", "<unk>"],
        "bart": ["<s>", "<pad>", "</s>", "<unk>"],
    }[kind]
    vocabulary = {word: i for i, word in enumerate([*specials, *GOOD, *BAD, *FILLER])}
    unknown = next((s for s in specials if "unk" in s.lower()), specials[0])
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"unk_token": unknown}
    if kind in ("bert", "distilbert"):
        first, last = "[CLS]", "[SEP]"
        named |= {"pad_token": "[PAD]", "cls_token": first, "sep_token": last}
    elif kind in ("roberta", "bart"):
        first, last = "<s>", "</s>"
        named |= {"pad_token": "<pad>", "bos_token": first, "eos_token": last, "cls_token": first, "sep_token": last}
    elif kind == "t5":
        first, last = "", "</s>"
        named |= {"pad_token": "<pad>", "eos_token": last}
    else:
        first = last = ""
        named |= {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    if last:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}".strip(),
            special_tokens=[(s, vocabulary[s]) for s in (first, last) if s],
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **named)


def build_checkpoint(kind, folder, seed=0):
    """A tiny random model of the architecture with its tokenizer, written by `save_pretrained`."""
    import torch
    import transformers as t

    tokenizer = build_tokenizer(kind)
    v = len(tokenizer)
    pad = tokenizer.pad_token_id
    encoder = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = {
        "bert": lambda: t.BertConfig(vocab_size=v, pad_token_id=pad, max_position_embeddings=128, **encoder),
        "roberta": lambda: t.RobertaConfig(vocab_size=v, pad_token_id=pad, max_position_embeddings=130, **encoder),
        "distilbert": lambda: t.DistilBertConfig(
            vocab_size=v, pad_token_id=pad, max_position_embeddings=128, dim=32, n_layers=2, n_heads=2, hidden_dim=64
        ),
        "gpt2": lambda: t.GPT2Config(vocab_size=v, n_positions=128, n_embd=32, n_layer=2, n_head=2, bos_token_id=0,
                                     eos_token_id=0),
        "t5": lambda: t.T5Config(vocab_size=v, pad_token_id=pad, eos_token_id=tokenizer.eos_token_id,
                                 decoder_start_token_id=pad, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2),
        "bart": lambda: t.BartConfig(vocab_size=v, pad_token_id=pad, bos_token_id=0, eos_token_id=tokenizer.eos_token_id,
                                     decoder_start_token_id=tokenizer.eos_token_id, d_model=32, encoder_layers=2,
                                     decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
                                     encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=128),
    }[kind]()  # fmt: skip
    torch.manual_seed(seed)
    t.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """kind -> folder of a tiny random checkpoint, built on first use."""
    built = {}

    def get(kind="bert"):
        if kind not in built:
            built[kind] = build_checkpoint(kind, tmp_path_factory.mktemp(kind))
        return built[kind]

    return get

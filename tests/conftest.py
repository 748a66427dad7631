"""Shared fixtures: tiny random checkpoints as `transformers` saves them, a small labelled file, the real corpora."""

import csv
import errno
import json
import os
import random
import socket
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("TRANSFERGAIN_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

GOOD = "good fine lovely superb bright happy warm neat solid charming".split()
BAD = "bad poor ugly broken dull sad cold messy weak boring".split()
FILLER = "the a this that film book chair phone meal room was is very quite rather and with my our on in".split()
PEOPLE = "ada lovelace noor babbage mira okafor tomas jean-paul".split()
"""Eight names, each two of which may be first name and surname; some are several tokens."""
PLACES = "london paris cairo lima oslo kyoto new-york saint-denis".split()
FRENCH = "le un ce cela cinema livre chaise telephone repas salle etait est tres assez plutot et avec mon notre sur dans"
FRENCH = dict(zip(FILLER, FRENCH.split(), strict=True))
ASKED = "who where what".split()
UNUSED = [f"unused{i}" for i in range(60)]
"""Tokens that no text has, so that most of a vocabulary is not met, as ever."""
NAMES = [part for name in PEOPLE + PLACES for part in name.split("-")]
WORDS = [*GOOD, *BAD, *FILLER, *FRENCH.values(), *NAMES, "-", *ASKED, *UNUSED]
"""What the tiny tokenizers know."""


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the long validations too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long; run with --slow"))


@pytest.fixture(scope="session", autouse=True)
def this_machine_alone():
    """Tests connect to nothing but this machine: elsewhere there is no network, as far as they can see."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def near(host):
        return host in (None, "", "localhost", "::1") or str(host).startswith("127.") or host == socket.gethostname()

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not near(address[0]):
            raise OSError(errno.ENETUNREACH, "network is unreachable: tests stay on this machine")
        return connect(self, address)

    def guarded_look_up(host, *rest, **more):
        if not near(host) and not str(host).replace(".", "").isdigit():
            raise socket.gaierror(socket.EAI_AGAIN, "tests stay on this machine")
        return look_up(host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


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


def tagged(count, seed=0):
    """`count` (words, BIO tags) pairs, all different, learnable from their names; every seventh without any."""
    rng, pairs = random.Random(f"ner {seed}"), {}
    while len(pairs) < count:
        chunks = [([rng.choice(FILLER)], ["O"]) for _ in range(rng.randint(3, 7))]
        for _ in range(rng.randint(1, 2) if len(pairs) % 7 else 0):
            first, last, place = rng.choice(PEOPLE), rng.choice(PEOPLE), rng.choice(PLACES)
            chunk = rng.choice([([first], ["B-PER"]), ([first, last], ["B-PER", "I-PER"]), ([place], ["B-LOC"])])
            chunks.insert(rng.randint(0, len(chunks)), chunk)
        words, tags = ([part for chunk in chunks for part in chunk[side]] for side in (0, 1))
        pairs.setdefault(tuple(words), (words, tags))
    return list(pairs.values())


def write_conll(path, pairs):
    Path(path).write_text("\n\n".join("\n".join(map(" ".join, zip(*pair, strict=True))) for pair in pairs) + "\n", "utf-8")
    return str(path)


def articles(count, seed=0):
    """`count` articles as SQuAD's JSON has them, with three questions each that have an answer and one that has none."""
    rng = random.Random(f"qa {seed}")
    return [_article(rng, f"article {seed}-{i}") for i in range(count)]


def _article(rng, title):
    *here, absent = rng.sample(PEOPLE, 4)
    where = dict(zip(here, rng.sample(PLACES, 3), strict=True))
    said = [f"{name} was in {place} with {rng.choice(FILLER)} {rng.choice(GOOD)}" for name, place in where.items()]
    context = " ".join(said)
    asked = [(f"where was {here[0]}", where[here[0]]), (f"who was in {where[here[1]]}", here[1])]
    asked += [(f"where was {here[2]}", where[here[2]]), (f"where was {absent}", None)]
    qas = [
        {
            "id": f"{title} {number}",
            "question": question,
            "answers": [{"text": answer, "answer_start": context.index(answer)}] if answer else [],
            "is_impossible": answer is None,
        }
        for number, (question, answer) in enumerate(asked)
    ]
    return {"title": title, "paragraphs": [{"context": context, "qas": qas}]}


def write_squad(path, found):
    Path(path).write_text(json.dumps({"version": "v2.0", "data": found}), "utf-8")
    return str(path)


def translations(count, seed=0):
    """`count` (French, English) pairs, all different, word by word each other's translation."""
    rng, pairs = random.Random(f"translation {seed}"), {}
    while len(pairs) < count:
        words = rng.choices(FILLER, k=rng.randint(3, 7))
        pairs.setdefault(" ".join(FRENCH[w] for w in words), " ".join(words))
    return list(pairs.items())


def write_parallel(path, pairs):
    """Writes PATH.fr and PATH.en; returns the first."""
    for ending, side in (("fr", 0), ("en", 1)):
        Path(f"{path}.{ending}").write_text("".join(pair[side] + "\n" for pair in pairs), "utf-8")
    return f"{path}.fr"


@pytest.fixture
def reviews(tmp_path):
    """A csv of 300 labelled sentences."""
    return write_csv(tmp_path / "reviews.csv", sentences(300))


SPECIALS = {
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "distilbert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "roberta": ["<s>", "<pad>", "</s>", "<unk>"],
    "gpt2": ["<|endoftext|>"],
    "t5": ["<pad>", "</s>", "<unk>"],
    "bart": ["<s>", "<pad>", "</s>", "<unk>"],
    "marian": ["</s>", "<unk>"],
}
TEMPLATES = {
    "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "distilbert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]"),
    "roberta": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
    "t5": ("$A </s>", "$A </s> $B </s>"),
    "bart": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
    "marian": ("$A </s>", "$A $B </s>"),
}
"""One text and a pair of them, as each architecture's own tokenizer writes them; GPT-2's adds nothing."""
NAMED = {
    "bert": {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
    "roberta": {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"},
    "t5": {"pad_token": "<pad>", "eos_token": "</s>"},
    "gpt2": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
}
NAMED |= {"distilbert": NAMED["bert"], "bart": NAMED["roberta"], "marian": NAMED["t5"]}


def build_tokenizer(kind):
    """A word-level tokenizer with the special tokens and templates of the architecture's own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    last = ["<pad>"] if kind == "marian" else []
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*SPECIALS[kind], *WORDS, *last]))}
    unknown = next((s for s in SPECIALS[kind] if "unk" in s.lower()), SPECIALS[kind][0])
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if kind in TEMPLATES:
        single, pair = TEMPLATES[kind]
        used = [(s, vocabulary[s]) for s in SPECIALS[kind] if s in single]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=used)
    names = ["input_ids", *(["token_type_ids"] if kind == "bert" else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, unk_token=unknown, model_input_names=names, **NAMED[kind]
    )


GENERATION = {
    "bart": {"num_beams": 4, "no_repeat_ngram_size": 3, "early_stopping": True, "max_length": 20},
    "marian": {"num_beams": 6, "max_length": 512, "renormalize_logits": True},
}
"""What published checkpoints of these kinds would rather have, and a recipe overrides."""


def build_checkpoint(kind, folder, seed=0, auto_class="AutoModel", spread=0.02):
    """A tiny random model of the architecture with its tokenizer, written by `save_pretrained`.

    `spread` is the standard deviation of weights, but for T5, which has its own; 0.02 is usual, and says much the same of
    every text.
    """
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
        "marian": lambda: t.MarianConfig(vocab_size=v, pad_token_id=pad, eos_token_id=tokenizer.eos_token_id,
                                         forced_eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=pad, d_model=32,
                                         encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                                         decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
                                         max_position_embeddings=128),
    }[kind]()  # fmt: skip
    for name in {"initializer_range", "init_std"} & vars(config).keys():
        setattr(config, name, spread)
    torch.manual_seed(seed)
    model = getattr(t, auto_class).from_config(config)
    if model.can_generate():
        for name, value in GENERATION.get(kind, {}).items():
            setattr(model.generation_config, name, value)
        if kind == "marian":
            model.generation_config.bad_words_ids = [[pad]]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """(kind, auto class) -> folder of a tiny random checkpoint, built on first use."""
    built = {}

    def get(kind="bert", auto_class="AutoModel"):
        if (kind, auto_class) not in built:
            built[kind, auto_class] = build_checkpoint(kind, tmp_path_factory.mktemp(kind), auto_class=auto_class)
        return built[kind, auto_class]

    return get

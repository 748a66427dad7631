"""Checkpoints under fire: a folder whose files are mutated either is refused in one line or trains, and reads nothing else.

The bytes of a case are the files of a folder, each behind a line with its name. An audit hook sees what Python opens,
compiles, runs and connects to meanwhile. `python tests/fuzz/checkpoint_folder.py` writes the seed anew.
"""

import copy
import functools
import json
import resource
import struct
import sys
import tempfile
from pathlib import Path

MOST_BYTES = 2 * 2**30
"""Memory that a process may have come to after any case."""
FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.json")
MARK = b"\x1c\x1c%s\n"
SEED = Path(__file__).parent / "seeds" / "checkpoint"
WORDS = "good bad film is very the a".split()
OWN = (
    *(str(Path(place).resolve()) for place in {sys.prefix, sys.base_prefix, *sys.path} if place),
    *("/proc", "/sys", "/usr/lib", "/usr/share", "/usr/local/lib", "/dev/null", "/etc/ld", "/etc/local"),
)
"""Where the interpreter and its packages read."""


class Trespass(BaseException):
    """Something was opened, run or called that is none of the checkpoint's files; no Exception, so that nothing hides it."""


class Guard:
    """Notes what happens while a case is loaded; a hook of Python's cannot be removed, so it has a switch."""

    def __init__(self):
        self.folder, self.seen = "", []
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if not self.folder:
            return
        if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
            self.seen.append(f"{event} {arguments[1:]}")
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            self.seen.append(f"{event} {arguments[0]}")
        elif event in ("exec", "compile"):
            file = arguments[1] if event == "compile" else getattr(arguments[0], "co_filename", "")
            if self._is_foreign(str(file)):
                self.seen.append(f"{event} {file}")
        elif event == "open" and isinstance(arguments[0], str | bytes) and not self._may_open(arguments[0]):
            self.seen.append(f"open {arguments[0]!r}")

    def _is_foreign(self, file):
        return file.startswith((self.folder, tempfile.gettempdir())) or "transformers_modules" in file

    def _may_open(self, path):
        place = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
        return not place.startswith("/") or place.startswith((self.folder, f"{tempfile.gettempdir()}/transfergain-", *OWN))


@functools.cache
def guard():
    return Guard()


def pack(folder):
    """The files of a folder as the bytes of a case."""
    found = [(name, folder / name) for name in FILES]
    return b"".join(MARK % name.encode() + path.read_bytes() for name, path in found if path.exists())


def unpack(content, folder):
    """Write the bytes of a case as files; what has no known name is left out."""
    for part in content.split(b"\x1c\x1c")[1:]:
        name, _, text = part.partition(b"\n")
        if name.decode("utf-8", "replace") in FILES:
            (folder / name.decode()).write_bytes(text)


def load(content, folder):
    """Resolve and try a checkpoint as `transfergain run` does; after `warm_up`."""
    watch = guard()
    watch.folder, watch.seen = str(folder), []
    try:
        attempt(content, folder)
    finally:
        watch.folder = ""
        if watch.seen:
            raise Trespass(watch.seen[0])
        if (used := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) > MOST_BYTES:
            raise Trespass(f"{used:,} bytes of memory")


def attempt(content, folder):
    """Write the files and try them."""
    from transfergain.checkpoint import resolve
    from transfergain.running.tryout import Sample, try_out
    from transfergain.types import Example

    (folder / "model").mkdir()
    unpack(content, folder / "model")
    sample = Sample("reviews", "sentiment", ("bad", "good"), [Example({"text": "a good film"}, 1)], 16, {}, {})
    try_out(resolve(str(folder / "model")), [sample], "cpu", "fp32")


@functools.cache
def warm_up():
    """Import what trials need, so that the guard sees cases alone."""
    with tempfile.TemporaryDirectory() as folder:
        attempt(SEED.read_bytes(), Path(folder))


def write_seed():
    """Save a checkpoint that is as small as any."""
    import transformers as t
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = t.BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                              intermediate_size=8, max_position_embeddings=32)  # fmt: skip
        t.BertModel(config).save_pretrained(folder)
        kept = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **kept).save_pretrained(folder)
        SEED.parent.mkdir(exist_ok=True)
        SEED.write_bytes(pack(folder))


def edit(number, content):
    """Change some values of one of the JSON files, or of the header of the weights, so that it stays JSON."""
    parts = dict(part.split(b"\n", 1) for part in content.split(b"\x1c\x1c")[1:])
    names = sorted(parts)
    name = names[number(len(names))]
    weights = name.endswith(b".safetensors")
    length = struct.unpack("<Q", parts[name][:8])[0] if weights else 0
    whole = json.loads(parts[name][8 : 8 + length] if weights else parts[name])
    for _ in range(number(3) + 1):
        place = whole
        while isinstance(inner := _child(place, number), dict | list) and inner and number(3):
            place = inner
        if isinstance(place, list):
            place[number(len(place))] = copy.deepcopy(VALUES[number(len(VALUES))])
        else:
            keys = [*place, *KEYS]
            place[keys[number(len(keys))]] = copy.deepcopy(VALUES[number(len(VALUES))])
    text = json.dumps(whole).encode()
    parts[name] = struct.pack("<Q", len(text)) + text + parts[name][8 + length :] if weights else text
    return b"".join(MARK % key + text for key, text in parts.items())


def _child(place, number):
    values = list(place.values()) if isinstance(place, dict) else place
    return values[number(len(values))] if values else None


KEYS = (
    "auto_map", "quantization_config", "attn_implementation", "transformers_weights", "vocab_file", "tokenizer_file",
    "fast_tokenizer_files", "problem_type", "is_encoder_decoder", "num_labels", "id2label", "tokenizer_class", "dtype",
    "model_type", "hidden_act", "num_key_value_heads", "encoder", "decoder", "text_config", "added_tokens_decoder",
    "extra_special_tokens", "chat_template", "weight_map", "a", "padding_side", "rope_scaling", "torch_dtype",
    "pruned_heads",
)  # fmt: skip
"""Names that edits add."""
VALUES = (
    0, 1, -1, 3, 7.5, 10**9, 10**20, 2**63, 1e308, None, True, False, "", "x", "/etc/passwd", "../x.safetensors", "gpt2",
    "t5", "roberta", "encoder-decoder", "MarianTokenizer", "LlamaTokenizer", "float8_e4m3fn", "relu", "org/kernel",
    "regression", [], {}, ["x"], [1, 2], {"x": 1}, {"0": "x"}, {"AutoConfig": "evil.Evil"}, {"quant_method": "gptq"},
    [["x"]], {"model_type": "bert"},
)  # fmt: skip
"""What edits write."""
MUTATIONS = tuple(
    word.encode()
    for word in (
        '"hidden_size": 1000000000', '"num_hidden_layers": 1000000000', '"num_attention_heads": 0', '"vocab_size": 3',
        '"model_type": "gpt2"', '"model_type": "t5"', '"model_type": "encoder-decoder"', '"model_type": "x"',
        '"auto_map": {"AutoConfig": "evil.Evil"}', '"quantization_config": {"quant_method": "gptq"}',
        '"attn_implementation": "org/kernel"', '"transformers_weights": "../x.safetensors"', '"vocab_file": "/etc/passwd"',
        '"hidden_act": "no"', '"problem_type": "regression"', '"is_decoder": true', '"tokenizer_class": "MarianTokenizer"',
        '"dtype": "float8"', '"pad_token_id": -1', '"type_vocab_size": 0', "null", "[]", "{}", "-1", "1e999", "NaN", '"x"',
        "99999999999999999999", '"weight_map": {"a": "../w.bin"}', '"F32"', '"shape": [-1]', '"data_offsets": [0, 9]', ",",
    )
)  # fmt: skip
"""What mutations put in."""

if __name__ == "__main__":
    write_seed()

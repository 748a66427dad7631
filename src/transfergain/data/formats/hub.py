"""Read data sets of the Hub, and those that `datasets` saved to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transfergain.data.formats import class_names
from transfergain.data.formats.table import SPLIT_NAMES, Table
from transfergain.errors import UserError


def read_hub(name: str, config: str | None) -> dict[str, Table]:
    """Read a Hub data set by name with `datasets`; splits are renamed to train, validation and test.

    Without a connection, the copy in the cache. Raises UserError when there is none, or no such data set.
    """
    import datasets

    datasets.disable_progress_bars()
    offline = datasets.config.HF_HUB_OFFLINE
    try:
        datasets.config.HF_HUB_OFFLINE = offline or not _hub_answers(name)
        loaded = datasets.load_dataset(name, config)
    except Exception as error:
        # `datasets` raises many types here (connection, missing, gated, several configs, scripts). All are for the
        # user to mend, and the first line of the message says which it is.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f'cannot load the data set "{name}" from the Hub: {reason[:300]} (offline? give --train-file instead)'
        ) from None
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
    return _from_dataset_dict(loaded, name)


def read_saved(folder: Path) -> dict[str, Table]:
    """Read a folder that `datasets.save_to_disk` wrote. Raises UserError naming the folder."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # a broken folder shows as an error of json, pyarrow or the file system
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder}: cannot be read as a data set that save_to_disk wrote ({reason[:200]})") from None
    return _from_dataset_dict(loaded if isinstance(loaded, dict) else {"train": loaded}, folder.name)


def _hub_answers(name: str) -> bool:
    """Tell by one request whether there is a connection: `datasets` itself retries for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().dataset_info(name, timeout=10)
    except (HfHubHTTPError, HFValidationError):
        return True  # it answered, or need not be asked; `datasets` says best what is wrong
    except Exception:  # the connection errors of whichever HTTP library the Hub client uses
        return False
    return True


def _from_dataset_dict(loaded: Any, name: str) -> dict[str, Table]:
    """Make tables of a DatasetDict, with class names for class indices."""
    tables: dict[str, Table] = {}
    for split, names in SPLIT_NAMES.items():
        found = next((key for key in names if key in loaded), None)
        if found is None:
            continue
        data = loaded[found]
        tables[split] = class_names.named(Table(f"{name}[{found}]", data.to_list()), data.features)
    if "train" not in tables:
        raise UserError(f'the data set "{name}" has no train split; it has: {", ".join(loaded)}')
    return tables

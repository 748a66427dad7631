"""Load a study from flags and a TOML file, and say in one line what is wrong with either."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transfergain.errors import UserError, nearest
from transfergain.options import flag_of
from transfergain.study.data_keys import TaskEntry
from transfergain.study.keys import QUICK, Study
from transfergain.tasks import TASKS

UNION_MEMBERS = ("auto", "constrained-int", "list[constrained-int]", "literal['auto']", "str", "dict[str,str]")
KEYS_FOR_ALL = ("budgets", "seeds", "max_seeds", "batch_size", "epochs", "min_steps", "warmup_steps", "patience")
"""Keys of a data set that a flag sets for all of a study's."""


def load(flags: Mapping[str, Any], file: str | None = None) -> Study:
    """Load a study from a TOML file and flags, which override the file.

    Raises UserError naming the file or flag and the nearest key.
    """
    raw = {} if file is None else _read_toml(file)
    if isinstance(raw.get("tasks"), list):
        if clash := [k for k in flags if k in TaskEntry.model_fields and k not in KEYS_FOR_ALL]:
            raise UserError(f"{flag_of(clash[0])} cannot be given beside the [[tasks]] of {file}; edit the file")
        given = {key: flags[key] for key in KEYS_FOR_ALL if key in flags}
        raw["tasks"] = [{**e, **given} if isinstance(e, dict) else e for e in raw["tasks"]]
    _refuse_beside_quick(raw, flags, file)
    _refuse_foreign(raw | dict(flags), flags, file)
    try:
        return Study.model_validate(raw | dict(flags))
    except ValidationError as error:
        raise UserError(_explain(error, flags, file)) from None


def load_keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check some keys of a study by themselves, as `load` does."""
    study = load(given)
    return {key: getattr(study, key) for key in given}


def _read_toml(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file}: no such study file; check the path") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read as a study file ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid TOML ({error})") from None


def _explain(error: ValidationError, flags: Mapping[str, Any], file: str | None) -> str:
    """Put the first complaint into one line that names the flag, or the file and the key: `study.toml: tasks.1.budgets`."""
    first = error.errors()[0]
    # pydantic adds the member of a union that it tried last, which is not a key that the user gave.
    keys = [str(part) for part in first["loc"] if part not in UNION_MEMBERS]
    flag = next((k for k in keys if k in flags), None)
    where = flag_of(flag) if flag else f"{file or 'study'}: {'.'.join(keys)}"
    if first["type"] == "extra_forbidden":
        key, inside = keys[-1], keys[0] == "tasks"
        if inside and key in Study.model_fields:
            return f'{file or "study"}: "{key}" belongs above the [[tasks]], not into one of them'
        known = TaskEntry.model_fields if inside else Study.model_fields
        return f'{file or "study"}: unknown key "{key}".{nearest(key, known)}'
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    new = isinstance(given, int | float) or (isinstance(given, str) and given not in message)
    shown = f" (given: {given!r})" if new else ""
    return f"{where}: {message[0].lower() + message[1:]}{shown}"


def _refuse_beside_quick(raw: Mapping[str, Any], flags: Mapping[str, Any], file: str | None) -> None:
    """Raise UserError for what a quick study decides otherwise; the flag `--quick` may override a file."""
    given = flags if "quick" in flags else {**raw, **flags}
    if not given.get("quick"):
        return
    if clash := [key for key, value in QUICK.items() if key in given and given[key] != value]:
        where = flag_of(clash[0]) if clash[0] in flags else f"{file}: {clash[0]}"
        decided = ", ".join(flag_of(key) for key in QUICK)
        raise UserError(f"{where} cannot be given beside --quick, which decides {decided}; leave one out")


def _refuse_foreign(raw: Mapping[str, Any], flags: Mapping[str, Any], file: str | None) -> None:
    """Raise UserError for an option of another task: it would change nothing, and the user meant something."""
    several = raw.get("tasks")
    entries = {f"tasks.{i}.": e for i, e in enumerate(several)} if isinstance(several, list) else {"": raw}
    for place, entry in entries.items():
        if not isinstance(entry, Mapping):
            continue
        name = {"task": TaskEntry.model_fields["task"].default, **raw, **entry}["task"]
        if not isinstance(name, str) or name not in TASKS:
            continue  # refused elsewhere
        for key in entry:
            users = [t.name for t in TASKS.values() if key in {option.name for option in t.options}]
            if users and name not in users:
                where = flag_of(key) if key in flags else f"{file or 'study'}: {place}{key}"
                tasks = f"task{'s' if len(users) > 1 else ''} {', '.join(users)}"
                if "task" in raw or "task" in entry:
                    raise UserError(f"{where} is for the {tasks}, not for {name}; leave it out")
                raise UserError(
                    f"{where} is for the {tasks}, and none given means {name}; add --task {users[0]}, or leave it out"
                )

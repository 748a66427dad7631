"""A study: what the user asked for, in a file, flags or Python, checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from transfergain.arms import ARMS, REFERENCE
from transfergain.data.prepare import DataSource
from transfergain.errors import UserError, nearest
from transfergain.perturbations import expand
from transfergain.tasks import TASKS
from transfergain.types import Recipe

UNION_MEMBERS = ("auto", "list[constrained-int]", "literal['auto']", "str", "dict[str,str]")
FOR_ALL = ("budgets", "seeds", "batch_size", "epochs", "min_steps", "evaluations", "patience")
"""Keys of a data set that a flag sets for all of a study's."""


def quarter(evaluations: int) -> int:
    """The default patience: a quarter of a run's evaluations, 4 of the usual 16, and 2 at least.

    A count that stayed the same would end a run of few evaluations never, and so call every such run unfinished.
    """
    return max(2, -(-evaluations // 4))


def _split_words(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


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
            users = [t.name for t in TASKS.values() if key in {*t.columns, *t.reading, *t.encoding}]
            if users and name not in users:
                where = f"--{key.replace('_', '-')}" if key in flags else f"{file or 'study'}: {place}{key}"
                tasks = f"task{'s' if len(users) > 1 else ''} {', '.join(users)}"
                raise UserError(f"{where} is for the {tasks}, not for {name}; leave it out")


class TaskEntry(BaseModel):
    """One data set of a study and the task it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = "sentiment"
    train_file: str | None = None
    validation_file: str | None = None
    test_file: str | None = None
    dataset_name: str | None = None
    dataset_config_name: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    tokens_column: str | None = None
    tags_column: str | None = None
    label_names: str | None = None
    label_map: str | dict[str, str] | None = None
    question_column: str | None = None
    context_column: str | None = None
    answers_column: str | None = None
    doc_stride: Annotated[int, Field(ge=0)] | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    source_prefix: str | None = None
    lowercase: bool | None = None
    max_target_length: Annotated[int, Field(ge=4, le=1024)] | None = None
    num_beams: Annotated[int, Field(ge=1, le=64)] | None = None
    shift: dict[str, str] = Field(default_factory=dict)
    adapt: dict[str, str] = Field(default_factory=dict)
    """Shift name -> file with labelled examples of its domain, to adapt trained models to it with."""
    budgets: list[Annotated[int, Field(ge=10)]] | Literal["auto"] = "auto"
    seeds: Annotated[int, Field(ge=1, le=500)] = 8
    max_length: Annotated[int, Field(ge=4, le=8192)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 16
    epochs: Annotated[int, Field(ge=1)] = Recipe.epochs
    min_steps: Annotated[int, Field(ge=1)] = Recipe.min_steps
    evaluations: Annotated[int, Field(ge=1, le=1000)] = Recipe.evaluations
    patience: Annotated[int, Field(ge=1)] = Field(default_factory=lambda checked: quarter(checked.get("evaluations", 0)))

    @field_validator("budgets", mode="before")
    @classmethod
    def _budgets(cls, value: Any) -> Any:
        if value == "auto":
            return value
        try:
            budgets = sorted({_whole(part) for part in _split_words(value)})
        except (TypeError, ValueError):
            budgets = []
        if not budgets:
            raise ValueError('must be whole numbers such as 64,256,1024, or "auto"')
        return budgets

    @field_validator("shift", "adapt", mode="before")
    @classmethod
    def _named_files(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError("must be name=FILE, a list of these, or a table of names and files")
        pairs = {}
        for part in parts:
            name, equals, path = str(part).partition("=")
            if not equals or not name.strip() or not path.strip():
                raise ValueError(f'"{part}" is not of the form name=FILE')
            if name.strip() in pairs:
                raise ValueError(f'two files are called "{name.strip()}"')
            pairs[name.strip()] = path.strip()
        return pairs

    @field_validator("label_map", mode="before")
    @classmethod
    def _label_map(cls, value: Any) -> Any:
        pairs = isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair)
        if value is None or isinstance(value, str) or pairs:
            return value
        raise ValueError("must be of the form TYPE=NEW,TYPE=NEW, or a table of types and their new names")

    @field_validator("task")
    @classmethod
    def _task(cls, value: str) -> str:
        if value not in TASKS:
            raise ValueError(f'unknown task "{value}".{nearest(value, TASKS)}')
        return value

    def tokens(self) -> int:
        """The most tokens of an input: as given, or the task's default."""
        return self.max_length or TASKS[self.task].max_length

    def given(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a task's options that the user gave."""
        return {key: value for key in options if (value := getattr(self, key)) is not None}

    def encoding(self) -> tuple[tuple[str, Any], ...]:
        """The task's settings of encoding and generation, as a recipe holds them."""
        options = TASKS[self.task].encoding
        return tuple(sorted((dict(options) | self.given(options)).items()))

    def source(self) -> DataSource:
        """Where the data comes from."""
        task = TASKS[self.task]
        return DataSource(
            train_file=self.train_file,
            validation_file=self.validation_file,
            test_file=self.test_file,
            dataset_name=self.dataset_name,
            dataset_config_name=self.dataset_config_name,
            options=self.given({**task.columns, **task.reading}),
            shifts=self.shift,
            targets=self.adapt,
        )


class Study(TaskEntry):
    """A whole study. Keys are those of the command line with underscores; `tasks` lists several data sets, each entry
    overriding the keys of the top level.
    """

    model: str = "builtin:minilm"
    revision: str | None = None
    trust_remote_code: bool = False
    arms: list[str] = list(ARMS)
    largest_only: list[str] = Field(default_factory=list)
    """Arms that run at the largest budget alone."""
    seed: Annotated[int, Field(ge=0, le=10**9)] = 0
    tune: Annotated[int, Field(ge=0, le=64)] = 4
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    vocabulary: Literal["seen", "whole"] = "seen"
    perturbations: list[str] = Field(default_factory=list)
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    device: str = "auto"
    workers: Annotated[int, Field(ge=0)] = 0
    """0, or "auto": chosen for the machine."""
    threads: Annotated[int, Field(ge=1)] = 1
    """CPU threads of each worker. One by default, so that results do not depend on the number of workers."""
    executor: str = "local"
    report_to: str = "none"
    """An experiment tracker, such as mlflow."""
    output_dir: str | None = None
    keep_models: Literal["best", "all", "none"] = "best"
    tasks: list[TaskEntry] = Field(default_factory=list)

    @field_validator("workers", mode="before")
    @classmethod
    def _workers(cls, value: Any) -> Any:
        return 0 if value == "auto" else value

    @field_validator("arms", "largest_only", mode="before")
    @classmethod
    def _known_arms(cls, value: Any) -> Any:
        arms = _split_words(value)
        if not isinstance(arms, list | tuple) or not all(isinstance(arm, str) for arm in arms):
            raise ValueError("must be arms such as scratch,full")
        for arm in arms:
            if arm not in ARMS:
                raise ValueError(f'unknown arm "{arm}".{nearest(arm, ARMS)}')
        return list(dict.fromkeys(arms))

    @field_validator("arms")
    @classmethod
    def _with_reference(cls, arms: list[str]) -> list[str]:
        if REFERENCE not in arms:
            raise ValueError(f'must include "{REFERENCE}", the reference of every gain')
        return arms

    @field_validator("largest_only")
    @classmethod
    def _without_reference(cls, arms: list[str]) -> list[str]:
        if REFERENCE in arms:
            raise ValueError(f'must not name "{REFERENCE}", which every budget is compared with')
        return arms

    @field_validator("perturbations", mode="before")
    @classmethod
    def _perturbations(cls, value: Any) -> Any:
        names = _split_words(value)
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError("must be none, fast, all, or names such as keyboard,drop@3")
        return expand(names)

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, raw: Any) -> Any:
        """Entries of `tasks` inherit the top level's data keys."""
        if isinstance(raw, dict) and isinstance(raw.get("tasks"), list):
            common = {k: v for k, v in raw.items() if k in TaskEntry.model_fields}
            entries = [common | dict(e) if isinstance(e, Mapping) else e for e in raw["tasks"]]
            return raw | {"tasks": entries}
        return raw

    def entries(self) -> list[TaskEntry]:
        """The data sets of the study."""
        return self.tasks or [TaskEntry(**{key: getattr(self, key) for key in TaskEntry.model_fields})]

    def folder(self) -> str:
        """The output folder: as given, or named after the data."""
        return self.output_dir or f"runs/{'-'.join(entry.source().name() for entry in self.entries())}"


def load(flags: Mapping[str, Any], file: str | None = None) -> Study:
    """A study from flags and, below them, a TOML file. Raises UserError naming the file or flag and the nearest key."""
    raw = {} if file is None else _read_toml(file)
    if isinstance(raw.get("tasks"), list):
        if clash := [k for k in flags if k in TaskEntry.model_fields and k not in FOR_ALL]:
            raise UserError(f"--{clash[0].replace('_', '-')} cannot be given beside the [[tasks]] of {file}; edit the file")
        given = {key: flags[key] for key in FOR_ALL if key in flags}
        raw["tasks"] = [{**e, **given} if isinstance(e, dict) else e for e in raw["tasks"]]
    _refuse_foreign(raw | dict(flags), flags, file)
    try:
        return Study.model_validate(raw | dict(flags))
    except ValidationError as error:
        raise UserError(_explain(error, flags, file)) from None


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
    """The first complaint as one line that names the flag, or the file and the key: `study.toml: tasks.1.budgets`."""
    first = error.errors()[0]
    # pydantic adds the member of a union that it tried last; that is no key of the user's.
    keys = [str(part) for part in first["loc"] if part not in UNION_MEMBERS]
    flag = next((k for k in keys if k in flags), None)
    where = f"--{flag.replace('_', '-')}" if flag else f"{file or 'study'}: {'.'.join(keys)}"
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

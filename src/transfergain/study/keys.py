"""Define the keys of a study, their bounds and their flags. `study.file` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from transfergain.arms import ARMS, REFERENCE
from transfergain.data.prepare import DataSource
from transfergain.errors import nearest, printable
from transfergain.options import Flag, Group, OptionKind
from transfergain.perturbations import GROUPS, PERTURBATIONS, expand
from transfergain.study.fields import with_options_of
from transfergain.study.times import seconds_of
from transfergain.tasks import TASKS
from transfergain.types import Recipe

NAMED_FILE = "NAME=FILE"
QUICK: Mapping[str, Any] = {"arms": ["scratch", "full"], "seeds": 3, "tune": 0}
"""Keys that a quick study decides, and how."""


def _split_words(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _lengths() -> str:
    """Say the default lengths of the tasks in words: `128, qa: 384`."""
    usual = next(iter(TASKS.values())).max_length
    return ", ".join([str(usual), *(f"{t.name}: {t.max_length}" for t in TASKS.values() if t.max_length != usual)])


@with_options_of(TASKS.values())
class TaskData(BaseModel):
    """Which data is read for which task, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[str, Flag(", ".join(TASKS), Group.INPUT, choices=tuple(TASKS))] = next(iter(TASKS))
    train_file: Annotated[
        str | None, Flag("csv, tsv, json, jsonl, parquet, CoNLL, SQuAD or parallel text; or .gz", Group.INPUT)
    ] = None
    validation_file: Annotated[str | None, Flag("dev set", Group.INPUT, default="carved from train")] = None
    test_file: Annotated[str | None, Flag("test set", Group.INPUT, default="carved from train")] = None
    dataset_name: Annotated[str | None, Flag("Hub data set, folder of splits, or builtin:TASK", Group.INPUT)] = None
    dataset_config_name: Annotated[str | None, Flag("configuration of the Hub data set", Group.INPUT)] = None

    @field_validator("task")
    @classmethod
    def _task(cls, value: str) -> str:
        if value not in TASKS:
            raise ValueError(f'unknown task "{value}".{nearest(value, TASKS)}')
        return value

    def given(self, kind: OptionKind) -> dict[str, Any]:
        """Collect the task's options of a kind that the user gave."""
        values = {option.name: getattr(self, option.name) for option in TASKS[self.task].options if option.kind & kind}
        return {name: value for name, value in values.items() if value is not None}


class TaskEntry(TaskData):
    """One data set of a study and the task it is for."""

    shift: Annotated[dict[str, str], Flag("test set of another domain; repeatable", Group.INPUT, metavar=NAMED_FILE)] = (
        Field(default_factory=dict)
    )
    adapt: Annotated[
        dict[str, str],
        Flag("labelled examples of a shift's domain, to adapt with; repeatable", Group.INPUT, metavar=NAMED_FILE),
    ] = Field(default_factory=dict)
    """Shift name -> file with labelled examples of its domain, to adapt trained models to it with."""
    budgets: Annotated[
        list[Annotated[int, Field(ge=10)]] | Literal["auto"],
        Flag("label budgets, train and dev together: 64,256,1024 or auto", Group.QUESTION),
    ] = "auto"
    seeds: Annotated[
        Annotated[int, Field(ge=1, le=500)] | Literal["auto"],
        Flag("replicates of every trial; auto: until it is clear", Group.QUESTION, type=str, choices=("auto",)),
    ] = "auto"
    max_seeds: Annotated[int, Field(ge=3, le=30), Flag("most replicates with --seeds auto", Group.QUESTION)] = 12
    max_length: Annotated[
        Annotated[int, Field(ge=4, le=8192)] | None,
        Flag("tokens", Group.TRAINING, default=_lengths(), spellings=("--max-seq-length",)),
    ] = None
    batch_size: Annotated[int, Field(ge=1), Flag("examples of a step", Group.TRAINING)] = 16
    epochs: Annotated[int, Field(ge=1), Flag("cap on epochs; training ends by itself before", Group.TRAINING)] = (
        Recipe.epochs
    )
    min_steps: Annotated[int, Field(ge=1), Flag("least step cap, for small budgets", Group.TRAINING)] = Recipe.min_steps
    warmup_steps: Annotated[int, Field(ge=0), Flag("steps of warm-up", Group.TRAINING)] = Recipe.warmup_steps
    patience: Annotated[
        float, Field(gt=0, lt=1), Flag("share of a run without progress on dev that ends it", Group.TRAINING)
    ] = Recipe.patience

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "auto" and not value.lstrip("+-").isdecimal():
            raise ValueError('must be a whole number such as 8, or "auto"')
        return value

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

    @field_validator("shift", "adapt")
    @classmethod
    def _printable_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name != printable(name):
                raise ValueError(f'the name "{name}" holds signs that cannot be shown; choose another')
        return value

    def tokens(self) -> int:
        """Give the most tokens of an input: as given, or the task's default."""
        return self.max_length or TASKS[self.task].max_length

    def encoding(self) -> tuple[tuple[str, Any], ...]:
        """Collect the task's settings of encoding and generation, as a recipe holds them."""
        return tuple(sorted((TASKS[self.task].defaults(OptionKind.ENCODING) | self.given(OptionKind.ENCODING)).items()))

    def source(self) -> DataSource:
        """Say where the data comes from."""
        return DataSource(
            train_file=self.train_file,
            validation_file=self.validation_file,
            test_file=self.test_file,
            dataset_name=self.dataset_name,
            dataset_config_name=self.dataset_config_name,
            options=self.given(OptionKind.PARSE),
            shifts=self.shift,
            targets=self.adapt,
        )


class Study(TaskEntry):
    """A whole study. Keys are those of the command line with underscores; `tasks` lists several data sets, each entry
    overriding the keys of the top level.
    """

    model: Annotated[
        str, Flag("Hub id, local folder, or builtin:minilm", Group.INPUT, spellings=("--model-name-or-path",))
    ] = "builtin:minilm"
    revision: Annotated[
        str | None, Flag("commit, tag or branch of the model", Group.INPUT, spellings=("--model-revision",))
    ] = None
    trust_remote_code: Annotated[bool, Flag("run code that the checkpoint brings", Group.INPUT)] = False
    quick: Annotated[
        bool,
        Field(strict=True),
        Flag(f"a taste: {' and '.join(QUICK['arms'])}, {QUICK['seeds']} seeds, default rates", Group.QUESTION),
    ] = False
    """Decides the keys of QUICK, those of a study file too."""
    arms: Annotated[
        list[str],
        Flag("ways to predict that are compared; without scratch, with a floor", Group.QUESTION, choices=tuple(ARMS)),
    ] = list(ARMS)
    largest_only: Annotated[
        list[str], Flag("of these, those run at the largest budget alone", Group.QUESTION, choices=tuple(ARMS))
    ] = Field(default_factory=list)
    """Arms that run at the largest budget alone."""
    seed: Annotated[int, Field(ge=0, le=10**9), Flag("base seed", Group.QUESTION)] = 0
    tune: Annotated[int, Field(ge=0, le=64), Flag("learning rates tried for each arm", Group.TRAINING)] = 0
    precision: Annotated[Literal["auto", "fp32", "bf16"], Flag("auto, fp32 or bf16", Group.TRAINING)] = "auto"
    vocabulary: Annotated[
        Literal["seen", "whole"],
        Flag("seen: leave out tokens that the data does not hold; or whole", Group.TRAINING),
    ] = "seen"
    perturbations: Annotated[
        list[str],
        Flag(
            "corrupt the test set: none, fast, all, or names: keyboard,drop@3",
            Group.QUESTION,
            default="none",
            choices=(*GROUPS, *PERTURBATIONS),
        ),
    ] = Field(default_factory=list)
    margin: Annotated[float, Field(ge=0, lt=1), Flag("smallest gain that matters, in score", Group.QUESTION)] = 0.01
    device: Annotated[str, Flag("auto, cpu, cuda, cuda:1, mps", Group.MACHINE, choices=("auto", "cpu", "cuda", "mps"))] = (
        "auto"
    )
    workers: Annotated[
        int,
        Field(ge=0),
        Flag("processes, or auto: as cores and memory allow", Group.MACHINE, default="auto", type=str, choices=("auto",)),
    ] = 0
    """0, or "auto": chosen for the machine."""
    threads: Annotated[int, Field(ge=1), Flag("CPU threads of a worker", Group.MACHINE)] = 1
    """CPU threads of each worker. One by default, so that results do not depend on the number of workers."""
    executor: Annotated[str, Flag("local, or ray: a cluster", Group.MACHINE)] = "local"
    time_limit: Annotated[
        str | None, Flag("end in time, with the findings of what is done: 90s, 20m, 1h30m", Group.MACHINE, metavar="TIME")
    ] = None
    report_to: Annotated[str, Flag("an experiment tracker: none, or mlflow", Group.OUTPUT)] = "none"
    output_dir: Annotated[str | None, Flag("folder of report, models and store", Group.OUTPUT, default="runs/NAME")] = None
    keep_models: Annotated[Literal["best", "all", "none"], Flag("best, all or none", Group.OUTPUT)] = "best"
    no_texts: Annotated[
        bool, Field(strict=True), Flag("keep no text of your data in any file that is written", Group.OUTPUT)
    ] = False
    tasks: list[TaskEntry] = Field(default_factory=list)

    @field_validator("workers", mode="before")
    @classmethod
    def _workers(cls, value: Any) -> Any:
        return 0 if value == "auto" else value

    @field_validator("time_limit", mode="before")
    @classmethod
    def _time_limit(cls, value: Any) -> Any:
        if value is not None:
            seconds_of(value)
        return value

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
    def _with_an_arm(cls, arms: list[str]) -> list[str]:
        if not arms:
            raise ValueError("must name an arm, such as full")
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
        return [f"{split.name}@{split.severity}" for split in expand(names)]

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, raw: Any) -> Any:
        """Let a quick study decide its keys, and entries of `tasks` inherit the top level's data keys."""
        if isinstance(raw, dict) and raw.get("quick") is True:
            raw = {**raw, **QUICK}
        if isinstance(raw, dict) and isinstance(raw.get("tasks"), list):
            common = {k: v for k, v in raw.items() if k in TaskEntry.model_fields}
            decided = {"seeds": raw["seeds"]} if raw.get("quick") is True else {}
            entries = [common | dict(e) | decided if isinstance(e, Mapping) else e for e in raw["tasks"]]
            return raw | {"tasks": entries}
        return raw

    def entries(self) -> list[TaskEntry]:
        """List the data sets of the study."""
        return self.tasks or [TaskEntry(**{key: getattr(self, key) for key in TaskEntry.model_fields})]

    def seconds(self) -> float | None:
        """Give the seconds that the study may take; None without a limit."""
        return None if self.time_limit is None else seconds_of(self.time_limit)

    def folder(self) -> str:
        """Give the output folder: as given, or named after the data."""
        return self.output_dir or f"runs/{'-'.join(entry.source().name() for entry in self.entries())}"

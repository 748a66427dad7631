"""Define the keys of one data set of a study: what is read, for which task, and how it is drawn and trained on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from transfergain.arms import ARMS
from transfergain.data.source import DataSource
from transfergain.errors import nearest
from transfergain.options import Flag, Group, OptionKind
from transfergain.study.fields import with_options_of
from transfergain.study.values import NamedFiles, NamedSeveral, split_words, whole
from transfergain.tasks import TASKS, floors
from transfergain.types import LEAST_BUDGET, Recipe

NAMED_FILE = "NAME=FILE"


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
        str | None,
        Flag(
            "csv, tsv, xlsx, json, jsonl, parquet, CoNLL, SQuAD, TMX, parallel text, fastText, or an export of doccano, "
            "Label Studio or Prodigy; plain, .gz or .zip",
            Group.INPUT,
        ),
    ] = None
    validation_file: Annotated[str | None, Flag("dev set", Group.INPUT, default="carved from train")] = None
    test_file: Annotated[str | None, Flag("test set", Group.INPUT, default="carved from train")] = None
    dataset_name: Annotated[str | None, Flag("Hub data set, folder of splits, or builtin:NAME", Group.INPUT)] = None
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

    shift: Annotated[NamedFiles, Flag("test set of another domain; repeatable", Group.INPUT, metavar=NAMED_FILE)] = Field(
        default_factory=dict
    )
    adapt: Annotated[
        NamedFiles,
        Flag("labelled examples of a shift's domain, to adapt with; repeatable", Group.INPUT, metavar=NAMED_FILE),
    ] = Field(default_factory=dict)
    """Shift name -> file with labelled examples of its domain, to adapt trained models to it with."""
    budgets: Annotated[
        list[Annotated[int, Field(ge=LEAST_BUDGET)]] | Literal["auto"],
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
    predictions: Annotated[
        NamedSeveral,
        Flag("predictions made elsewhere, compared with all arms; repeatable", Group.INPUT, metavar="NAME=FILE[,FILE]"),
    ] = Field(default_factory=dict)
    """Name -> files of predictions for the test set, each file a replicate (`data.given`)."""

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
            budgets = sorted({whole(part) for part in split_words(value)})
        except (TypeError, ValueError):
            budgets = []
        if not budgets:
            raise ValueError('must be whole numbers such as 64,256,1024, or "auto"')
        return budgets

    @field_validator("predictions")
    @classmethod
    def _new_names(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name in value:
            if name in ARMS or name in floors():
                kind = "an arm" if name in ARMS else "a floor"
                raise ValueError(f'"{name}" is the name of {kind}; choose another name for these predictions')
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

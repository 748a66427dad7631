"""Define the keys of a whole study, their bounds and their flags. `study.file` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from transfergain.arms import ARMS, DEFAULT_ARMS, REFERENCE
from transfergain.errors import nearest
from transfergain.options import Flag, Group
from transfergain.perturbations import GROUPS, PERTURBATIONS, expand
from transfergain.study.data_keys import TaskEntry
from transfergain.study.pretraining_keys import PretrainingKeys
from transfergain.study.times import seconds_of
from transfergain.study.values import split_words
from transfergain.types import LEAST_BUDGET

QUICK: Mapping[str, Any] = {"arms": ["scratch", "full"], "seeds": 3, "tune": 0}
"""Keys that a quick study decides, and how."""


class Study(TaskEntry, PretrainingKeys):
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
        Flag(
            "ways to predict that are compared; without scratch, with a floor",
            Group.QUESTION,
            default=", ".join(DEFAULT_ARMS),
            choices=tuple(ARMS),
        ),
    ] = Field(default_factory=lambda: list(DEFAULT_ARMS))
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
    forecast: Annotated[
        list[Annotated[int, Field(ge=LEAST_BUDGET)]],
        Flag("labels to forecast scores for: 1000,2000", Group.QUESTION, default="2 and 4 times the largest budget"),
    ] = Field(default_factory=list)
    target_error: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | None, Flag("how many labels for this error? 0.1 is 10 %", Group.QUESTION)
    ] = None
    label_cost: Annotated[
        Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, Flag("what one label costs", Group.QUESTION)
    ] = None
    currency: Annotated[str, Field(max_length=12), Flag("of --label-cost: EUR", Group.QUESTION, default="none")] = ""

    @field_validator("forecast", mode="before")
    @classmethod
    def _numbers_of_labels(cls, value: Any) -> Any:
        try:
            return sorted({int(part) for part in split_words(value)})
        except (TypeError, ValueError):
            raise ValueError("must be numbers of labels such as 1000,2000") from None

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
        arms = split_words(value)
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
        names = split_words(value)
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

"""Define the keys of arms that are pretrained on text without labels: which text, and for how long."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from transfergain.course import Course, courses
from transfergain.options import Flag, Group
from transfergain.study.values import NamedSeveral, split_words, whole


class PretrainingKeys(BaseModel):
    """What the arms `self` and `adapted` are pretrained on."""

    unlabelled_file: Annotated[
        list[str],
        Flag(
            "text without labels that self and adapted are pretrained on; repeatable",
            Group.INPUT, default="the training texts", type=list[str], metavar="FILE",
        ),
    ] = Field(default_factory=list)  # fmt: skip
    unlabelled: Annotated[
        NamedSeveral,
        Flag("another corpus, pretrained on beside the first; repeatable", Group.INPUT, metavar="NAME=FILE[,FILE]"),
    ] = Field(default_factory=dict)
    """Name -> files of a further corpus."""
    pretrain_steps: Annotated[
        list[Annotated[int, Field(ge=1)]],
        Flag("steps of pretraining of self and adapted, or several: 500,2000", Group.TRAINING, default="2000"),
    ] = Field(default_factory=lambda: [2000])
    """Ascending. The arms are pretrained for the most of them; see `courses`."""
    pretraining_seeds: Annotated[
        int, Field(ge=1, le=100), Flag("pretrainings of self and adapted, shared out among the seeds", Group.QUESTION)
    ] = 1

    @field_validator("unlabelled_file", mode="before")
    @classmethod
    def _unlabelled_files(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("pretrain_steps", mode="before")
    @classmethod
    def _steps(cls, value: Any) -> Any:
        parts = split_words(value)
        try:
            steps = sorted({whole(part) for part in (parts if isinstance(parts, list | tuple) else [parts])})
        except (TypeError, ValueError):
            steps = []
        if not steps:
            raise ValueError("must be whole numbers such as 500,2000")
        return steps

    def courses(self) -> list[Course]:
        """List what the arms are pretrained on, first what they are named for; see `course.courses`."""
        return courses(self.pretrain_steps, self.unlabelled)

"""The public interface in Python; the command line runs studies through it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from transfergain.errors import Interrupted as Interrupted
from transfergain.errors import UserError
from transfergain.report.notebook import StudyFindings
from transfergain.report.steps import in_keywords
from transfergain.running import comparing, pretraining, ranking
from transfergain.running.comparing import Comparison
from transfergain.running.pretraining import Finished
from transfergain.running.ranking import MOST_EXAMPLES, Ranking
from transfergain.running.study_run import carry_out
from transfergain.study import Study, load


def run(config: str | Path | None = None, *, quiet: bool = False, **keys: Any) -> StudyFindings:
    """Run a study and return its findings; the keys are those of a study file, which `config` may name. Paths may be
    strings or `Path` objects.

    Continues where an earlier run into the same `output_dir` ended. Raises UserError, which names keys and no flags, for
    what the user can mend, and Interrupted on Ctrl-C, after writing the findings of what is done. A study whose
    `time_limit` is over returns those.
    """
    try:
        study = load({key: _plain(value) for key, value in keys.items()}, None if config is None else str(config))
        return run_study(study, Console(quiet=quiet))
    except UserError as error:
        raise UserError(in_keywords(str(error))) from None


def rank(models: Sequence[str | Path], *, examples: int = MOST_EXAMPLES, quiet: bool = False, **keys: Any) -> Ranking:
    """Rank checkpoints by what to expect from them on your data, before anything is trained; the keys say which data.

    Returns the rows, the most promising first, with `to_dicts`, `to_frame` and `to_json`. Raises UserError, which names keys
    and no flags, for what the user can mend; a checkpoint that cannot be read is a row with the reason.
    """
    try:
        study = load({key: _plain(value) for key, value in keys.items()}, None)
        return ranking.rank([str(model) for model in models], study, examples, Console(quiet=quiet))
    except UserError as error:
        raise UserError(in_keywords(str(error))) from None


def compare_predictions(
    a: str | Path | Sequence[str | Path], b: str | Path | Sequence[str | Path], *, test_file: str | Path, **keys: Any
) -> Comparison:
    """Compare two systems by their predictions for a test file, without any study; the keys say how the file is read.

    Several files of one system are replicates of it. Returns the rows with `to_dicts`, `to_frame` and `to_json`. Raises
    UserError, which names keys and no flags, for what the user can mend.
    """
    sides = [[str(file) for file in (side if isinstance(side, list | tuple) else [side])] for side in (a, b)]
    try:
        study = load({key: _plain(value) for key, value in {**keys, "test_file": test_file}.items()}, None)
        return comparing.compare(sides[0], sides[1], study)
    except UserError as error:
        raise UserError(in_keywords(str(error))) from None


def pretrain(
    *, unlabelled_file: str | Path | Sequence[str | Path], output_dir: str | Path, quiet: bool = False, **keys: Any
) -> Finished:
    """Pretrain a checkpoint further on text without labels, or its architecture with `from_scratch`, into a new checkpoint.

    The keys are the flags of `transfergain pretrain`: `model`, `steps`, `epochs`, `time_limit` and so on. A run that was
    killed goes on. Raises UserError, which names keys and no flags, for what the user can mend.
    """
    files = [unlabelled_file] if isinstance(unlabelled_file, str | Path) else unlabelled_file
    try:
        plain = {key: _plain(value) for key, value in keys.items()}
        return pretraining.pretrain(
            Console(quiet=quiet), output_dir=str(output_dir), unlabelled_file=[str(file) for file in files], **plain
        )
    except UserError as error:
        raise UserError(in_keywords(str(error))) from None


def run_study(study: Study, console: Console, verbose: bool = False, began: float | None = None) -> StudyFindings:
    """Run a checked study, showing progress on the console; see `run` for what is raised and `carry_out` for `began`."""
    findings, signal = carry_out(study, console, verbose, began)
    if signal is not None:
        raise Interrupted(findings, signal)
    return findings


def _plain(value: Any) -> Any:
    """Turn paths into strings, within lists and dicts too."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value

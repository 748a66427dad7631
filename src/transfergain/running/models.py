"""The trained models that a study keeps in its output folder, and the states of trainings that are not done."""

from __future__ import annotations

import shutil
from pathlib import Path

from transfergain.outcome import Outcome
from transfergain.report.next_steps import is_whole
from transfergain.running.planner import Planner
from transfergain.store import Store
from transfergain.types import Phase, Status, TrialSpec

FEATURES_FOLDER = ".features"
"""The folder of an output folder that holds features of frozen encoders, as long as the study runs."""
PRETRAINED_FOLDER = "pretrained"
"""The folder of an output folder that holds the checkpoints that a study pretrained, each under the id of its trial."""
TRIAL_ID_FILE = "trial"
"""The file of a kept model that holds the id of its trial."""


KEPT = "kept_models"
"""Key of the store's mapping of kept models, by folder, to their trials."""


class Models:
    """Where trials save their models, and which of them stay (`--keep-models`)."""

    def __init__(self, planner: Planner, store: Store) -> None:
        self._planner, self._store = planner, store
        self._folder = store.path.parent / "models"
        self._unfinished = self._folder / ".unfinished"
        self._states = store.path.parent / ".states"
        self._pretrained = store.path.parent / PRETRAINED_FOLDER

    def clear_unfinished(self) -> None:
        """Remove what trials that did not finish have saved. Not while workers run."""
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def save_to(self, spec: TrialSpec) -> Path | None:
        """Name the folder that a trial saves its model to; None for most: those of reported trials at the data set's
        largest budget are kept.
        """
        if spec.phase == Phase.PRETRAIN:
            return self._unfinished / spec.id
        largest = max(self._planner.budgets[spec.dataset])
        if self._planner.study.keep_models == "none" or spec.recipe is None or self._planner.is_of_other_course(spec):
            return None
        return self._unfinished / spec.id if spec.phase == Phase.REPORT and spec.budget == largest else None

    def state(self, spec: TrialSpec) -> Path | None:
        """Name the file that a long training keeps its state in, so that it goes on after a kill; None for floors."""
        return None if spec.recipe is None else self._states / f"{spec.id}.state"

    def clear_states(self) -> None:
        """Remove what trainings of trials that are done have left, and half-written states. Not while workers run."""
        status = self._store.status()
        for file in self._states.glob("*"):
            if file.suffix != ".state" or status.get(file.stem) == Status.DONE:
                file.unlink(missing_ok=True)
        if self._states.exists() and not any(self._states.iterdir()):
            self._states.rmdir()

    def clear_features(self) -> None:
        """Remove the features of frozen encoders. Not while workers run."""
        shutil.rmtree(self._store.path.parent / FEATURES_FOLDER, ignore_errors=True)

    def keep(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Move a saved model to its place: each one (`all`), or the arm's seed with the best dev score (`best`)."""
        saved = self.save_to(spec)
        if saved is None or not saved.exists():
            return
        if spec.phase == Phase.PRETRAIN:  # every one stays: trials to come start from it
            self._pretrained.mkdir(exist_ok=True)
            shutil.rmtree(self._pretrained / spec.id, ignore_errors=True)
            saved.replace(self._pretrained / spec.id)
            return
        target = self._place(spec)
        if self._planner.study.keep_models == "best" and not self._beats(spec, outcome, target):
            shutil.rmtree(saved)
            return
        (saved / TRIAL_ID_FILE).write_text(spec.id, "utf-8")
        replaced = self._unfinished / "replaced"
        kept = self._store.get_meta(KEPT) or {}
        self._store.update_meta({KEPT: kept | {target.name: spec.id}})
        if target.exists():  # moved away first, so that a kill leaves a whole model or none
            shutil.rmtree(replaced, ignore_errors=True)
            target.replace(replaced)
        saved.replace(target)
        shutil.rmtree(replaced, ignore_errors=True)

    def lost(self) -> list[TrialSpec]:
        """List the trials of the plan whose model was kept, and is no longer there or whole."""
        kept = self._store.get_meta(KEPT) or {}
        gone = {trial for name, trial in kept.items() if not is_whole(self._folder / name)}
        rows = [self._store.get(trial) for trial in sorted(gone & set(self._store.get_meta("plan") or []))]
        return [row.spec for row in rows if row is not None and self.save_to(row.spec) is not None]

    def _place(self, spec: TrialSpec) -> Path:
        """Name the folder of a kept model: by arm, with the data set and the seed where there are several."""
        name = f"{spec.dataset}-{spec.arm}" if len(self._planner.datasets) > 1 else spec.arm
        return self._folder / (f"{name}-seed{spec.replicate}" if self._planner.study.keep_models == "all" else name)

    def _beats(self, spec: TrialSpec, outcome: Outcome, target: Path) -> bool:
        """Tell whether a trial's model is better than the one in `target`; among equals the smaller seed wins.

        A model that is not of the current plan, or of another budget, is beaten whatever its score.
        """
        mark = target / TRIAL_ID_FILE
        if not is_whole(target):
            return True
        kept = self._store.get(mark.read_text("utf-8")) if mark.exists() else None
        if kept is None or kept.outcome.dev_score is None or kept.spec.budget != spec.budget:
            return True
        if kept.spec.id not in self._store.get_meta("plan"):
            return True
        score = outcome.dev_score if outcome.dev_score is not None else float("-inf")
        return (score, -spec.replicate) > (kept.outcome.dev_score, -kept.spec.replicate)

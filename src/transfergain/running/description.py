"""Describe a study: in its store, and on the console before it runs."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry
from transfergain.arms import ARMS
from transfergain.counts import counted
from transfergain.data.sample import SAMPLE_SIZE, sample
from transfergain.data.sealed import LABELLED_KEY, labelled, pack
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.perturbations import SEVERITIES, chosen_splits, perturb
from transfergain.report.sealed_texts import SEALED_KEY
from transfergain.running.planner import Planner
from transfergain.running.privacy import Privacy, without_places
from transfergain.running.raised import most_before
from transfergain.running.setup import Setup
from transfergain.store import Store
from transfergain.study import Study
from transfergain.tasks import find
from transfergain.types import Checkpoint, Dataset, StudyWarning, WarningKind

TASTE = (
    "a taste (--quick): scratch and full alone, three seeds, every arm at its default learning rate; "
    "the same command without --quick keeps these trials and runs what an answer needs"
)


def describe(setup: Setup, store: Store) -> None:
    """Write down what the study is. Raises UserError where the folder holds another one."""
    study, datasets, checkpoint = setup.study, setup.datasets, setup.checkpoint
    privacy = Privacy.of(study, checkpoint)
    unsaid = {"output_dir", "workers", "device", "executor", "report_to", "time_limit"}
    request = without_places(study.model_dump(mode="json", exclude=unsaid))
    warnings = (*_warnings(study, datasets, checkpoint), *setup.advice)
    identity = _identity(setup, store)  # before anything is written: a folder of another study stays as it was
    sealed = {name: pack(data, find(data.task)) for name, data in datasets.items()} if privacy.texts else {}
    if store.get_meta(SEALED_KEY) != sealed:
        store.set_meta(SEALED_KEY, sealed)
        store.set_meta(
            LABELLED_KEY, {name: labelled(data, find(data.task)) for name, data in datasets.items()} if sealed else {}
        )
    store.update_meta(
        {
            "identity": identity,
            "study": request | {"revision": checkpoint.revision, "precision": setup.planner.precision},
            "arms": [[name, arm.pretrained] for name, arm in ARMS.items() if name in study.arms],
            "data": {
                name: entry.to_dict() for name, entry in entries(setup.planner, most_before(setup.planner, store)).items()
            },
            "examples": [row for data in datasets.values() for row in _examples(study, data)] if privacy.texts else [],
            "warnings": [asdict(warning) | {"text": privacy.line(warning.text)} for warning in warnings],
            "environment": _environment(setup),
        }
    )


def changed_predictions(setup: Setup, store: Store) -> list[str]:
    """Say which files of predictions are no longer those that the store's study was begun with."""
    known = {name: entry.get("predictions", {}) for name, entry in (store.get_meta("data") or {}).items()}
    return [
        f"{data.name}: the predictions of {name} have changed since the last run; they are scored anew"
        for data in setup.datasets.values()
        for name, files in data.given.items()
        if (before := known.get(data.name, {}).get(name)) and before != [file.fingerprint for file in files]
    ]


def _identity(setup: Setup, store: Store) -> dict[str, Any]:
    """Name the checkpoint and the data of the study. Raises UserError where the store's are others."""
    checkpoint = setup.checkpoint.revision
    data = {name: [data.task, data.fingerprint] for name, data in setup.datasets.items()}
    if known := store.get_meta("identity"):
        differs = any(data.get(name) != mark for name, mark in known["data"].items())
        if what := "another checkpoint" if known["checkpoint"] != checkpoint else "other data" if differs else "":
            raise UserError(
                f"--output-dir {store.path.parent} holds a study of {what}; choose another folder, or delete this one"
            )
        if known.get("texts", True) == setup.study.no_texts:
            begun = "with texts" if setup.study.no_texts else "without texts"
            raise UserError(
                f"--no-texts: --output-dir {store.path.parent} holds a study that was begun {begun}; go on as it was begun, "
                "or choose another folder"
            )
    return {"checkpoint": checkpoint, "data": data, "texts": not setup.study.no_texts}


def _examples(study: Study, data: Dataset) -> list[dict[str, Any]]:
    """Sample the sealed texts that the page shows, as the store keeps them; of perturbations the most severe."""
    splits = [split for split, _ in chosen_splits(find(data.task).target, study.perturbations)]
    severe = {split: perturb(data.test[:SAMPLE_SIZE], split) for split in splits if split.severity == max(SEVERITIES)}
    return [text.to_dict() for text in sample(data, severe)]


def entries(planner: Planner, raised: Mapping[str, Sequence[int]] | None = None) -> dict[str, DatasetEntry]:
    """Describe the data sets of a study; `raised` is what `most_before` finds."""
    return {
        name: _data_entry(data, planner.looks[name].counts, planner.references[name], (raised or {}).get(name, ()))
        for name, data in planner.datasets.items()
    }


def _data_entry(data: Dataset, looks: tuple[int, ...], reference: str, raised: Sequence[int]) -> DatasetEntry:
    """Describe a data set: what it is scored with, its labels, sizes and notes, and when its results are looked at."""
    task = find(data.task)
    return DatasetEntry(
        task=data.task,
        title=task.title,
        metric=task.metrics[0],
        signatures={name: sign() for name in task.metrics if (sign := METRICS[name].signature)},
        chance=task.chance(data.test, data.labels),
        labels=data.labels,
        notes=data.notes,
        fingerprint=data.fingerprint,
        n_train=len(data.train),
        n_dev=len(data.dev),
        n_test=len(data.test),
        shifts={name: len(rows) for name, rows in data.shifts.items()},
        targets={name: len(pools.train) + len(pools.dev) for name, pools in data.targets.items()},
        reference=reference,
        looks=looks,
        most_before=raised,
        predictions={name: [file.fingerprint for file in files] for name, files in data.given.items()},
    )


def _warnings(study: Study, datasets: Mapping[str, Dataset], checkpoint: Checkpoint) -> list[StudyWarning]:
    """List what a reader must know before believing a figure."""
    warnings = [StudyWarning(WarningKind.DESIGN, TASTE)] if study.quick else []
    warnings += [warning for data in datasets.values() for warning in data.warnings]
    if checkpoint.trained_on:
        read = f"{checkpoint.name} was trained on {checkpoint.trained_on}; check that your test set is none of it"
    else:
        read = f"what {checkpoint.name} was pretrained on is not known here: overlap with the test set not checked"
    warnings.append(StudyWarning(WarningKind.CONTAMINATION, read))
    few: dict[int, list[str]] = {}
    for name, entry in zip(datasets, study.entries(), strict=True):
        if entry.seeds != "auto" and entry.seeds < 3:
            few.setdefault(entry.seeds, []).append(name)
    for n, names in few.items():
        text = f"{', '.join(names)}: {words.seeds(n)}: too few to tell luck from gain; use 5 or more"
        warnings.append(StudyWarning(WarningKind.DESIGN, text))
    made = [arm for arm in study.arms if ARMS[arm].pretrains]
    if made and study.pretraining_seeds == 1:
        text = (
            f"{words.listed(made)}: pretrained once (--pretraining-seeds 1): the intervals hold for this one pretraining, "
            "and do not show what another one would bring"
        )
        warnings.append(StudyWarning(WarningKind.DESIGN, text))
    if study.tune == 0 and not study.quick:
        text = "recipes were not tuned (--tune 0): every arm used its default learning rate"
        warnings.append(StudyWarning(WarningKind.DESIGN, text))
    return warnings


def _environment(setup: Setup) -> dict[str, str]:
    """Name the machine and the packages that the figures were computed with."""
    from transfergain.version import __version__

    packages = ("torch", "transformers", "peft", "scikit-learn", "scipy", "numpy")
    return {
        "transfergain": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": setup.tried.device_name,
        "threads": str(setup.study.threads),
    } | {package: importlib.metadata.version(package) for package in packages}


def summary(setup: Setup, workers: int) -> dict[str, str]:
    """Say what the study is and what it will run: a line by what it is about."""
    planner, study, checkpoint = setup.planner, setup.study, setup.checkpoint
    place = f"{checkpoint.name}, of which {checkpoint.within}" if checkpoint.within else checkpoint.name
    budgets = " · ".join(f"{name}: {', '.join(f'{b:,}' for b in sizes)}" for name, sizes in planner.budgets.items())
    lengths = ", ".join(str(length) for length in dict.fromkeys(planner.max_length.values()))
    recipe = planner.recipe(next(iter(planner.datasets.values())), 0.0)
    counts = [count for looks in planner.looks.values() for count in (looks.counts[0], looks.counts[-1])]
    seeds = words.planned_seeds(counts)
    clear = ", until it is clear" if any(len(looks.counts) > 1 for looks in planner.looks.values()) else ""
    most = f"at most {counted(recipe.epochs, 'epoch')} or {counted(recipe.min_steps, 'step')}"
    return {
        "model": f"{place} · revision {checkpoint.revision[:19]}",
        "study": f"{', '.join(study.arms)} · labels {budgets} · {seeds}{clear}, from {study.seed}",
        "recipe": f"batches of {recipe.batch_size} · {most} · patience {recipe.patience} · "
        f"{lengths} tokens · {recipe.precision} on {setup.tried.device}",
        "tuning": f"{counted(study.tune, 'learning rate')} an arm, at the largest budget"
        if study.tune
        else "none: each arm's default rate",
        "plan": f"{_trials(planner)} · {counted(workers, 'worker')} · Ctrl-C keeps what is done",
    }


def _trials(planner: Planner) -> str:
    """Count the trials until the first look at the results, and say when the others are."""
    tuned, courses = list(planner.tuned()), list(planner.courses())
    trials = sum(planner.looks[cell.data.name].counts[0] for cell in (*planner.cells(), *courses))
    tuning = sum(sum(planner.rounds(cell.arm)) for cell in tuned)
    made = sum(len(planner.pretrainings(cell.data.name, cell.arm, cell.course)) for cell in (*tuned, *courses))
    others = {"tuning": tuning, "pretraining": made, "floors": len(planner.floors()), "predictions": len(planner.given())}
    parts = [
        counted(trials, "trial"),
        *(f"{count} of {what}" for what, count in others.items() if count or what == "floors"),
    ]
    found = words.listed(parts)
    later = {looks.counts for looks in planner.looks.values() if len(looks.counts) > 1}
    if not later:
        return f"{found} · one look at the results, at the end"
    looks = " or ".join(words.listed([str(count) for count in counts[1:]]) for counts in sorted(later))
    return f"{found} for a first look at the results · what is open then is looked at again after {looks} seeds"

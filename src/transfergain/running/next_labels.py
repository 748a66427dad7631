"""Choose the texts to label next: those that a kept model of a study is least sure of, spread over what it sees.

Uncertainty alone picks many texts that are alike; so the most uncertain ones are clustered by the model's features, and of
each cluster one is taken (Zhdanov 2019, Diverse mini-batch active learning). Nothing of this is a gain that was measured.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis.findings import Findings, load
from transfergain.data.draws import mark
from transfergain.data.formats.labels import label
from transfergain.data.formats.table import require_columns
from transfergain.data.gate import checked
from transfergain.data.read import read_file
from transfergain.data.sealed import unpack
from transfergain.errors import UserError, nearest
from transfergain.options import flag_of
from transfergain.report.formulas import harmless
from transfergain.report.test_texts import SEALED_KEY
from transfergain.running.models import TRIAL_ID_FILE
from transfergain.store import Store, StoredTrial
from transfergain.tasks import find
from transfergain.tasks.given import ID, SPLIT
from transfergain.types import Example, Target

Floats = NDArray[np.floating[Any]]
CANDIDATES = 10
"""The most uncertain texts that are clustered, times those that are wanted."""


def margin(probabilities: Floats) -> Floats:
    """Score by how near the second class is to the first: 1 where they are as probable (Scheffer et al. 2001)."""
    first, second = -np.partition(-probabilities, 1, axis=1)[:, :2].T
    return np.asarray(1 - (first - second))


def entropy(probabilities: Floats) -> Floats:
    """Score by the entropy over all classes, 1 where they are all as probable (Settles 2009)."""
    p = np.clip(probabilities, 1e-12, 1.0)
    return np.asarray(-(p * np.log(p)).sum(axis=1) / np.log(probabilities.shape[1]))


RULES: dict[str, Callable[[Floats], Floats]] = {"margin": margin, "entropy": entropy}


@dataclass(frozen=True)
class Chosen:
    """The texts to label next, the least sure first."""

    path: Path
    arm: str
    rule: str
    texts: tuple[str, ...]
    scores: tuple[float, ...]
    pool: int
    """Different texts that were chosen from."""
    left_out: int
    """Rows that repeat another text, or are a sealed text of the study."""


def choose(
    folder: str, pool: str, count: int, rule: str = "margin", arm: str = "", column: str = "", output: str = ""
) -> Chosen:
    """Choose texts of an unlabelled file and write them, in order. Raises UserError naming the file or flag."""
    from transfergain.engine.doubts import read

    if rule not in RULES:
        raise UserError(f'--rule: unknown rule "{rule}".{nearest(rule, RULES)}')
    findings = load(folder)
    trial, model = _kept(findings, arm)
    task = find(trial.spec.task)
    assert task.given is not None, "tasks with a label a text read predictions"
    name, option = next(iter(task.given.columns.items()))
    column = column or str(findings.study.request.get(option) or name)
    texts, ids, left_out = _pool(Path(pool), (flag_of(option), column), _sealed(folder, name))
    if count > len(texts):
        raise UserError(f"-n {count}: {pool} holds {len(texts):,} texts to choose from; give a smaller number")
    assert trial.spec.recipe is not None, "only trained models are kept"
    examples = [Example({name: text}, 0) for text in texts]
    found = read(str(model), examples, task, trial.spec.recipe, "auto")
    scores = RULES[rule](found.probabilities)
    picked = spread(scores, found.features, count)
    path = Path(output or Path(folder) / "next-labels.csv")
    _write(path, picked, texts, ids, scores)
    chosen = tuple(texts[i] for i in picked), tuple(float(scores[i]) for i in picked)
    return Chosen(path, trial.spec.arm, rule, *chosen, pool=len(texts), left_out=left_out)


def _kept(findings: Findings, arm: str) -> tuple[StoredTrial, Path]:
    """Find the kept model to read with: of the arm asked for, else of the one to take, else of the leading one."""
    if len(findings.data) > 1:
        raise UserError(f"{findings.folder}: next-labels reads a study of one data set; this has {len(findings.data)}")
    (name,) = findings.data
    task = find(findings.data[name].task)
    if task.target is not Target.LABEL:
        raise UserError(f"{findings.folder}: next-labels chooses texts with one label each, which {task.name} has not")
    trials = {row.spec.id: row for row in findings.rows}
    marks = sorted(Path(findings.folder, "models").glob(f"*/{TRIAL_ID_FILE}"))
    kept = {row.spec.arm: (row, path.parent) for path in marks if (row := trials.get(path.read_text("utf-8")))}
    standard = {name: pair for name, pair in kept.items() if not pair[0].outcome.details.choice}
    wanted = [arm] if arm else [findings.summary.recommendation.get(name, ""), findings.leading_arm, *standard]
    for each in wanted:
        if each in standard:
            return standard[each]
    if arm and arm in kept:
        raise UserError(f"--arm {arm}: its model brings code of its own; name an arm that trains by steps, such as full")
    there = f"it keeps: {', '.join(standard)}" if standard else "it keeps none"
    asked = f"--arm {arm}: " if arm else ""
    raise UserError(
        f"{asked}{findings.folder} has no kept model to read with ({there}); run the study with --keep-models best and an "
        "arm that trains by steps, such as full"
    )


def _sealed(folder: str, column: str) -> set[bytes]:
    """Read the marks of the sealed texts, which must not be labelled for training."""
    with Store(folder) as store:
        packed: Mapping[str, str] = store.get_meta(SEALED_KEY) or {}
    rows = [row for each in packed.values() for row in unpack(each)]
    if any(set(row) - {ID, SPLIT, column} for row in rows):
        raise UserError(f"{folder}: next-labels chooses single texts, and the texts of this study come in pairs")
    return {mark(row[column]) for row in rows}


def _pool(path: Path, wanted: tuple[str, str], sealed: set[bytes]) -> tuple[list[str], list[str], int]:
    """Read the texts of the pool, each once and none that is sealed: (texts, their ids or "", rows left out).

    `wanted` is the flag that names the column, and the column.
    """
    table, (_, column) = checked(read_file(path)), wanted
    require_columns(table, [wanted])
    texts, ids, seen = list[str](), list[str](), set(sealed)
    for row in table.rows:
        text = str(row.get(column) or "").strip()
        if text and mark(text) not in seen:
            seen.add(mark(text))
            texts.append(text)
            ids.append(label(row.get("id")))
    if not texts:
        raise UserError(f"{path} holds no text to choose; give a file of unlabelled texts that are not in the test set")
    return texts, ids, len(table.rows) - len(texts)


def spread(scores: Floats, features: Floats, count: int) -> list[int]:
    """Pick texts by uncertainty and diversity: of each cluster of the most uncertain ones, that nearest to its centre."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    candidates = np.argsort(-scores, kind="stable")[: CANDIDATES * count]
    if len(candidates) <= count:
        return [int(i) for i in candidates]
    weights = np.maximum(scores[candidates], 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # texts that look the same to the model make fewer clusters
        clusters = KMeans(count, n_init=1, random_state=0).fit(features[candidates], sample_weight=weights)
    distances = clusters.transform(features[candidates])
    picked, free = list[int](), np.ones(len(candidates), dtype=bool)
    for centre in range(count):
        nearest_free = int(np.where(free, distances[:, centre], np.inf).argmin())
        free[nearest_free] = False
        picked.append(int(candidates[nearest_free]))
    return sorted(picked, key=lambda i: (-scores[i], i))


def _write(path: Path, picked: Sequence[int], texts: Sequence[str], ids: Sequence[str], scores: Floats) -> None:
    with_ids = any(ids)
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*(["id"] if with_ids else []), "text", "score"])
            for i in picked:
                writer.writerow([*([harmless(ids[i])] if with_ids else []), harmless(texts[i]), f"{scores[i]:.4f}"])
    except OSError as error:
        raise UserError(f"--output {path}: cannot write there ({error.strerror or error})") from None

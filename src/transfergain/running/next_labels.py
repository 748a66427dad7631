"""Choose the texts to label next: those that a kept model of a study is least sure of, spread over what it sees.

Uncertainty alone picks many texts that are alike; so the most uncertain ones are clustered by the model's features, and of
each cluster one is taken (Zhdanov 2019, Diverse mini-batch active learning). Nothing of this is a gain that was measured.

A text with one label is one decision; one with several labels is a decision a label, and a sentence whose words are tagged
one a word. Such a text is as unsure as the least sure of its decisions (Brinker 2006 for labels; Liu et al. 2020, lowest
token probability, for words): a model is sure that most labels are absent and that most words are no name, and a mean over
all of them would bury the one that it does not know.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis.findings import Findings, load
from transfergain.counts import counted
from transfergain.data.formats.labels import label
from transfergain.data.formats.table import Table, require_columns
from transfergain.data.gate import checked
from transfergain.data.read import read_file
from transfergain.data.sealed import LABELLED_KEY, labelled_marks, together, unpack
from transfergain.errors import UserError, nearest
from transfergain.options import flag_of
from transfergain.report.formulas import harmless
from transfergain.report.sealed_texts import SEALED_KEY
from transfergain.running.models import TRIAL_ID_FILE
from transfergain.store import Store, StoredTrial
from transfergain.tasks import find
from transfergain.tasks.given import ID, Given, as_text

Floats = NDArray[np.floating[Any]]
CANDIDATES = 10
"""The most uncertain texts that are clustered, times those that are wanted."""
FLAG = flag_of("text_column")
"""Of `next-labels`, whatever the task calls its columns."""


def margin(probabilities: Floats) -> Floats:
    """Score by how near the second class is to the first: 1 where they are as probable (Scheffer et al. 2001)."""
    first, second = -np.partition(-probabilities, 1, axis=1)[:, :2].T
    return np.asarray(1 - (first - second))


def entropy(probabilities: Floats) -> Floats:
    """Score by the entropy over all classes, 1 where they are all as probable (Settles 2009)."""
    p = np.clip(probabilities, 1e-12, 1.0)
    return np.asarray(-(p * np.log(p)).sum(axis=1) / np.log(probabilities.shape[1]))


Rule = Callable[[Floats], Floats]
"""Probabilities (decisions, classes) -> how unsure each decision is."""
RULES: dict[str, Rule] = {"margin": margin, "entropy": entropy}


@dataclass(frozen=True)
class Chosen:
    """The texts to label next, the least sure first."""

    path: Path
    arm: str
    rule: str
    texts: tuple[Mapping[str, str], ...]
    """By the pool's columns: one, or two of a pair."""
    scores: tuple[float, ...]
    pool: int
    """Different texts that were chosen from."""
    left_out: int
    """Rows that are empty, repeat another text, or are a text of the study: sealed, or labelled already."""


@dataclass(frozen=True)
class Asked:
    """What to choose, of what, and how."""

    pool: str
    count: int
    rule: str = "margin"
    arm: str = ""
    column: str = ""
    """Of the texts, or of the words that are tagged; of pairs two with a comma between. Empty: the study's."""
    output: str = ""


def choose(folder: str, asked: Asked) -> Chosen:
    """Choose texts of an unlabelled file and write them, in order. Raises UserError naming the file or flag."""
    from transfergain.engine.doubts import read

    if asked.rule not in RULES:
        raise UserError(f'--rule: unknown rule "{asked.rule}".{nearest(asked.rule, RULES)}')
    table = checked(read_file(Path(asked.pool)))  # before the findings, which take longer
    findings = load(folder)
    trial, model = _kept(findings, asked.arm)
    task = find(trial.spec.task)
    assert trial.spec.recipe and task.unlabelled and task.given, "what has a kept model to read with"
    sealed, labelled = _known(folder)
    columns = _columns(findings, sealed, task.given, asked)
    pool = _pool(table, columns, {_mark(row, columns) for row in sealed} | labelled, asked.pool)
    if asked.count > len(pool.rows):
        raise UserError(
            f"-n {asked.count}: {asked.pool} holds {counted(len(pool.rows), 'text')} to choose from; give a smaller number"
        )
    examples = [task.unlabelled(row) for row in pool.rows]
    labels = findings.data[trial.spec.dataset].labels
    found = read(str(model), examples, task, labels, trial.spec.recipe, "auto")
    scores = doubts(found.probabilities, RULES[asked.rule])
    picked = spread(scores, found.features, asked.count)
    path = Path(asked.output or Path(folder) / "next-labels.csv")
    texts = tuple({pool.columns[name]: pool.rows[i][name] for name in pool.columns} for i in picked)
    chosen = Chosen(
        path, trial.spec.arm, asked.rule, texts, tuple(float(scores[i]) for i in picked), len(pool.rows), pool.left_out
    )
    _write(chosen, [pool.ids[i] for i in picked])
    return chosen


def doubts(probabilities: Sequence[Floats], rule: Rule) -> Floats:
    """Score each text by the least sure of its decisions (decisions, classes); 0 where the model decides nothing."""
    return np.array([float(rule(each).max()) if len(each) else 0.0 for each in probabilities])


def _kept(findings: Findings, arm: str) -> tuple[StoredTrial, Path]:
    """Find the kept model to read with: of the arm asked for, else of the one to take, else of the leading one."""
    if len(findings.data) > 1:
        raise UserError(f"{findings.folder}: next-labels reads a study of one data set; this has {len(findings.data)}")
    (name,) = findings.data
    task = find(findings.data[name].task)
    if task.unlabelled is None:
        raise UserError(
            f"{findings.folder}: next-labels asks how sure a model is of labels or tags, and the answers of {task.name} are "
            "neither; draw the texts to label at random"
        )
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


def _known(folder: str) -> tuple[list[Mapping[str, str]], set[bytes]]:
    """Read the sealed texts, which must not be labelled for training, and the marks of those whose labels are known.

    None of a study that keeps no texts.
    """
    with Store(folder) as store:
        sealed: Mapping[str, str] = store.get_meta(SEALED_KEY) or {}
        labelled: Mapping[str, str] = store.get_meta(LABELLED_KEY) or {}
    marks = {known for each in labelled.values() for known in labelled_marks(each)}
    return [row for each in sealed.values() for row in unpack(each)], marks


def _columns(findings: Findings, sealed: Sequence[Mapping[str, str]], given: Given, asked: Asked) -> dict[str, str]:
    """Say which column of the pool each input is read from: the one asked for, else the study's."""
    request = next(iter(findings.study.request["tasks"] or [findings.study.request]))
    named = {name: request.get(option) for name, option in given.columns.items()}
    of_study = set(sealed[0]) if sealed else {name for name, column in named.items() if column} | {next(iter(named))}
    names = [name for name in named if name in of_study]
    columns = [str(named[name] or name) for name in names]
    if asked.column:
        columns = asked.column.split(",") if len(names) > 1 else [asked.column]
    if len(columns) != len(names):
        raise UserError(
            f"{FLAG} {asked.column}: a row of this study is {' and '.join(names)}; name {len(names)} "
            f"column{'s, with a comma between' if len(names) > 1 else ''}"
        )
    return dict(zip(names, columns, strict=True))


@dataclass(frozen=True)
class _Pool:
    """The texts to choose from, each once and none that is sealed."""

    columns: Mapping[str, str]
    """Input -> the column that it is read from."""
    rows: Sequence[Mapping[str, str]]
    """By input."""
    ids: Sequence[str]
    """The pool's own, or empty."""
    left_out: int


def _pool(table: Table, columns: Mapping[str, str], known: Set[bytes], name: str) -> _Pool:
    """Gather the texts of a table that may be chosen: each once, and none whose mark is `known`."""
    require_columns(table, [(FLAG, column) for column in columns.values()])
    rows, ids, seen = list[Mapping[str, str]](), list[str](), set(known)
    for row in table.rows:
        texts = {name: as_text(row.get(column)).strip() for name, column in columns.items()}
        if all(texts.values()) and (marked := _mark(texts, columns)) not in seen:
            seen.add(marked)
            rows.append(texts)
            ids.append(label(row.get(ID)))
    if not rows:
        raise UserError(f"{name} holds no text to choose; give texts that are neither labelled already nor in the test set")
    return _Pool(columns, rows, ids, len(table.rows) - len(rows))


def _mark(texts: Mapping[str, str], columns: Iterable[str]) -> bytes:
    return together(texts[name] for name in columns)


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


def _write(chosen: Chosen, ids: Sequence[str]) -> None:
    with_ids = any(ids)
    try:
        with chosen.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*([ID] if with_ids else []), *chosen.texts[0], "score"])
            for name, texts, score in zip(ids, chosen.texts, chosen.scores, strict=True):
                cells = map(harmless, [*([name] if with_ids else []), *texts.values()])
                writer.writerow([*cells, f"{score:.4f}"])
    except OSError as error:
        raise UserError(f"--output {chosen.path}: cannot write there ({error.strerror or error})") from None

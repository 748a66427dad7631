"""Write model cards for kept models, with the measured scores as a `model-index`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transfergain.analysis.findings import Findings
from transfergain.analysis.trial_rows import trial_scores
from transfergain.report.typeset import markdown_prose, markdown_text
from transfergain.split import TEST, Split
from transfergain.store import StoredTrial
from transfergain.tasks import find
from transfergain.types import Status


def cards(findings: Findings) -> dict[Path, str]:
    """Write the README.md of every kept model whose trial is in the findings -> its content."""
    trials = {trial.spec.id: trial for trial in findings.rows}
    found = {}
    for mark in sorted(Path(findings.folder, "models").glob("*/trial")):
        trial = trials.get(mark.read_text("utf-8"))
        if trial is not None and trial.outcome.status == Status.DONE:
            found[mark.parent / "README.md"] = card(findings, trial)
    return found


def card(findings: Findings, trial: StoredTrial) -> str:
    """Write the card of one trial's model: YAML front matter and a page of markdown."""
    front = (f"{key}: {_yaml(value)}" for key, value in _front(findings, trial).items())
    return "\n".join(["---", *front, "---", "", *_page(findings, trial)]) + "\n"


def _yaml(value: Any) -> str:
    """Write a value in YAML's own JSON: what it forbids or reads as line ends is escaped, half characters are replaced."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else "\ufffd" if "\ud800" <= c <= "\udfff" else _escape(ord(c)) for c in text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _front(findings: Findings, trial: StoredTrial) -> dict[str, Any]:
    """Describe the model for the Hub, its scores included."""
    spec, model = trial.spec, findings.study.model
    results = [
        {
            "task": {"type": find(spec.task).pipeline},
            "dataset": {"name": _split_name(spec.dataset, split), "type": spec.dataset, "split": str(split)},
            "metrics": [{"type": metric, "value": score} for metric, score in scores.items()],
        }
        for split, scores in trial_scores(trial.outcome).items()
    ]
    known = {
        "library_name": "transformers",
        "pipeline_tag": find(spec.task).pipeline,
        "tags": ["transfergain"],
        "model-index": [{"name": f"{spec.dataset}-{spec.arm}", "results": results}],
    }
    own = model.startswith("builtin:") or findings.study.revision.startswith("sha256:") or Path(model).exists()
    return known | ({} if own else {"base_model": model})


def _page(findings: Findings, trial: StoredTrial) -> list[str]:
    """Say what the model is, how it scores, and how it was trained."""
    spec, model, entry = trial.spec, findings.study.model, findings.data[trial.spec.dataset]
    gains = [
        r.sentence for r in findings.primary(findings.gains)
        if r.dataset == spec.dataset and r.arm == spec.arm and r.budget == spec.budget
    ]  # fmt: skip
    best = ", chosen among the seeds by" if findings.study.keep_models == "best" else ","
    return [
        f"# {markdown_text(spec.dataset)}, {spec.arm}",
        "",
        f"{entry.title} model obtained from {markdown_text(model)} by the `{spec.arm}` arm of a transfergain study.",
        f"Trained on {spec.budget:,} labelled examples (train and dev together), seed {spec.replicate}{best} "
        f"dev {entry.metric} {trial.outcome.dev_score:.4f}."
        + (f" Labels: {', '.join(map(markdown_text, entry.labels))}." if entry.labels else ""),
        "",
        *_how_to_use(trial),
        "## Measured",
        "",
        *_score_table(trial),
        "",
        *(f"- {markdown_prose(line)}" for line in gains),
        "",
        "## Recipe",
        "",
        f"`{json.dumps(vars(spec.recipe), sort_keys=True)}`" if spec.recipe else "",
        "",
        f"Checkpoint revision `{spec.checkpoint_revision}`, trial `{spec.id}`.",
    ]


def _how_to_use(trial: StoredTrial) -> list[str]:
    """Say that a linear layer on a frozen encoder comes with code of its own, and what dev set beside the weights."""
    details, lines = trial.outcome.details, list[str]()
    if details.choice:
        load = f"{find(trial.spec.task).auto_class}.from_pretrained(FOLDER, trust_remote_code=True)"
        lines = [
            f"Chosen on dev: {details.choice}.",
            "",
            f"`{load}`, or a pipeline with the same argument, loads it: no class of `transformers` puts a linear layer on "
            "such features, so it brings its own in `probe_model.py`.",
            "",
        ]
    said = "" if details.setting is None else find(trial.spec.task).setting_said(details.setting)
    return lines + ([said, ""] if said else [])


def _split_name(dataset: str, split: Split) -> str:
    return dataset if split == TEST else f"{dataset} ({split})"


def _score_table(trial: StoredTrial) -> list[str]:
    lines = ["| split | examples | metric | score |", "|---|---|---|---|"]
    for split, scores in trial_scores(trial.outcome).items():
        size = len(trial.outcome.evaluated[split].predictions)
        lines += [f"| {markdown_text(split)} | {size:,} | {metric} | {score:.4f} |" for metric, score in scores.items()]
    return lines

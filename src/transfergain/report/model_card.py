"""Model cards for kept models, with the measured scores as a `model-index`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergain.analysis.findings import Findings, trial_row
from transfergain.store import Row
from transfergain.tasks import TASKS
from transfergain.types import Status


def cards(findings: Findings) -> dict[Path, str]:
    """README.md of every kept model whose trial is in the findings -> its content."""
    rows = {row.spec.id: row for row in findings.rows}
    found = {}
    for mark in sorted(Path(findings.folder, "models").glob("*/trial")):
        row = rows.get(mark.read_text("utf-8"))
        if row is not None and row.outcome.status == Status.DONE:
            found[mark.parent / "README.md"] = card(findings, row)
    return found


def card(findings: Findings, row: Row) -> str:
    """The card of one trial's model: YAML front matter (written as JSON, which YAML contains) and a page of markdown."""
    spec, entry = row.spec, findings.data[row.spec.dataset]
    flat = trial_row(row)
    results = [
        {
            "task": {"type": TASKS[spec.task].pipeline},
            "dataset": {"name": _split_name(spec.dataset, split), "type": spec.dataset, "split": split},
            "metrics": [
                {"type": metric, "value": flat[f"{split} {metric}"]}
                for metric in evaluated.counts
            ],
        }
        for split, evaluated in row.outcome.evaluated.items()
    ]  # fmt: skip
    model = str(findings.study["model"])
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": TASKS[spec.task].pipeline,
        "tags": ["transfergain"],
        "model-index": [{"name": f"{spec.dataset}-{spec.arm}", "results": results}],
    }
    if not model.startswith("builtin:") and not Path(model).exists():
        front["base_model"] = model
    gains = [
        r["sentence"] for r in findings.primary(findings.gains)
        if r["dataset"] == spec.dataset and r["arm"] == spec.arm and r["budget"] == spec.budget
    ]  # fmt: skip
    best = ", chosen among the seeds by" if findings.study["keep_models"] == "best" else ","
    lines = [
        *("---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()), "---", ""),
        f"# {spec.dataset}, {spec.arm}",
        "",
        f"{entry['title']} model obtained from `{model}` by the `{spec.arm}` arm of a transfergain study.",
        f"Trained on {spec.budget:,} labelled examples (train and dev together), seed {spec.replicate}{best} "
        f"dev {entry['metric']} {row.outcome.dev_score:.4f}."
        + (f" Labels: {', '.join(entry['labels'])}." if entry["labels"] else ""),
        "",
        "## Measured",
        "",
        *_score_table(flat, row),
        "",
        *(f"- {line}" for line in gains),
        "",
        "## Recipe",
        "",
        f"`{json.dumps(vars(spec.recipe), sort_keys=True)}`" if spec.recipe else "",
        "",
        f"Checkpoint revision `{spec.checkpoint_revision}`, trial `{spec.id}`.",
    ]
    return "\n".join(lines) + "\n"


def _split_name(dataset: str, split: str) -> str:
    return dataset if split == "test" else f"{dataset} ({split})"


def _score_table(flat: Mapping[str, Any], row: Row) -> list[str]:
    lines = ["| split | examples | metric | score |", "|---|---|---|---|"]
    for split, evaluated in row.outcome.evaluated.items():
        for metric, counts in evaluated.counts.items():
            lines.append(f"| {split} | {len(counts):,} | {metric} | {flat[f'{split} {metric}']:.4f} |")
    return lines

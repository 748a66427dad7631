"""Compare two checkpoints on one file, seed by seed, with an interval.

python examples/compare_checkpoints.py builtin:minilm ./my-checkpoint examples/bikes.csv
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import transfergain as tg
from transfergain.analysis.stats import paired_interval
from transfergain.metrics import METRICS
from transfergain.split import TEST

STUDY: dict[str, Any] = {
    "task": "classification",
    "arms": ["scratch", "full"],
    "budgets": [48],
    "seeds": 3,
}


def main(models: list[str], train_file: str, output_dir: str = "runs/compared") -> None:
    """Run the same study once for each model, print what each gained, and the difference of their scores."""
    studies = []
    for number, model in enumerate(models, 1):
        folder = Path(output_dir, f"{number}-{Path(model).name.replace(':', '-')}")
        studies.append(tg.run(**STUDY, train_file=train_file, model=model, output_dir=folder, quiet=True))
        print(f"{model}: {studies[-1].headline()[0].sentence}")
    first, second = (scores(findings) for findings in studies)
    seeds = sorted(first.keys() & second.keys())
    one, other = (np.stack([side[seed] for seed in seeds]) for side in (first, second))
    result = paired_interval(one, other, METRICS["accuracy"].finish)
    print(f"accuracy of {models[0]} - {models[1]}: {result.estimate:+.3f} [{result.low:+.3f}, {result.high:+.3f}]")


def scores(findings: tg.Findings) -> dict[int, np.ndarray]:
    """Seed -> hits of full fine-tuning on the test set."""
    rows = (row for row in findings.rows if row.spec.arm == "full" and row.spec.phase == "report")
    return {row.spec.replicate: row.outcome.evaluated[TEST].counts["accuracy"] for row in rows}


if __name__ == "__main__":
    main(sys.argv[1:3], sys.argv[3])

"""The panels of the page; one file and one line each. The first four are the benefits."""

from __future__ import annotations

from transfergain.report.page.panels import (
    adaptation,
    calibration,
    convergence,
    data_efficiency,
    effort,
    performance,
    robustness,
    tuning,
)
from transfergain.report.page.panels.base import Kind

PANELS: dict[str, Kind] = {
    "performance": Kind("Performance", "Is the fine-tuned model better?", performance.build),
    "data efficiency": Kind("Data efficiency", "How many labels does pretraining stand for?", data_efficiency.build),
    "convergence": Kind("Convergence", "Does training get there sooner?", convergence.build),
    "robustness": Kind("Robustness", "Does it hold on other text?", robustness.build),
    "adaptation": Kind("Adaptation", "What do a few labels of a new domain buy?", adaptation.build),
    "effort": Kind("Effort", "What does training less of the model cost?", effort.build),
    "calibration": Kind("Calibration", "Can its confidence be believed?", calibration.build),
    "tuning": Kind("Tuning", "Were the arms tuned alike?", tuning.build),
}

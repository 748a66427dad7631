"""List the panels of the page; one file and one line each. The first four are the benefits."""

from __future__ import annotations

from transfergain.analysis.rows import Benefit
from transfergain.report.page.panels import (
    adaptation,
    calibration,
    convergence,
    courses,
    data_efficiency,
    effort,
    parts,
    performance,
    robustness,
    tuning,
)
from transfergain.report.page.panels.base import PanelKind

PANELS: dict[str, PanelKind] = {
    "performance": PanelKind("Performance", "Is the fine-tuned model better?", performance.build, Benefit.PERFORMANCE),
    "data efficiency": PanelKind(
        "Data efficiency", "How many labels does pretraining stand for?", data_efficiency.build, Benefit.DATA_EFFICIENCY
    ),
    "convergence": PanelKind("Convergence", "Does training get there sooner?", convergence.build, Benefit.CONVERGENCE),
    "robustness": PanelKind("Robustness", "Does it hold on other text?", robustness.build, Benefit.ROBUSTNESS),
    "adaptation": PanelKind("Adaptation", "What do a few labels of a new domain buy?", adaptation.build),
    "parts": PanelKind("Parts of the gain", "Where does the gain come from?", parts.build, applies=parts.applies),
    "courses": PanelKind(
        "Courses of pretraining", "Does longer, or other text, help?", courses.build, applies=courses.applies
    ),
    "effort": PanelKind("Effort", "What does training less of the model cost?", effort.build),
    "calibration": PanelKind("Calibration", "Can its confidence be believed?", calibration.build),
    "tuning": PanelKind("Tuning", "Were the arms tuned alike?", tuning.build),
}

"""SetFit: the encoder is tuned on pairs of labelled texts, then a linear layer on its features is solved for."""

from __future__ import annotations

from dataclasses import replace

from transfergain.arms.base import Arm, Blueprint, Prepared
from transfergain.arms.probe import frozen
from transfergain.errors import Declined

TEXTS = "AutoModelForSequenceClassification"
"""The auto class of tasks whose texts have one class each, and so come in pairs of one class or of two."""


def prepare(blueprint: Blueprint) -> Prepared:
    """Load the checkpoint under a linear layer, as the probe does; its encoder is tuned first."""
    from transfergain.arms.weights import build_pretrained

    if getattr(blueprint.config, "problem_type", None) == "multi_label_classification":
        raise Declined("SetFit pairs texts by their one class, and these have several labels")
    built = frozen(build_pretrained(blueprint), blueprint)
    built.model.encoder.requires_grad_(True)
    return replace(built, contrasts=True)


def declines(auto_class: str) -> str:
    """Say why texts of a task come in no pairs; empty where they do."""
    return "" if auto_class == TEXTS else "SetFit pairs whole texts by their class, which this task's texts have not"


SETFIT = Arm(
    name="setfit",
    title="SetFit",
    description="encoder tuned on pairs of labelled texts, then logistic regression on its features; for few labels",
    pretrained=True,
    default_learning_rate=0.0,
    prepare=prepare,
    declines=declines,
    citation="Tunstall et al. 2022, Efficient few-shot learning without prompts",
    by_default=False,
)

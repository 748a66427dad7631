"""The probe: a linear layer on the frozen checkpoint, solved for as the convex problem it is.

The features are the mean over tokens in one layer or over all layers, or the token that stands for the text; for words
and spans those of each token. Which of them, and the strength of L2, is chosen on dev.
"""

from __future__ import annotations

from dataclasses import replace

from transfergain.arms.base import Arm, Blueprint, Prepared

READABLE = ("AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering")
"""Auto classes of the tasks whose answers a linear layer can give."""


def prepare(blueprint: Blueprint) -> Prepared:
    """Load the checkpoint, frozen, under a linear layer."""
    from transfergain.arms.weights import build_pretrained

    return frozen(build_pretrained(blueprint), blueprint)


def declines(auto_class: str) -> str:
    """Say why no linear layer gives a task's answers; empty where they are choices between classes or positions."""
    if auto_class in READABLE:
        return ""
    return "a text that is generated is no choice between classes, which is all that a linear layer makes"


def frozen(built: Prepared, blueprint: Blueprint) -> Prepared:
    """Put a linear layer in place of the model's own head, and freeze all below it."""
    from transfergain.arms import probe_model

    model = probe_model.on(built.model, blueprint.auto_class)
    return replace(built, model=model, solved=True)


PROBE = Arm(
    name="probe",
    title="probe",
    description="pretrained weights frozen; logistic regression on features that dev chooses",
    pretrained=True,
    default_learning_rate=0.0,
    prepare=prepare,
    declines=declines,
    citation="Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes; Garbas et al. 2024, "
    "TransformerRanker (averaging layers)",
)

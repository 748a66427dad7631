"""Pretraining: from a checkpoint, or its architecture drawn afresh, and text without labels to a new checkpoint."""

from __future__ import annotations

from transfergain.engine.pretraining.whole import Asked, Pretrained, pretrain

__all__ = ["Asked", "Pretrained", "pretrain"]

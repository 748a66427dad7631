"""How `Findings` show themselves in a notebook: a mixin, so that what they are and how they look stay apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Views:
    """Notebook views of findings; drawn by `report.notebook`, imported when asked for.

    `dataset` may be left out: then it is the first of the study. Raises ValueError for a data set that is not there, and
    where there is nothing to draw.
    """

    def _repr_html_(self) -> str:
        return str(_notebook().html(self))

    def plot_learning_curve(self, dataset: str | None = None, split: str = "test") -> go.Figure:
        """The primary score by label budget, for every arm and floor, with its interval."""
        return _notebook().learning_curve(self, dataset, split)

    def plot_gains(self) -> go.Figure:
        """The gain of every pretrained arm over scratch at the largest budget, with its interval, for every data set."""
        return _notebook().gains(self)

    def plot_convergence(self, dataset: str | None = None) -> go.Figure:
        """The dev score by training step at the largest budget, a line a seed."""
        return _notebook().convergence(self, dataset)

    def plot_robustness(self, dataset: str | None = None) -> go.Figure:
        """Scores on shifts against those on the test set, or by severity of a perturbation where there is no shift."""
        return _notebook().robustness(self, dataset)


def _notebook() -> Any:
    from transfergain.report import notebook

    return notebook

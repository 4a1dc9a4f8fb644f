"""A figure of a confusion matrix: which label was taken for which, with the counts in the cells."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gpt_notebook.figures.heatmap_layout import LARGEST, MAX_TICKS, color_bar, largest_of, lay_out
from gpt_notebook.figures.plotly_objects import plotly_objects

if TYPE_CHECKING:
    import numpy as np
    from plotly.graph_objects import Figure

COUNTED = 64
"""Pixels of a cell with a number in it."""
OPAQUE = ((0.0, "rgb(226,238,252)"), (0.5, "rgb(128,180,240)"), (1.0, "rgb(16,94,184)"))
"""Where numbers stand in the cells: Plotly writes them dark or white as suits the cell, and can't know the page behind it."""


def confusion_figure(counts: np.ndarray[Any, np.dtype[Any]], names: Sequence[str], *, title: str) -> Figure:
    """Return how often one of `names` was taken for another, shape (true, predicted), with the counts in the cells.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    traces, figure_of = plotly_objects()
    largest = largest_of(counts)
    labels = [escape(name, quote=False) for name in names]
    shown = traces.Heatmap(
        z=counts,
        x=labels,
        y=labels,
        zmin=0,
        zmax=largest,
        colorscale=OPAQUE,
        texttemplate="%{z}",
        hovertemplate="true %{y}<br>predicted %{x}<br>%{z} rows<extra></extra>",
        colorbar=color_bar("rows", 0, largest),
    )
    figure = figure_of(shown)
    cell = COUNTED if len(names) * COUNTED <= LARGEST else LARGEST / len(names)
    lay_out(figure, title, (round(cell * len(names)),) * 2, labels, labels)
    figure.update_xaxes(title={"text": "predicted"}, type="category", nticks=MAX_TICKS)
    figure.update_yaxes(title={"text": "true"}, type="category", nticks=MAX_TICKS)
    return figure

"""A figure of a training: the loss of each step, and of the validations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook.figures.colors import CLEAR, FAINT, INK
from gpt_notebook.figures.plotly_objects import plotly_objects

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TRAINING, VALIDATION = "rgba(36,134,236,0.75)", "rgb(235,125,10)"
"""Blue and orange: told apart by those who don't see red or green, too."""
MAX_POINTS = 4000
"""Of a curve; of more steps the means of neighbours are drawn."""


def loss_figure(rows: Sequence[Mapping[str, Any]], *, title: str, best: int | None = None) -> Figure:
    """Return a figure of the loss of each step, of the validations, and of the best of them.

    Args:
        rows: By step: `step`, and `loss` and `validation_loss` in nats a token, `perplexity` and `accuracy`, None where there is
            none.
        title: Above it.
        best: The step of the best validation.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    traces, figure_of = plotly_objects()
    figure = figure_of()
    title = title if rows else f"{title}: no step yet"
    steps, losses = _thinned([(row["step"], row["loss"]) for row in rows if row["loss"] is not None])
    line: dict[str, Any] = {"color": TRAINING, "width": 1.5}
    figure.add_trace(traces.Scatter(x=steps, y=losses, mode="lines", name="training", line=line))
    checked = [row for row in rows if row["validation_loss"] is not None]
    if checked:
        figure.add_trace(
            traces.Scatter(
                x=[row["step"] for row in checked],
                y=[row["validation_loss"] for row in checked],
                customdata=[[row["perplexity"], row["accuracy"]] for row in checked],
                hovertemplate="%{y:.4g}, perplexity %{customdata[0]:.4g}, accuracy %{customdata[1]:.1%}",
                mode="lines+markers",
                name="validation",
                line={"color": VALIDATION, "width": 2},
                marker={"size": 6},
            )
        )
    if chosen := [row for row in checked if row["step"] == best]:
        figure.add_trace(
            traces.Scatter(
                x=[row["step"] for row in chosen],
                y=[row["validation_loss"] for row in chosen],
                hoverinfo="skip",
                mode="markers",
                name="best",
                marker={"size": 11, "color": VALIDATION},
            )
        )
    axis = {"showgrid": True, "gridcolor": FAINT, "zeroline": False, "linecolor": INK}
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        font={"color": INK},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        hovermode="x unified",
        height=320,
        margin={"l": 56, "r": 24, "t": 48, "b": 48},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        xaxis={**axis, "title": {"text": "step"}},
        yaxis={**axis, "title": {"text": "loss (nats a token)"}},
    )
    return figure


def _thinned(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """Return steps and values, at most `MAX_POINTS`: each the mean of as many neighbours as it takes."""
    width = -(-len(points) // MAX_POINTS) or 1
    groups = [points[start : start + width] for start in range(0, len(points), width)]
    return (
        [group[-1][0] for group in groups],
        [sum(value for _, value in group) / len(group) for group in groups],
    )

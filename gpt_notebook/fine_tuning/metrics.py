"""The numbers and texts of a job by step, as a table, and as a figure of its loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobEvent, Probed, StepDone, Validated

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK = "#7f7f7f"
"""Seen on white and on black."""
TRAINING, VALIDATION = "rgba(36,134,236,0.75)", "rgb(235,125,10)"
"""Blue and orange: told apart by those who don't see red or green, too."""
COLUMNS = (
    "step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "seconds", "memory", "validation_loss", "perplexity",
    "accuracy",
)  # fmt: skip
"""Of the numbers by step."""
MAX_POINTS = 4000
"""Of a curve; of more steps the means of neighbours are drawn."""

Rows = list[dict[str, Any]]


def metrics(events: Iterable[JobEvent]) -> Rows:
    """Return a row for each step, with the numbers of its validation where there was one.

    Args:
        events: Those that count, each step once.
    """
    rows: dict[int, dict[str, Any]] = {}

    def row(step: int) -> dict[str, Any]:
        return rows.setdefault(step, {**dict.fromkeys(COLUMNS), "step": step})

    for event in events:
        if isinstance(event, StepDone):
            row(event.step).update({name: getattr(event, name) for name in COLUMNS[1:8]})
        elif isinstance(event, Validated):
            found = {"validation_loss": event.loss, "perplexity": event.perplexity, "accuracy": event.accuracy}
            row(event.step).update(found)
    return [rows[step] for step in sorted(rows)]


def samples(events: Iterable[JobEvent]) -> Rows:
    """Return what the model made of each probe, by step.

    Args:
        events: Those that count, each step once.
    """
    found = {(e.step, e.index): e for e in events if isinstance(e, Probed)}
    return [{"step": step, "prompt": found[step, i].prompt, "text": found[step, i].text} for step, i in sorted(found)]


def as_table(rows: Rows, columns: Sequence[str] = ()) -> Any:
    """Return rows as a DataFrame where pandas is installed, else as they are."""
    if find_spec("pandas") is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=list(rows[0]) if rows else list(columns))


def loss_figure(rows: Rows, *, title: str, best: int | None = None) -> Figure:
    """Return a figure of the loss of each step, of the validations, and of the best of them.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    if find_spec("plotly") is None:
        message = "figures need Plotly: run  pip install 'gpt-notebook[viz]'"
        raise InvalidRequest(message)
    from plotly.graph_objects import Scatter

    from gpt_notebook.figures.pictured_figure import PicturedFigure

    figure = PicturedFigure()
    title = title if rows else f"{title}: no step yet"
    steps, losses = _thinned([(row["step"], row["loss"]) for row in rows if row["loss"] is not None])
    line: dict[str, Any] = {"color": TRAINING, "width": 1.5}
    figure.add_trace(Scatter(x=steps, y=losses, mode="lines", name="training", line=line))
    checked = [row for row in rows if row["validation_loss"] is not None]
    if checked:
        figure.add_trace(
            Scatter(
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
            Scatter(
                x=[row["step"] for row in chosen],
                y=[row["validation_loss"] for row in chosen],
                hoverinfo="skip",
                mode="markers",
                name="best",
                marker={"size": 11, "color": VALIDATION},
            )
        )
    axis = {"showgrid": True, "gridcolor": "rgba(127,127,127,0.25)", "zeroline": False, "linecolor": INK}
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        font={"color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
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

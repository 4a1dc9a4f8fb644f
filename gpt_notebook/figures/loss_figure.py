"""A Plotly figure of a training: losses, learning rate, what has happened, and other trainings beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook.figures.colors import CLEAR, FAINT, INK
from gpt_notebook.figures.plotly_objects import plotly_objects
from gpt_notebook.figures.training_curves import LOSS, OTHERS, RATE, STEP, TRAINING, VALIDATION, TrainingCurves, thinned

if TYPE_CHECKING:
    from types import ModuleType

    from plotly.graph_objects import Figure

HOVER = "%{y:.4g}, perplexity %{customdata[0]:.4g}, accuracy %{customdata[1]:.1%}"


def loss_figure(curves: TrainingCurves, *, title: str, others: Sequence[TrainingCurves] = ()) -> Figure:
    """Return a figure of the loss of each step, of the validations and the best of them, and of the learning rate.

    Args:
        curves: The training.
        title: Above it.
        others: Trainings that are drawn as well, thinner.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    traces, figure_of = plotly_objects()
    figure = figure_of()
    for trace in _traces(traces, curves):
        figure.add_trace(trace)
    for number, each in enumerate(others):
        for trace in _other_traces(traces, each, OTHERS[number % len(OTHERS)]):
            figure.add_trace(trace)
    axis = {"showgrid": True, "gridcolor": FAINT, "zeroline": False, "linecolor": INK}
    figure.update_layout(
        title={"text": title if curves.losses else f"{title}: no step yet", "font": {"size": 14}},
        font={"color": INK},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        hovermode="x unified",
        height=400,
        margin={"l": 56, "r": 24, "t": 64, "b": 48},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        xaxis={**axis, "title": {"text": STEP}, "anchor": "y2"},
        yaxis={**axis, "title": {"text": LOSS}, "domain": [0.32, 1.0]},
        yaxis2={**axis, "title": {"text": RATE}, "domain": [0.0, 0.2], "nticks": 3, "rangemode": "tozero"},
        shapes=[_mark_line(step) for step, _ in curves.marks],
        annotations=[_mark_word(step, word) for step, word in curves.marks],
    )
    return figure


def _traces(traces: ModuleType, curves: TrainingCurves) -> list[Any]:
    losses = thinned(curves.losses)
    line = {"color": TRAINING, "width": 1.5}
    found = [traces.Scatter(**_places(losses), mode="lines", name="training", line=line, hovertemplate="%{y:.4g}")]
    if curves.validations:
        found.append(
            traces.Scatter(
                **_places([(each.step, each.loss) for each in curves.validations]),
                customdata=[[each.perplexity, each.accuracy] for each in curves.validations],
                hovertemplate=HOVER,
                mode="lines+markers",
                name="validation",
                line={"color": VALIDATION, "width": 2},
                marker={"size": 6},
            )
        )
    if best := curves.best_ones:
        marker = {"size": 11, "color": VALIDATION}
        places = _places([(each.step, each.loss) for each in best])
        found.append(traces.Scatter(**places, hoverinfo="skip", mode="markers", name="best", marker=marker))
    if rates := thinned(curves.learning_rates):
        below: dict[str, Any] = {"yaxis": "y2", "showlegend": False, "line": {"color": INK, "width": 1.5}}
        found.append(traces.Scatter(**_places(rates), mode="lines", name=RATE, hovertemplate="%{y:.3g}", **below))
    return found


def _other_traces(traces: ModuleType, curves: TrainingCurves, color: str) -> list[Any]:
    line = {"color": color, "width": 1}
    found = [traces.Scatter(**_places(thinned(curves.losses)), mode="lines", name=curves.name, line=line)]
    if curves.validations:
        places = _places([(each.step, each.loss) for each in curves.validations])
        line = {"color": color, "width": 1.5, "dash": "dash"}
        name = f"{curves.name}, validation"
        found.append(traces.Scatter(**places, mode="lines", name=name, line=line, showlegend=False))
    return found


def _places(points: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    return {"x": [x for x, _ in points], "y": [y for _, y in points]}


def _mark_line(step: float) -> dict[str, Any]:
    line = {"color": INK, "width": 1, "dash": "dot"}
    return {"type": "line", "x0": step, "x1": step, "xref": "x", "y0": 0, "y1": 1, "yref": "paper", "line": line}


def _mark_word(step: float, word: str) -> dict[str, Any]:
    place = {"x": step, "xref": "x", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "top"}
    return {**place, "text": word, "showarrow": False, "font": {"size": 11, "color": INK}}

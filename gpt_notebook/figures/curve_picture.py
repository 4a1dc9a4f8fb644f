"""The curves of a Plotly figure as a still picture, whatever somebody has made of it since."""

from __future__ import annotations

from typing import Any

from gpt_notebook.figures.chart import Chart, Line, Plot, drawing

DASHES = {"dash": "6 4", "dot": "2 3"}


def curve_picture(figure: Any) -> str:
    """Return the curves of a Plotly figure whose axes are all numbers, one plot for each axis that goes up."""
    layout, margin = figure.layout, figure.layout.margin
    inner = layout.height - margin.t - margin.b
    plots = []
    for name in dict.fromkeys(_axis_of(each) for each in figure.data):
        axis = layout[name]
        low, high = axis.domain or (0.0, 1.0)
        lines = [_line(each, layout.font.color) for each in figure.data if _axis_of(each) == name]
        top, bottom = (margin.t + (1 - share) * inner for share in (high, low))
        plots.append(Plot(lines=lines, title=axis.title.text or "", top=top, bottom=bottom))
    marks = [(each.x, each.text or "") for each in layout.annotations if each.xref == "x"]
    chart = Chart(
        plots=plots,
        across=next(filter(None, (layout[name].title.text for name in ("xaxis", "xaxis2"))), ""),
        height=layout.height,
        title=layout.title.text or "",
        marks=marks,
        left=margin.l,
        right=margin.r,
        ink=layout.font.color,
        grid=layout.yaxis.gridcolor,
    )
    return drawing(chart)


def _axis_of(curve: Any) -> str:
    """Return what the layout calls the axis of a curve that goes up: of `y2` it is `yaxis2`."""
    return f"yaxis{(curve.yaxis or 'y')[1:]}"


def _line(curve: Any, ink: str) -> Line:
    mode = curve.mode or "lines"
    return Line(
        points=list(zip(curve.x, curve.y, strict=True)),
        color=curve.line.color or curve.marker.color or ink,
        name="" if curve.showlegend is False else curve.name or "",
        width=curve.line.width or 2,
        has_line=mode != "markers",
        has_points="markers" in mode,
        size=curve.marker.size or 6,
        dash=DASHES.get(curve.line.dash or "", ""),
    )

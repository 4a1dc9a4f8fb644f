"""Curves over steps as a still picture: lines and points between two axes that begin and end at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from gpt_notebook.figures.svg import TITLE, TITLE_LETTER, picture, text

WIDTH = 640
"""Pixels of a figure that is as wide as its page."""
TICKS = 6
"""The most numbers beside an axis, about."""


def curve_picture(figure: Any) -> str:
    """Return the curves of a Plotly figure whose axes are both numbers."""
    layout, margin = figure.layout, figure.layout.margin
    curves = [(each, [(x, y) for x, y in zip(each.x, each.y, strict=True) if _finite(x, y)]) for each in figure.data]
    across = _Axis([x for _, points in curves for x, _ in points], margin.l, WIDTH - margin.r)
    upward = _Axis([y for _, points in curves for _, y in points], layout.height - margin.b, margin.t)
    parts = [text(escape(layout.title.text, quote=False), 8, 24, size=TITLE)]
    for value, x in across.ticks():
        parts.append(text(value, x, upward.start + 16, anchor="middle"))
    for value, y in upward.ticks():
        parts.append(f'<path d="M{across.start} {y:g}H{across.end}" stroke="{layout.yaxis.gridcolor}" fill="none"/>')
        parts.append(text(value, across.start - 6, y + 4, anchor="end"))
    legend = WIDTH - margin.r
    for curve, points in reversed(curves):
        color = curve.line.color or curve.marker.color or layout.font.color
        parts += _drawn(curve, [(across.place(x), upward.place(y)) for x, y in points], color)
        legend -= TITLE_LETTER * len(curve.name or "")
        parts.append(text(escape(curve.name or "", quote=False), legend, margin.t - 8, size=TITLE))
        parts.append(_sign(curve, legend - 14, margin.t - 13, color))
        legend -= 36
    parts += [
        text(layout.xaxis.title.text, (across.start + across.end) / 2, layout.height - 10, anchor="middle", size=TITLE),
        text(layout.yaxis.title.text, 14, (upward.start + upward.end) / 2, anchor="middle", size=TITLE, turn=-90),
    ]
    return picture(parts, WIDTH, layout.height, color=layout.font.color)


def _sign(curve: Any, x: float, y: float, color: str) -> str:
    """Return what stands for a curve before its name: a bit of its line, or a point where it has only those."""
    if curve.mode == "markers":
        return f'<circle cx="{x}" cy="{y}" r="{(curve.marker.size or 6) / 2:g}" fill="{color}"/>'
    return f'<path d="M{x - 8} {y}h16" stroke="{color}" stroke-width="2"/>'


def _finite(x: Any, y: Any) -> bool:
    return x is not None and y is not None and math.isfinite(x) and math.isfinite(y)


def _drawn(curve: Any, places: Sequence[tuple[float, float]], color: str) -> list[str]:
    """Return a curve's line, and its points where it has any or is only one."""
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = []
    if line and curve.mode != "markers":
        parts.append(f'<path d="M{line}" fill="none" stroke="{color}" stroke-width="{curve.line.width or 2}"/>')
    if "markers" in (curve.mode or "") or len(places) == 1:
        sizes = curve.marker.size if isinstance(curve.marker.size, Sequence) else [curve.marker.size or 6] * len(places)
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size / 2:g}" fill="{color}"/>'
            for (x, y), size in zip(places, sizes, strict=False)
        ]
    return parts


class _Axis:
    """One side of a picture: from numbers to pixels."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        """Take the numbers that must have a place, and the pixels between which they lie."""
        self.start, self.end = start, end
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        self._step = _round_step((high - low) / TICKS or abs(high) or 1.0)
        self._low = math.floor(low / self._step)
        self._high = max(math.ceil(high / self._step), self._low + 1)

    def place(self, value: float) -> float:
        """Return where a number is."""
        share = (value / self._step - self._low) / (self._high - self._low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[tuple[str, float]]:
        """Return round numbers, and where they are."""
        values = [number * self._step for number in range(self._low, self._high + 1)]
        return [(f"{value:.6g}", self.place(value)) for value in values]


def _round_step(least: float) -> float:
    """Return the first of 1, 2 and 5 times a power of ten that is not smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * (1 - 1e-9))

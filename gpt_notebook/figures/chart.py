"""Curves over steps as a still picture: plots one above the other, whose axes begin and end at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gpt_notebook.figures.colors import FAINT, INK
from gpt_notebook.figures.svg import TITLE, TITLE_LETTER, picture, text

WIDTH = 640
"""Pixels of a figure that is as wide as its page."""
TICKS = 6
"""The most numbers beside an axis, about."""
TICK_PIXELS = 36
"""Between two numbers beside an axis, at least."""

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve: a line, points, or both."""

    points: Sequence[Point]
    """What is no number is left out."""
    color: str
    name: str = ""
    """In the legend; "" where it has no place there."""
    width: float = 2
    has_line: bool = True
    has_points: bool = False
    size: float = 6
    """Pixels across a point."""
    dash: str = ""
    """As SVG has it, such as `4 3`."""

    @property
    def finite(self) -> list[Point]:
        """The points that have a place."""
        return [(x, y) for x, y in self.points if _is_number(x) and _is_number(y)]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Lines between two axes."""

    lines: Sequence[Line]
    title: str
    """Beside its axis."""
    top: float
    bottom: float
    """Pixels from the top of the picture."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Plots above one axis."""

    plots: Sequence[Plot]
    across: str
    """What the axis below is of."""
    height: float
    title: str = ""
    marks: Sequence[tuple[float, str]] = ()
    """Where something has happened, and what."""
    left: float = 56
    right: float = 24
    """Pixels beside the plots."""
    width: float = WIDTH
    ink: str = INK
    grid: str = FAINT


def drawing(chart: Chart) -> str:
    """Return the picture."""
    lines = [line for plot in chart.plots for line in plot.lines]
    numbers = [x for line in lines for x, _ in line.finite]
    # A mark has a place only where there is something beside it.
    places = [x for x, _ in chart.marks if numbers and _is_number(x)]
    across = _Axis([*numbers, *places], chart.left, chart.width - chart.right)
    parts = [text(escape(chart.title, quote=False), 8, 24, size=TITLE)] if chart.title else []
    for plot in chart.plots:
        parts += _plot(chart, plot, across)
    bottom = max(plot.bottom for plot in chart.plots)
    parts += [text(value, x, bottom + 16, anchor="middle") for value, x in across.ticks()]
    if numbers:
        parts += _marks(chart, across, bottom)
    parts += _legend(chart, [line for line in lines if line.name])
    middle = (across.start + across.end) / 2
    parts.append(text(escape(chart.across, quote=False), middle, bottom + 38, anchor="middle", size=TITLE))
    return picture(parts, chart.width, chart.height, color=chart.ink)


def _plot(chart: Chart, plot: Plot, across: _Axis) -> list[str]:
    upward = _Axis([y for line in plot.lines for _, y in line.finite], plot.bottom, plot.top)
    parts = []
    for value, y in upward.ticks():
        parts.append(f'<path d="M{across.start:g} {y:g}H{across.end:g}" stroke="{chart.grid}" fill="none"/>')
        parts.append(text(value, across.start - 6, y + 4, anchor="end"))
    for line in plot.lines:
        parts += _drawn(line, [(across.place(x), upward.place(y)) for x, y in line.finite])
    title = escape(plot.title, quote=False)
    parts.append(text(title, 14, (upward.start + upward.end) / 2, anchor="middle", size=TITLE, turn=-90))
    return parts


def _marks(chart: Chart, across: _Axis, bottom: float) -> list[str]:
    top = min(plot.top for plot in chart.plots)
    parts = []
    for x, word in chart.marks:
        place = across.place(x)
        line = f'd="M{place:.1f} {top:g}V{bottom:g}" stroke="{chart.ink}" stroke-dasharray="2 3" fill="none"'
        parts.append(f"<path {line}/>")
        has_room = place + 4 + TITLE_LETTER * len(word) < chart.width
        side, anchor = (4, "start") if has_room else (-4, "end")
        parts.append(text(escape(word, quote=False), place + side, top + 10, anchor=anchor))
    return parts


def _legend(chart: Chart, lines: Sequence[Line]) -> list[str]:
    parts = []
    top = min(plot.top for plot in chart.plots)
    right = chart.width - chart.right
    for line in reversed(lines):
        right -= TITLE_LETTER * len(line.name)
        parts.append(text(escape(line.name, quote=False), right, top - 8, size=TITLE))
        parts.append(_sign(line, right - 14, top - 13))
        right -= 36
    return parts


def _sign(line: Line, x: float, y: float) -> str:
    """Return what stands for a curve before its name: a bit of its line, or a point where it has only those."""
    if not line.has_line:
        return f'<circle cx="{x}" cy="{y}" r="{line.size / 2:g}" fill="{line.color}"/>'
    return f'<path d="M{x - 8} {y}h16" stroke="{line.color}" stroke-width="2"{_dashed(line)}/>'


def _drawn(line: Line, places: Sequence[Point]) -> list[str]:
    """Return a curve's line, and its points where it has any or is only one."""
    joined = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = []
    if joined and line.has_line:
        stroke = f'stroke="{line.color}" stroke-width="{line.width:g}"{_dashed(line)}'
        parts.append(f'<path d="M{joined}" fill="none" {stroke}/>')
    if line.has_points or len(places) == 1:
        radius = line.size / 2
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{line.color}"/>' for x, y in places]
    return parts


def _dashed(line: Line) -> str:
    return f' stroke-dasharray="{line.dash}"' if line.dash else ""


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


class _Axis:
    """One side of a picture: from numbers to pixels."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        """Take the numbers that must have a place, and the pixels between which they lie."""
        self.start, self.end = start, end
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        ticks = max(1, min(TICKS, int(abs(end - start) / TICK_PIXELS)))
        self._step = _round_step((high - low) / ticks or abs(high) or 1.0)
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

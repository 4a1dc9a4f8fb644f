"""A heatmap as a still picture, SVG: no script, no request, legible on light and on dark pages.

The cells are a PNG inside of it, so that a thousand tokens are no million elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook.figures.png import data_url, png
from gpt_notebook.figures.svg import LETTER, TITLE, TITLE_LETTER, picture, rgba
from gpt_notebook.figures.svg import text as _text

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

LINE = 13
"""Pixels that a tick needs."""
SHADES = 64
"""How many there are on the bar."""

Scale = Sequence[tuple[float, tuple[float, float, float, float]]]
"""Red, green, blue and opacity at some places between 0 and 1."""


def heatmap_picture(figure: Any) -> str:
    """Return the heatmap of a Plotly figure whose names are free of markup, as large as it is on a wide screen."""
    import numpy as np

    (heatmap,), layout, bar = figure.data, figure.layout, figure.data[0].colorbar
    values = np.asarray(heatmap.z, np.float64)  # (row, column)
    low, high = _limits(heatmap, values[np.isfinite(values)])
    scale = [(place, rgba(color)) for place, color in heatmap.colorscale]
    across, down = (
        _Axis(layout.xaxis, heatmap.x, heatmap.x0, heatmap.dx, values.shape[1]),
        _Axis(layout.yaxis, heatmap.y, heatmap.y0, heatmap.dy, values.shape[0]),
    )
    left, top = layout.margin.l, layout.margin.t
    height = layout.height - top - layout.margin.b
    width = height * across.length / down.length / layout.yaxis.scaleratio
    room = width if layout.width is None else layout.width - left - layout.margin.r
    width, height = (pixels * min(1, room / width) for pixels in (width, height))
    shades = np.linspace(low, high, SHADES)[None]
    bar_left = left + TITLE_LETTER * len(bar.title.text) + 8
    bar_top = top - bar.ypad - LETTER - bar.thickness - 4
    total = (
        max(left + width + layout.margin.r, 8 + TITLE_LETTER * len(layout.title.text)),
        top + height + layout.margin.b,
    )
    parts = [
        _text(layout.title.text, 8, 28, size=TITLE),
        _image(_colored(values, low, high, scale), left, top, width, height),
        _image(_colored(shades, low, high, scale), bar_left, bar_top, bar.len, bar.thickness),
        _text(f"{low:.3g}", bar_left, top - bar.ypad, anchor="middle"),
        _text(f"{high:.3g}", bar_left + bar.len, top - bar.ypad, anchor="middle"),
        _text(bar.title.text, left, bar_top + bar.thickness, size=TITLE),
        f'<path d="M{left} {top}h{width:g}v{height:g}h{-width:g}z" fill="none" stroke="{layout.font.color}"/>',
        *(_text(name, left - 4, top + at + 4, anchor="end") for name, at in down.ticks(height)),
        *_under(across.ticks(width), left, top + height, turned=bool(layout.xaxis.tickangle)),
        _text(layout.xaxis.title.text, left + width / 2, total[1] - 8, anchor="middle", size=TITLE),
        _text(layout.yaxis.title.text, 18, top + height / 2, anchor="middle", size=TITLE, turn=-90),
    ]
    return picture(parts, *total, color=layout.font.color)


def _limits(heatmap: Any, finite: Numbers) -> tuple[float, float]:
    """Return between which numbers the colours lie; Plotly takes the figure's own only where both are given."""
    if heatmap.zmin is not None and heatmap.zmax is not None:
        return heatmap.zmin, heatmap.zmax
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


class _Axis:
    """One side of a heatmap: names of its cells, or numbers at regular distances."""

    def __init__(
        self, axis: Any, names: Sequence[str] | None, first: float | None, step: float | None, count: int
    ) -> None:
        self._names = names
        self._every = axis.dtick or 1
        step = 1 if step is None else step
        self._start = (0 if first is None else first) - step / 2
        self.length = count * step
        """In units of the axis, of which a name takes one."""

    def ticks(self, pixels: float) -> list[tuple[str, float]]:
        """Return as many names or numbers as have room, each with its place in pixels."""
        unit = pixels / self.length
        every = self._every * math.ceil(LINE / (unit * self._every))
        numbers = range(0, math.ceil(self._start + self.length), every)
        return [(str(i) if self._names is None else self._names[i], (i - self._start) * unit) for i in numbers]


def _under(ticks: Sequence[tuple[str, float]], left: float, top: float, *, turned: bool) -> list[str]:
    if turned:
        return [_text(name, left + at - 4, top + 6, turn=90) for name, at in ticks]
    return [_text(name, left + at, top + 16, anchor="middle") for name, at in ticks]


def _image(image: bytes, x: float, y: float, width: float, height: float) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none"'
    return f'<image {place} style="image-rendering:pixelated" href="{data_url(image)}"/>'


def _colored(values: Numbers, low: float, high: float, scale: Scale) -> bytes:
    """Return numbers (row, column) as a PNG with a pixel for each; NaN is nothing to see."""
    import numpy as np

    shares = np.nan_to_num((values - low) / ((high - low) or 1.0))
    places, colors = zip(*scale, strict=True)
    pixels = np.stack([np.interp(shares, places, channel) for channel in zip(*colors, strict=True)], axis=-1)
    pixels[..., 3] *= 255 * np.isfinite(values)
    return png(np.round(pixels).astype(np.uint8))

"""A heatmap as a still picture, SVG: no script, no request, legible on light and on dark pages.

The cells are a PNG inside of it, so that a thousand tokens are no million elements.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook.attention_maps.png import data_url, png

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

LETTER, TITLE = 11, 14
"""Pixels of the letters of a tick, and of a title."""
LINE = 13
"""Pixels that a tick needs."""
BAR = 14
"""Pixels across the bar that tells the colours."""
SHADES = 64
"""How many there are on the bar."""

Scale = Sequence[tuple[float, tuple[float, float, float, float]]]
"""Red, green, blue and opacity at some places between 0 and 1."""


def still_picture(figure: Any) -> str:
    """Return the heatmap of a Plotly figure whose names are free of markup, as large as it is on the screen."""
    import numpy as np

    (heatmap,), layout, margin = figure.data, figure.layout, figure.layout.margin
    left, top = margin.l, margin.t
    width, height = layout.width - left - margin.r, layout.height - top - margin.b
    values = np.asarray(heatmap.z, np.float64)  # (row, column)
    finite = values[np.isfinite(values)]
    low = heatmap.zmin
    high = finite.max(initial=low) if heatmap.zmax is None else heatmap.zmax
    scale = [(place, rgba(color)) for place, color in heatmap.colorscale]
    bar = np.linspace(high, low, SHADES)[:, None]
    bar_left, right = left + width + 16, left + width + 36
    parts = [
        _text(layout.title.text, 8, 24, size=TITLE),
        _image(_colored(values, low, high, scale), left, top, width, height),
        f'<path d="M{left} {top}h{width}v{height}h{-width}z" fill="none" stroke="{layout.font.color}"/>',
        *(_text(name, left - 4, top + at + 4, anchor="end") for name, at in _ticks(heatmap.y, len(values), height)),
        *_under(_ticks(heatmap.x, values.shape[1], width), left, top + height, turned=bool(layout.xaxis.tickangle)),
        _text(layout.xaxis.title.text, left + width / 2, layout.height - 8, anchor="middle", size=TITLE),
        _text(layout.yaxis.title.text, 18, top + height / 2, anchor="middle", size=TITLE, turn=-90),
        _image(_colored(bar, low, high, scale), bar_left, top, BAR, height),
        _text(f"{high:.2g}", right, top + LETTER),
        _text(f"{low:.2g}", right, top + height),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}" height="{layout.height}" '
        f'fill="{layout.font.color}" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )


def _ticks(names: Sequence[str] | None, count: int, pixels: float) -> list[tuple[str, float]]:
    """Return as many names as have room, numbers where there are none, each with the middle of its cell in pixels."""
    cell = pixels / count
    every = math.ceil(LINE / cell)
    return [(str(i) if names is None else names[i], (i + 0.5) * cell) for i in range(0, count, every)]


def _under(ticks: Sequence[tuple[str, float]], left: float, top: float, *, turned: bool) -> list[str]:
    if turned:
        return [_text(name, left + at - 4, top + 6, turn=90) for name, at in ticks]
    return [_text(name, left + at, top + 16, anchor="middle") for name, at in ticks]


def _text(text: str, x: float, y: float, *, size: int = LETTER, anchor: str = "start", turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{turned}>{text}</text>'


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


def rgba(color: str) -> tuple[float, float, float, float]:
    """Return a color that is written as Plotly's scales are: `rgba(1,2,3,0.5)`, `rgb(1,2,3)` or `#010203`."""
    if color.startswith("#"):
        channels = [float(each) for each in bytes.fromhex(color[1:])]
    else:
        channels = [float(each) for each in re.findall(r"[\d.]+", color)]
    red, green, blue, opacity = (*channels, 1.0)[:4]
    return red, green, blue, opacity

"""The pieces of a still picture, SVG: no script, no request, legible on light and on dark pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

LETTER, TITLE = 11, 14
"""Pixels of the letters of a tick, and of a title."""
TITLE_LETTER = 8
"""Pixels across one, about."""

_NOT_IN_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may have, not even escaped: https://www.w3.org/TR/xml/#charsets."""


def picture(parts: Iterable[str], width: float, height: float, *, color: str) -> str:
    """Return a picture of so many pixels, or as many as there is room for; what has no colour of its own has this one."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" style="max-width:100%;height:auto" '
        f'fill="{color}" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )


def text(words: str, x: float, y: float, *, size: int = LETTER, anchor: str = "start", turn: int = 0) -> str:
    """Return words, which are free of markup, at a place in pixels; turned by so many degrees."""
    turned = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
    shown = _NOT_IN_XML.sub("\ufffd", words)
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{turned}>{shown}</text>'


def rgba(color: str) -> tuple[float, float, float, float]:
    """Return a color that is written as Plotly's scales are: `rgba(1,2,3,0.5)`, `rgb(1,2,3)` or `#010203`."""
    if color.startswith("#"):
        channels = [float(each) for each in bytes.fromhex(color[1:])]
    else:
        channels = [float(each) for each in re.findall(r"[\d.]+", color)]
    red, green, blue, opacity = (*channels, 1.0)[:4]
    return red, green, blue, opacity

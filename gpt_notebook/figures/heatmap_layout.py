"""How a heatmap is laid out: its size, its names, its title above it and the bar that tells its colours.

A figure is as wide as its cell lets it be, up to a size that suits its numbers, and its proportions stay. Plotly leaves
out those names of an axis that would overlap, and shows more of them when one zooms in.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gpt_notebook.figures.colors import CLEAR, INK

if TYPE_CHECKING:
    import numpy as np
    from plotly.graph_objects import Figure

MAX_TICKS = 36
"""On one axis: more would overlap."""
LARGEST = 640
"""Pixels of a map's longer side: what JupyterLab has beside its file browser on a small screen."""
LETTER = 6.5
"""Pixels of a name's letter, about."""
TITLE = 44
"""Pixels from the top to where Plotly puts the title, which it sets higher than it says."""
TOP, BESIDE, RIGHT = 88, 40, 32
"""Pixels around a map: for the title and the bar, beside the names of an axis, and for the end of the last name."""
_BAR = {
    "orientation": "h",
    "x": 0,
    "xanchor": "left",
    "xpad": 0,
    "y": 1,
    "yanchor": "bottom",
    "ypad": 6,
    "lenmode": "pixels",
    "len": 160,
    "thickness": 10,
    "outlinewidth": 0,
}
"""Above the map's left corner: on its right it would be what a narrow cell cuts off."""


def largest_of(values: np.ndarray[Any, np.dtype[Any]]) -> float:
    """Return where the colours end."""
    import numpy as np

    return float(values[np.isfinite(values)].max(initial=0.0)) or 1.0


def color_bar(title: str, low: float, high: float) -> dict[str, Any]:
    """Return the bar that tells the colours, with the numbers where they begin and end."""
    return {**_BAR, "title": {"text": title}, "tickvals": (low, high), "ticktext": (f"{low:.3g}", f"{high:.3g}")}


def lay_out(figure: Figure, title: str, size: tuple[int, ...], columns: Sequence[str], rows: Sequence[str]) -> None:
    """Give a figure the height that its cells and names need, and colours for light and dark pages.

    Args:
        figure: what to lay out.
        title: may be anything.
        size: the most pixels of the map across and down, which are also its proportions.
        columns: the names below it.
        rows: the names on its left.
    """
    width, height = size
    turned = max(map(len, columns)) * LETTER > width / len(columns)
    left = BESIDE + round(LETTER * max(map(len, rows)))
    bottom = BESIDE + round(LETTER * max(map(len, columns)) if turned else LETTER)
    total = TOP + height + bottom
    figure.update_layout(
        title={
            "text": escape(title, quote=False),
            "font": {"size": 14},
            "x": 0,
            "y": 1 - TITLE / total,
            "yanchor": "bottom",
            "pad": {"l": 8},
        },
        autosize=True,
        height=total,
        margin={"l": left, "t": TOP, "b": bottom, "r": RIGHT, "autoexpand": False},
        font={"color": INK},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
    )
    axis = {"showgrid": False, "zeroline": False, "showline": True, "mirror": True, "linecolor": INK}
    # In a narrow cell the map is smaller, and stays where it begins.
    figure.update_xaxes(axis, tickangle=90 if turned else 0, constrain="domain", constraintoward="left")
    figure.update_yaxes(
        axis,
        autorange="reversed",
        constrain="domain",
        constraintoward="top",
        scaleanchor="x",
        scaleratio=(height / len(rows)) / (width / len(columns)),
    )

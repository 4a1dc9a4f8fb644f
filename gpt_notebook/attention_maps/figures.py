"""Plotly figures of numbers: a map with the names of its tokens, all heads at once, one number a head.

A figure is as wide as its cell lets it be, up to a size that suits its numbers, and its proportions stay. Plotly leaves
out those names of an axis that would overlap, and shows more of them when one zooms in. Colours grow out of what lies
behind, so that one scale serves light and dark pages. Knows nothing of models or where the numbers came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gpt_notebook.errors import InvalidRequest

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpt_notebook.attention_maps.arrays import Array, Matrix

MAX_TICKS = 36
"""On one axis: more would overlap."""

LARGEST = 640
"""Pixels of a map's longer side: what JupyterLab has beside its file browser on a small screen."""
LEGIBLE, COMFORTABLE, ROOMY = 18, 32, 480
"""A cell has the first number of pixels if that fits, up to the second as long as all cells stay within the third."""
COUNTED = 64
"""Pixels of a cell with a number in it."""
THINNEST = 40
"""Pixels of a map of few rows or columns."""
TILE = 120
"""The most pixels of one head among many."""
LETTER = 6.5
"""Pixels of a name's letter, about."""
TITLE = 44
"""Pixels from the top to where Plotly puts the title, which it sets higher than it says."""
TOP, BESIDE, RIGHT = 88, 40, 32
"""Pixels around a map: for the title and the bar, beside the names of an axis, and for the end of the last name."""

INK = "#7f7f7f"
"""Seen on white and on black."""
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
FAINT = "rgba(127,127,127,0.25)"
CLEAR = "rgba(0,0,0,0)"
SEQUENTIAL = tuple(
    (share, f"rgba(36,134,236,{opacity})")
    for share, opacity in ((0.0, 0.0), (0.02, 0.08), (0.1, 0.2), (0.25, 0.38), (0.5, 0.64), (1.0, 1.0))
)
"""Small weights get more colour than their share: on a dark page they would be lost."""
OPAQUE = ((0.0, "rgb(226,238,252)"), (0.5, "rgb(128,180,240)"), (1.0, "rgb(16,94,184)"))
"""Where numbers stand in the cells: Plotly writes them dark or white as suits the cell, and can't know the page behind it."""
DIVERGING = (
    (0.0, "rgba(36,134,236,1)"),
    (0.5, "rgba(36,134,236,0)"),
    (0.5, "rgba(235,125,10,0)"),
    (1.0, "rgba(235,125,10,1)"),
)
"""Blue, nothing, orange: told apart by those who don't see red or green, too."""


def map_figure(weights: Array, query_names: Sequence[str], key_names: Sequence[str], *, title: str) -> Figure:
    """Return weights (query, key), the queries from top to bottom; NaN is nothing to see.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    traces, figure_of = _plotly()
    largest = _largest(weights)
    rows, columns = ([escape(name, quote=False) for name in names] for names in (query_names, key_names))
    shown = traces.Heatmap(
        z=weights,
        x=columns,
        y=rows,
        # Plotly takes one only beside the other.
        zmin=0,
        zmax=largest,
        colorscale=SEQUENTIAL,
        hoverongaps=False,
        hovertemplate="query %{y}<br>key %{x}<br>weight %{z:.6f}<extra></extra>",
        colorbar=_bar("weight", 0, largest),
    )
    figure = figure_of(shown)
    cell = _cell(max(weights.shape))
    height, width = (max(round(cell * count), THINNEST) for count in weights.shape)
    _lay_out(figure, title, (width, height), columns, rows)
    figure.update_xaxes(title={"text": "key"}, type="category", nticks=MAX_TICKS)
    figure.update_yaxes(title={"text": "query"}, type="category", nticks=MAX_TICKS)
    return figure


def mosaic_figure(pictures: Array, *, title: str) -> Figure:
    """Return the pictures (layer, head, row, column) of all heads, each in the row of its layer.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    import numpy as np

    traces, figure_of = _plotly()
    n_layers, n_heads, rows, columns = pictures.shape
    # A line of nothing below each picture and on its right.
    apart = np.pad(pictures, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    width, height = 1 / (columns + 1), 1 / (rows + 1)
    largest = _largest(pictures)
    shown = traces.Heatmap(
        z=apart.swapaxes(1, 2).reshape(n_layers * (rows + 1), n_heads * (columns + 1)),
        # Each head lies where numbers round to its own.
        x0=(width - 1) / 2,
        dx=width,
        y0=(height - 1) / 2,
        dy=height,
        zmin=0,
        zmax=largest,
        colorscale=SEQUENTIAL,
        hoverongaps=False,
        hovertemplate="layer %{y:.0f}, head %{x:.0f}<br>weight %{z:.4f}<extra></extra>",
        colorbar=_bar("weight", 0, largest),
    )
    figure = figure_of(shown)
    tile = tile_of(n_layers, n_heads)
    # Cells of whole pixels look alike.
    size = tuple(
        count * max(1, tile // (cells + 1)) * (cells + 1) for count, cells in ((n_heads, columns), (n_layers, rows))
    )
    _lay_out_numbers(figure, title, size, layers=n_layers, heads=n_heads)
    between = {"tick0": 0.5, "dtick": 1, "showgrid": True, "gridcolor": FAINT}
    figure.update_xaxes(minor=between).update_yaxes(minor=between)
    return figure


def tile_of(n_layers: int, n_heads: int) -> int:
    """Return how many pixels each of so many heads has, those that keep it apart from the next included."""
    return max(2, min(TILE, LARGEST // max(n_layers, n_heads)))


def patching_figure(values: Matrix, *, title: str) -> Figure:
    """Return how much each head brings back, shape (layer, head), clear for nothing.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    import numpy as np

    traces, figure_of = _plotly()
    largest = _largest(np.abs(values))
    shown = traces.Heatmap(
        z=values,
        zmin=-largest,
        zmid=0,
        zmax=largest,
        colorscale=DIVERGING,
        hoverongaps=False,
        hovertemplate="layer %{y}, head %{x}<br>brings back %{z:.4f}<extra></extra>",
        colorbar=_bar("brought back", -largest, largest),
    )
    figure = figure_of(shown)
    layers, heads = values.shape
    cell = _cell(max(values.shape))
    _lay_out_numbers(figure, title, (round(cell * heads), round(cell * layers)), layers=layers, heads=heads)
    return figure


def confusion_figure(counts: Any, names: Sequence[str], *, title: str) -> Figure:
    """Return how often one of `names` was taken for another, shape (true, predicted), with the counts in the cells.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    traces, figure_of = _plotly()
    largest = _largest(counts)
    labels = [escape(name, quote=False) for name in names]
    shown = traces.Heatmap(
        z=counts,
        x=labels,
        y=labels,
        zmin=0,
        zmax=largest,
        colorscale=OPAQUE,
        texttemplate="%{z}",
        hovertemplate="true %{y}<br>predicted %{x}<br>%{z} rows<extra></extra>",
        colorbar=_bar("rows", 0, largest),
    )
    figure = figure_of(shown)
    cell = COUNTED if len(names) * COUNTED <= LARGEST else LARGEST / len(names)
    _lay_out(figure, title, (round(cell * len(names)),) * 2, labels, labels)
    figure.update_xaxes(title={"text": "predicted"}, type="category", nticks=MAX_TICKS)
    figure.update_yaxes(title={"text": "true"}, type="category", nticks=MAX_TICKS)
    return figure


def _largest(values: Array | Matrix) -> float:
    """Return where the colours end."""
    import numpy as np

    return float(values[np.isfinite(values)].max(initial=0.0)) or 1.0


def _bar(title: str, low: float, high: float) -> dict[str, Any]:
    """Return the bar that tells the colours, with the numbers where they begin and end."""
    return {**_BAR, "title": {"text": title}, "tickvals": (low, high), "ticktext": (f"{low:.3g}", f"{high:.3g}")}


def _cell(longest: int) -> float:
    """Return the pixels of one of so many cells."""
    return min(LARGEST / longest, max(LEGIBLE, min(COMFORTABLE, ROOMY / longest)))


def _lay_out_numbers(figure: Figure, title: str, size: tuple[int, ...], *, layers: int, heads: int) -> None:
    numbers = [[str(i) for i in range(count)] for count in (heads, layers)]
    _lay_out(figure, title, size, *numbers)
    figure.update_xaxes(title={"text": "head"}, tick0=0, dtick=_step(heads), range=(-0.5, heads - 0.5))
    figure.update_yaxes(title={"text": "layer"}, tick0=0, dtick=_step(layers), range=(layers - 0.5, -0.5))


def _lay_out(figure: Figure, title: str, size: tuple[int, ...], columns: Sequence[str], rows: Sequence[str]) -> None:
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


def _step(count: int) -> int:
    """Return the distance of the ticks of so many numbers."""
    return -(-count // MAX_TICKS)


def check_installed() -> None:
    """Refuse a figure before its numbers are computed.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    _plotly()


def _plotly() -> tuple[ModuleType, type[Figure]]:
    """Return Plotly's traces, and the figure that they go into."""
    try:
        from plotly import graph_objects

        from gpt_notebook.figures.pictured_figure import PicturedFigure
    except ModuleNotFoundError as error:
        message = f"a figure needs {error.name}, which is not installed: run  pip install 'gpt-notebook[viz]'"
        raise InvalidRequest(message) from error
    return graph_objects, PicturedFigure

"""Plotly figures of numbers: a map with the names of its tokens, all heads at once, one number a head.

Colours grow out of what lies behind, so that one scale serves light and dark pages. Knows nothing of models or where the
numbers came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from gpt_notebook.figures.colors import FAINT
from gpt_notebook.figures.heatmap_layout import LARGEST, MAX_TICKS, color_bar, largest_of, lay_out
from gpt_notebook.figures.plotly_objects import plotly_objects

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpt_notebook.attention_maps.arrays import Array, Matrix

LEGIBLE, COMFORTABLE, ROOMY = 18, 32, 480
"""A cell has the first number of pixels if that fits, up to the second as long as all cells stay within the third."""
THINNEST = 40
"""Pixels of a map of few rows or columns."""
TILE = 120
"""The most pixels of one head among many."""
SEQUENTIAL = tuple(
    (share, f"rgba(36,134,236,{opacity})")
    for share, opacity in ((0.0, 0.0), (0.02, 0.08), (0.1, 0.2), (0.25, 0.38), (0.5, 0.64), (1.0, 1.0))
)
"""Small weights get more colour than their share: on a dark page they would be lost."""
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
    traces, figure_of = plotly_objects()
    largest = largest_of(weights)
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
        colorbar=color_bar("weight", 0, largest),
    )
    figure = figure_of(shown)
    cell = _cell(max(weights.shape))
    height, width = (max(round(cell * count), THINNEST) for count in weights.shape)
    lay_out(figure, title, (width, height), columns, rows)
    figure.update_xaxes(title={"text": "key"}, type="category", nticks=MAX_TICKS)
    figure.update_yaxes(title={"text": "query"}, type="category", nticks=MAX_TICKS)
    return figure


def mosaic_figure(pictures: Array, *, title: str) -> Figure:
    """Return the pictures (layer, head, row, column) of all heads, each in the row of its layer.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    import numpy as np

    traces, figure_of = plotly_objects()
    n_layers, n_heads, rows, columns = pictures.shape
    # A line of nothing below each picture and on its right.
    apart = np.pad(pictures, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    width, height = 1 / (columns + 1), 1 / (rows + 1)
    largest = largest_of(pictures)
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
        colorbar=color_bar("weight", 0, largest),
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

    traces, figure_of = plotly_objects()
    largest = largest_of(np.abs(values))
    shown = traces.Heatmap(
        z=values,
        zmin=-largest,
        zmid=0,
        zmax=largest,
        colorscale=DIVERGING,
        hoverongaps=False,
        hovertemplate="layer %{y}, head %{x}<br>brings back %{z:.4f}<extra></extra>",
        colorbar=color_bar("brought back", -largest, largest),
    )
    figure = figure_of(shown)
    layers, heads = values.shape
    cell = _cell(max(values.shape))
    _lay_out_numbers(figure, title, (round(cell * heads), round(cell * layers)), layers=layers, heads=heads)
    return figure


def _cell(longest: int) -> float:
    """Return the pixels of one of so many cells."""
    return min(LARGEST / longest, max(LEGIBLE, min(COMFORTABLE, ROOMY / longest)))


def _lay_out_numbers(figure: Figure, title: str, size: tuple[int, ...], *, layers: int, heads: int) -> None:
    numbers = [[str(i) for i in range(count)] for count in (heads, layers)]
    lay_out(figure, title, size, *numbers)
    figure.update_xaxes(title={"text": "head"}, tick0=0, dtick=_step(heads), range=(-0.5, heads - 0.5))
    figure.update_yaxes(title={"text": "layer"}, tick0=0, dtick=_step(layers), range=(layers - 0.5, -0.5))


def _step(count: int) -> int:
    """Return the distance of the ticks of so many numbers."""
    return -(-count // MAX_TICKS)

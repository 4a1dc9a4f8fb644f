"""Plotly figures of attention: one head's map with its tokens, and the matrix of a patching.

Each token has a name of its own on its axis, with its position, because Plotly would make one row of equal names; it
also leaves out those names that would overlap, and shows more of them when one zooms in.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gpt_notebook.attention_maps import places
from gpt_notebook.attention_maps.places import Range
from gpt_notebook.attention_maps.recording import Recording
from gpt_notebook.display.token_html import quoted
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Token

if TYPE_CHECKING:
    import numpy as np
    from plotly.graph_objects import Figure

    from gpt_notebook.attention_maps.maps import Attention
    from gpt_notebook.attention_maps.results import Patching
    from gpt_notebook.attention_protocol import Part

MAX_TOKENS = 1024
"""On one axis: more cells than a screen has pixels only make the browser slow."""
MAX_TICKS = 64
MAX_LABEL = 20
"""Characters of a token's name."""

PIXELS_A_TOKEN = 18
SMALLEST, LARGEST = 320, 800
MARGIN = 120
"""Pixels of a map's longer side, without the names beside it, which need the margin."""

DIVERGING = ((0.0, "#1f5fa8"), (0.5, "#ffffff"), (1.0, "#d9730d"))
"""Blue, white, orange: told apart by those who don't see red or green, too."""


def map_figure(
    attention: Attention,
    recording: Recording,
    layer: int,
    head: int,
    *,
    hide_sink: bool,
    part: Part | None,
    queries: Range,
    keys: Range,
) -> Figure:
    """Return one head's map, the queries from top to bottom.

    Raises:
        InvalidRequest: there are too many tokens for a figure, or Plotly is not installed.
    """
    figures = _plotly()
    found = recording.part(part)
    rows = places.interval("queries", queries, found.n_queries) or (0, found.n_queries)
    columns = places.interval("keys", keys, found.n_keys) or (0, found.n_keys)
    for name, (start, stop) in {"queries": rows, "keys": columns}.items():
        if stop - start > MAX_TOKENS:
            message = f"{stop - start} {name} are too many for a figure, which shows {MAX_TOKENS}: choose some, as in queries=(0, 512), keys=(0, 512)"
            raise InvalidRequest(message, param=name)
    if hide_sink:
        whole = attention.map(layer, head, part=found.name, queries=rows)
        weights = _without_sink(whole)[:, slice(*columns)]
    else:
        weights = attention.map(layer, head, part=found.name, queries=rows, keys=columns)
    title = f"{attention.model}, layer {int(layer)}, head {int(head)}"
    if len(attention.parts) > 1:
        title += f", {found.name}"
    if hide_sink:
        title += " (without the first token, rows rescaled)"
    y, x = (_names(recording.query_tokens(found), rows), _names(recording.key_tokens(found), columns))
    shown = figures.Heatmap(
        z=weights,
        x=x,
        y=y,
        zmin=0,
        colorscale="Blues",
        hoverongaps=False,
        hovertemplate="query %{y}<br>key %{x}<br>weight %{z:.6f}<extra></extra>",
        colorbar={"title": {"text": "weight"}},
    )
    figure = figures.Figure(shown)
    figure.update_layout(
        title={"text": escape(title, quote=False)},
        width=_pixels(len(x)) + 2 * MARGIN,
        height=_pixels(len(y)) + 2 * MARGIN,
    )
    figure.update_xaxes(title={"text": "key"}, type="category", nticks=MAX_TICKS, showgrid=False)
    figure.update_yaxes(
        title={"text": "query"}, type="category", nticks=MAX_TICKS, showgrid=False, autorange="reversed"
    )
    return figure


def patching_figure(patching: Patching) -> Figure:
    """Return how much each head brings back, white for nothing."""
    import numpy as np

    figures = _plotly()
    answer, wrong = (_escaped(each) for each in (patching.answer, patching.wrong))
    finite = np.abs(patching.matrix[np.isfinite(patching.matrix)])
    largest = float(finite.max(initial=0.0)) or 1.0
    shown = figures.Heatmap(
        z=patching.matrix,
        zmin=-largest,
        zmid=0,
        zmax=largest,
        colorscale=DIVERGING,
        hoverongaps=False,
        hovertemplate="layer %{y}, head %{x}<br>brings back %{z:.4f}<extra></extra>",
        colorbar={"title": {"text": "part brought back"}},
    )
    layers, heads = patching.matrix.shape
    figure = figures.Figure(shown)
    figure.update_layout(
        title={"text": f"{escape(patching.model, quote=False)}: which head brings back {answer} over {wrong}"},
        width=_pixels(heads) + 2 * MARGIN,
        height=_pixels(layers) + 2 * MARGIN,
    )
    figure.update_xaxes(title={"text": "head"}, tick0=0, dtick=_step(heads), showgrid=False)
    figure.update_yaxes(title={"text": "layer"}, tick0=0, dtick=_step(layers), showgrid=False, autorange="reversed")
    return figure


def _without_sink(
    weights: np.ndarray[Any, np.dtype[np.float32]],
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a map, shape (query, key), whose first column is NaN and whose rows sum to 1 without it.

    A row that has nothing else is all NaN.
    """
    import numpy as np

    rest = weights.copy()
    rest[:, 0] = 0
    sums = rest.sum(axis=1, keepdims=True, dtype=np.float64)
    sums[sums == 0] = np.nan
    rest /= sums.astype(np.float32)
    rest[:, 0] = np.nan
    return rest


def _names(tokens: Sequence[Token], interval: tuple[int, int]) -> list[str]:
    return [f"{_escaped(tokens[i])} ({i})" for i in range(*interval)]


def _escaped(token: Token) -> str:
    """Return a token's name, in which Plotly finds no markup."""
    name = quoted(token.text, token.bytes)
    return escape(name if len(name) <= MAX_LABEL else name[: MAX_LABEL - 1] + "…", quote=False)


def _pixels(count: int) -> int:
    return min(LARGEST, max(SMALLEST, count * PIXELS_A_TOKEN))


def _step(count: int) -> int:
    """Return the distance of the ticks of so many numbers."""
    return -(-count // MAX_TICKS)


def _plotly() -> ModuleType:
    try:
        from plotly import graph_objects
    except ModuleNotFoundError as error:
        message = f"a figure needs {error.name}, which is not installed: run  pip install 'gpt-notebook[viz]'"
        raise InvalidRequest(message) from error
    found: ModuleType = graph_objects
    return found

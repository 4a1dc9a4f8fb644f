"""Plotly figures of attention: one head's map with its tokens, and the matrix of a patching.

Each token has a name of its own on its axis, with its position, because Plotly would make one row of equal names; it
also leaves out those names that would overlap, and shows more of them when one zooms in. Colours grow out of what lies
behind, so that one scale serves light and dark pages.
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

LARGEST = 800
"""Pixels of a map's longer side."""
LEGIBLE, COMFORTABLE, ROOMY = 18, 32, 480
"""A cell has the first number of pixels if that fits, up to the second as long as all cells stay within the third."""
LOWEST = 120
"""Pixels that the bar beside it needs."""
LETTER = 6.5
"""Pixels of a name's letter, about."""
TITLE_LETTER = 8
TOP, BESIDE, FOR_BAR = 48, 40, 112
"""Pixels around a map: above it, beside the names of an axis, and for the bar."""

INK = "#7f7f7f"
"""Seen on white and on black."""
BAR = {"thickness": 14, "len": 1, "outlinewidth": 0}
CLEAR = "rgba(0,0,0,0)"
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
    traces, figure_of = _plotly()
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
    shown = traces.Heatmap(
        z=weights,
        x=x,
        y=y,
        zmin=0,
        colorscale=SEQUENTIAL,
        hoverongaps=False,
        hovertemplate="query %{y}<br>key %{x}<br>weight %{z:.6f}<extra></extra>",
        colorbar={"title": {"text": "weight"}, **BAR},
    )
    figure = figure_of(shown)
    _lay_out(figure, escape(title, quote=False), x, y)
    figure.update_xaxes(title={"text": "key"}, type="category", nticks=MAX_TICKS)
    figure.update_yaxes(title={"text": "query"}, type="category", nticks=MAX_TICKS)
    return figure


def patching_figure(patching: Patching) -> Figure:
    """Return how much each head brings back, clear for nothing."""
    import numpy as np

    traces, figure_of = _plotly()
    answer, wrong = (_escaped(each) for each in (patching.answer, patching.wrong))
    finite = np.abs(patching.matrix[np.isfinite(patching.matrix)])
    largest = float(finite.max(initial=0.0)) or 1.0
    shown = traces.Heatmap(
        z=patching.matrix,
        zmin=-largest,
        zmid=0,
        zmax=largest,
        colorscale=DIVERGING,
        hoverongaps=False,
        hovertemplate="layer %{y}, head %{x}<br>brings back %{z:.4f}<extra></extra>",
        colorbar={"title": {"text": "brought back"}, **BAR},
    )
    layers, heads = patching.matrix.shape
    figure = figure_of(shown)
    title = f"{escape(patching.model, quote=False)}: which head brings back {answer} over {wrong}"
    _lay_out(figure, title, *([str(i) for i in range(count)] for count in (heads, layers)))
    figure.update_xaxes(title={"text": "head"}, tick0=0, dtick=_step(heads))
    figure.update_yaxes(title={"text": "layer"}, tick0=0, dtick=_step(layers))
    return figure


def _lay_out(figure: Figure, title: str, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Give a figure the size that its cells and names need, and colours for light and dark pages."""
    longest = max(len(columns), len(rows))
    cell = min(LARGEST / longest, max(LEGIBLE, min(COMFORTABLE, ROOMY / longest)))
    left, bottom = (BESIDE + round(LETTER * max(map(len, names))) for names in (rows, columns))
    width = max(round(cell * len(columns)) + left + FOR_BAR, TITLE_LETTER * len(title))
    height = max(round(cell * len(rows)), LOWEST)
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0, "y": 1, "yanchor": "top", "pad": {"l": 8, "t": 12}},
        width=width,
        height=height + TOP + bottom,
        margin={"l": left, "t": TOP, "b": bottom, "r": width - left - round(cell * len(columns))},
        font={"color": INK},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
    )
    axis = {"showgrid": False, "zeroline": False, "showline": True, "mirror": True, "linecolor": INK}
    figure.update_xaxes(axis, tickangle=90 if max(map(len, columns)) * LETTER > cell else 0)
    figure.update_yaxes(axis, autorange="reversed")


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


def _step(count: int) -> int:
    """Return the distance of the ticks of so many numbers."""
    return -(-count // MAX_TICKS)


def _plotly() -> tuple[ModuleType, type[Figure]]:
    """Return Plotly's traces, and the figure that they go into."""
    try:
        from plotly import graph_objects

        from gpt_notebook.attention_maps.heatmap_figure import HeatmapFigure
    except ModuleNotFoundError as error:
        message = f"a figure needs {error.name}, which is not installed: run  pip install 'gpt-notebook[viz]'"
        raise InvalidRequest(message) from error
    return graph_objects, HeatmapFigure

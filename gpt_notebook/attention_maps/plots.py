"""What a figure of an attention shows: the numbers that are fetched for it, its tokens' names and its title.

Each token has a name of its own on its axis, with its position, because Plotly would make one row of equal names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpt_notebook.attention_maps import figures, places
from gpt_notebook.attention_maps.kept import KeptAttention
from gpt_notebook.attention_maps.places import Range
from gpt_notebook.attention_maps.token_names import name_of
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.figures.plotly_objects import check_installed
from gpt_notebook.protocol import Token
from gpt_notebook.visible_text import shortened

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpt_notebook.attention_maps.arrays import Array
    from gpt_notebook.attention_protocol import AttentionPart, Part

MAX_TOKENS = 1024
"""On one axis: more cells than a screen has pixels only make the browser slow."""
MAX_NAME = 20
"""Characters of a token's name."""
MAX_MODEL = 40
"""Characters of a model's name, of which the end tells more: it may be a path."""


def plot_head(
    kept: KeptAttention,
    layer: int,
    head: int,
    *,
    hide_sink: bool,
    part: Part | None,
    queries: Range,
    keys: Range,
) -> Figure:
    """Return one head's map.

    Raises:
        InvalidRequest: there are too many tokens for a figure, or Plotly is not installed.
    """
    check_installed()
    found = kept.part(part)
    rows = places.interval("queries", queries, found.n_queries) or (0, found.n_queries)
    columns = places.interval("keys", keys, found.n_keys) or (0, found.n_keys)
    for name, (start, stop) in {"queries": rows, "keys": columns}.items():
        if stop - start > MAX_TOKENS:
            message = f"{stop - start} {name} are too many for a figure, which shows {MAX_TOKENS}: choose some, as in queries=slice(512), keys=slice(512), or see all with plot() without layer and head"
            raise InvalidRequest(message, param=name)
    if hide_sink:
        weights = _without_sink(kept.map(layer, head, part=found.name, queries=rows))[:, slice(*columns)]
    else:
        weights = kept.map(layer, head, part=found.name, queries=rows, keys=columns)
    title = _title(kept, f"layer {int(layer)}, head {int(head)}", found)
    if hide_sink:
        title += " (without the first token, rows rescaled)"
    names = (_names(kept.query_tokens(found), rows), _names(kept.key_tokens(found), columns))
    return figures.map_figure(weights, *names, title=title)


def plot_all(kept: KeptAttention, *, part: Part | None) -> Figure:
    """Return all heads at once, each reduced to as many blocks as it has pixels, and each block to its largest weight.

    A mean would fade what a head does to single tokens, the more the longer the text.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    check_installed()
    found = kept.part(part)
    pixels = figures.tile_of(len(found.heads), max(found.heads))
    pictures = kept.overview(pixels - 1, reduction="max", part=found.name)
    title = _title(kept, "all heads", found)
    if max(found.n_queries, found.n_keys) > max(pictures.shape[-2:]):
        title += " (the largest weight of each block)"
    return figures.mosaic_figure(pictures, title=title)


def _title(kept: KeptAttention, what: str, part: AttentionPart) -> str:
    which = f", {part.name}" if len(kept.info.parts) > 1 else ""
    model = kept.info.model
    return f"{model if len(model) <= MAX_MODEL else '…' + model[1 - MAX_MODEL :]}, {what}{which}"


def _without_sink(weights: Array) -> Array:
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
    return [f"{shortened(name_of(tokens[i]), MAX_NAME)} ({i})" for i in range(*interval)]

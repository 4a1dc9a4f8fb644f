"""Weights as pictures, and which heads are worth a look: what a panel makes of the arrays of an attention.

A picture has 8 bits a pixel, which is what a screen can show; numbers that somebody reads are float32 and never come
from one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpt_notebook.attention_maps.results import HeadScore
from gpt_notebook.attention_protocol import MAX_OVERVIEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from gpt_notebook.attention_maps.arrays import Array
    from gpt_notebook.attention_maps.maps import Attention
    from gpt_notebook.attention_protocol import AttentionPart

    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
    Pixels = np.ndarray[Any, np.dtype[np.uint8]]

BRIGHTEST = 255
LAST_QUERIES = 16
KEY_BLOCKS = 128
"""How finely `links` looks at a text's last tokens: so that a thousand heads over thousands of tokens take a moment."""


def painted(values: Array) -> tuple[Pixels, float]:
    """Return weights as pixels, `round(255 * value / peak)`, and the peak."""
    import numpy as np

    peak = float(values.max(initial=0.0))
    if not peak:
        return np.zeros(values.shape, np.uint8), 0.0
    return np.rint(values * (BRIGHTEST / peak)).astype(np.uint8), peak


def links(attention: Attention, part: AttentionPart) -> Matrix:
    """Return how strongly each head links a text's last tokens to others that are worth telling.

    Those are neither the first token, which heads look at when they have nothing to say, nor the token itself or the
    one before, which need no map to be found. Long texts are looked at in blocks.

    Returns:
        For each head the largest such weight of a query, the mean over the last queries: shape (layer, head), NaN where
        there is no such head.
    """
    import numpy as np

    first = max(0, part.n_queries - LAST_QUERIES)
    queries = (first, part.n_queries)
    largest = attention.overview(
        KEY_BLOCKS, reduction="max", part=part.name, queries=queries
    )  # (layer, head, query, key)
    blocks = largest.shape[-1]
    starts = np.arange(blocks) * part.n_keys // blocks
    ends = np.append(starts[1:], part.n_keys)
    told = starts > 0
    if part.name != "cross":  # there the queries are of another text
        positions = np.arange(*queries)[:, None]
        told = told & ((ends <= positions - 1) | (starts > positions))
    strongest = np.where(told, largest, np.where(np.isnan(largest), np.nan, 0)).max(-1)
    found: Matrix = strongest.mean(-1, dtype=np.float64)
    return found


def ranked(attention: Attention, part: AttentionPart) -> list[HeadScore]:
    """Return all heads by their `links`, strongest first."""
    return HeadScore.highest(links(attention, part), sum(part.heads))


def rows_of(
    attention: Attention,
    part: AttentionPart,
    heads: Sequence[tuple[int, int]],
    *,
    queries: tuple[int, int],
    keys: tuple[int, int],
    hide_sink: bool,
) -> Array:
    """Return what several heads, pairs of layer and head, have in a rectangle: exact, shape (head, query, key).

    All heads of a layer come at once; long sides in pieces.
    """
    import numpy as np

    found = np.empty((len(heads), queries[1] - queries[0], keys[1] - keys[0]), np.float32)
    for layer in dict.fromkeys(layer for layer, _ in heads):
        places = [index for index, each in enumerate(heads) if each[0] == layer]
        for query, key in ((query, key) for query in _pieces(queries) for key in _pieces(keys)):
            exact = attention.overview(
                MAX_OVERVIEW,
                layers=[layer],
                heads=[heads[index][1] for index in places],
                part=part.name,
                queries=query,
                keys=key,
                hide_sink=hide_sink,
            )  # (1, head, query, key): blocks of one token each
            there = slice(query[0] - queries[0], query[1] - queries[0]), slice(key[0] - keys[0], key[1] - keys[0])
            found[places, *there] = exact[0]
    return found


def _pieces(interval: tuple[int, int]) -> list[tuple[int, int]]:
    start, stop = interval
    return [(first, min(first + MAX_OVERVIEW, stop)) for first in range(start, stop, MAX_OVERVIEW)]

"""Places in an attention: layers, heads, ranges and positions, checked before anybody is asked.

Layers and heads are counted from 0 and never from the end. Positions and ranges are Python's: -1 is the last token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from gpt_notebook.arguments import whole_number
from gpt_notebook.attention_maps.results import HeadScore
from gpt_notebook.attention_protocol import AttentionPart
from gpt_notebook.display.quantities import counted
from gpt_notebook.errors import InvalidRequest

Range = slice | range | tuple[int | None, int | None] | int | None
"""Some neighbouring positions: a slice, a pair (first, one after the last), one position, or None for all.

A slice ends where the text does, as Python's do; the others must lie within it.
"""

PAIR = 2


def layer_of(part: AttentionPart, layer: Any) -> int:
    """Return a layer that has attention.

    Raises:
        InvalidRequest: there is no such layer, or it has no attention.
    """
    found = _index("layer", layer, len(part.heads))
    if not part.heads[found]:
        others = ", ".join(str(i) for i, heads in enumerate(part.heads) if heads)
        message = f"layer {found} has no attention: those that do are {others}"
        raise InvalidRequest(message, param="layer")
    return found


def layers_of(part: AttentionPart, layers: Iterable[Any] | None) -> tuple[int, ...] | None:
    """Return layers, with or without attention; None for all stays None.

    Raises:
        InvalidRequest: there is no such layer, or none was named.
    """
    if layers is None:
        return None
    found = tuple(_index("layer", each, len(part.heads)) for each in _several("layers", layers))
    if not found:
        message = "layers is empty: name at least one, or leave it out for all"
        raise InvalidRequest(message, param="layers")
    return found


def head_of(part: AttentionPart, layer: Any, head: Any) -> tuple[int, int]:
    """Return a layer and a head of it.

    Raises:
        InvalidRequest: there is no such layer or head.
    """
    found = layer_of(part, layer)
    return found, _index("head", head, part.heads[found], f" in layer {found}")


def heads_in(part: AttentionPart, layers: Sequence[int] | None, heads: Any) -> tuple[int, ...] | None:
    """Return numbers of heads that each of these layers has; None for all stays None.

    Raises:
        InvalidRequest: a layer has no such head, or none was named.
    """
    if heads is None:
        return None
    found = tuple(whole_number("heads", each) for each in _several("heads", heads))
    if not found:
        message = "heads is empty: name at least one, or leave it out for all"
        raise InvalidRequest(message, param="heads")
    for layer, head in itertools.product(range(len(part.heads)) if layers is None else layers, found):
        head_of(part, layer, head)
    return found


def hidden_of(part: AttentionPart, layer: Any) -> int:
    """Return the number of hidden states, of which there is one more than layers.

    Raises:
        InvalidRequest: there are none of this number.
    """
    return _index("layer", layer, len(part.heads) + 1, " of hidden states, the last after all layers")


def check_comparable(part: AttentionPart, other: AttentionPart) -> None:
    """Refuse to compare attentions of different shapes.

    Raises:
        InvalidRequest: says in what they differ.
    """
    if (part.n_queries, part.n_keys) != (other.n_queries, other.n_keys):
        message = (
            f"these attentions have {_tokens(part)} and {_tokens(other)}: diff compares texts of equally many tokens"
        )
        raise InvalidRequest(message, param="other")
    if len(part.heads) != len(other.heads):
        message = (
            f"these models have {len(part.heads)} and {len(other.heads)} layers: diff compares models of one shape"
        )
        raise InvalidRequest(message, param="other")
    for layer, (mine, theirs) in enumerate(zip(part.heads, other.heads, strict=True)):
        if mine != theirs:
            message = f"these models have {mine} and {theirs} heads in layer {layer}: diff compares models of one shape"
            raise InvalidRequest(message, param="other")


def heads_of(part: AttentionPart, heads: Any) -> tuple[tuple[int, int], ...]:
    """Return pairs of layer and head; a single pair or `HeadScore` is a list of one.

    Raises:
        InvalidRequest: something is no such pair, or there is none.
    """
    pairs = list(_several("heads", heads))
    if isinstance(heads, HeadScore) or (len(pairs) == PAIR and not any(isinstance(each, Iterable) for each in pairs)):
        pairs = [pairs]
    found = []
    for each in pairs:
        pair = list(each) if isinstance(each, Iterable) and not isinstance(each, str) else [each]
        if len(pair) < PAIR:
            message = f"a head is a pair (layer, head), not {each!r}"
            raise InvalidRequest(message, param="heads")
        found.append(head_of(part, pair[0], pair[1]))  # a HeadScore has its score as well
    if not found:
        message = "heads is empty: name at least one as (layer, head)"
        raise InvalidRequest(message, param="heads")
    return tuple(dict.fromkeys(found))


def interval(name: str, value: Range, length: int) -> tuple[int, int] | None:
    """Return a range of positions as its first and the one after its last; None for all stays None.

    Raises:
        InvalidRequest: it is none, is empty or lies elsewhere.
    """
    if value is None:
        return None
    if not isinstance(value, slice | range | tuple) and not isinstance(value, Iterable):
        first = position(name, value, length)
        return first, first + 1
    whole = _slice(name, value, length)
    if whole.step not in (None, 1):
        message = (
            f"{name} must be neighbours: a step of {whole.step} leaves some out; ask for all and take every one after"
        )
        raise InvalidRequest(message, param=name)
    start, stop, _ = whole.indices(length)
    if start >= stop:
        message = f"{name} {whole.start}:{whole.stop} has no position: there are 0 to {length - 1}"
        raise InvalidRequest(message, param=name)
    return start, stop


def _slice(name: str, value: Any, length: int) -> slice:
    """Return a slice as it is, and a pair or a range that lies within so many positions as one."""
    if isinstance(value, slice):
        return value
    if isinstance(value, range):
        found = slice(value.start, value.stop, value.step)
    elif isinstance(value, tuple) and len(value) == PAIR:
        first, stop = (None if end is None else whole_number(name, end) for end in value)
        found = slice(first, stop)
    else:  # In NumPy, a list picks rows one by one.
        message = f"{name} is a slice or a pair (first, one after the last), not {value!r}"
        raise InvalidRequest(message, param=name)
    for end, last in ((found.start, length - 1), (found.stop, length)):
        if end is not None and not -length <= end <= last:
            message = f"{name} {found.start}:{found.stop} reaches beyond the text, which has positions 0 to {length - 1}: a slice stops at its end"
            raise InvalidRequest(message, param=name)
    return found


def position(name: str, value: Any, length: int) -> int:
    """Return a position counted from the start.

    Raises:
        InvalidRequest: there is none; names the range.
    """
    found = whole_number(name, value)
    if not -length <= found < length:
        message = (
            f"{name} {found} is not there: the text has positions 0 to {length - 1}, or -{length} to -1 from its end"
        )
        raise InvalidRequest(message, param=name)
    return found % length


def _tokens(part: AttentionPart) -> str:
    return (
        f"{part.n_queries} by {counted(part.n_keys, 'token')}"
        if part.name == "cross"
        else counted(part.n_keys, "token")
    )


def _index(name: str, value: Any, count: int, where: str = "") -> int:
    found = whole_number(name, value)
    if not 0 <= found < count:
        message = f"{name} {found} is not there: there are {name}s 0 to {count - 1}{where}"
        raise InvalidRequest(message, param=name)
    return found


def _several(name: str, values: Any) -> Iterable[Any]:
    if not isinstance(values, Iterable) or isinstance(values, str):
        message = f"{name} must be a list, not {values!r}"
        raise InvalidRequest(message, param=name)
    return values

"""What of an attention can be asked for: its parts, layers, heads and positions; everything else is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from gpt_notebook.attention_protocol import Part
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.layout import Layout


def check_part(layout: Layout, model: str, part: Part) -> None:
    """Refuse a kind of attention that a model doesn't have.

    Raises:
        InvalidRequest: names those it has.
    """
    if part not in layout.parts:
        message = f"{model} has no {part} attention: it has {' and '.join(layout.parts)}"
        raise InvalidRequest(message, param="part")


def check_layers(layout: Layout, model: str, part: Part, layers: Iterable[int]) -> None:
    """Refuse layers that aren't there; one without attention is there.

    Raises:
        InvalidRequest: names those that are.
    """
    count = layout.layers(part)
    if bad := [layer for layer in layers if not 0 <= layer < count]:
        message = f"there is no layer {bad[0]} in {model}: layers go from 0 to {count - 1}"
        raise InvalidRequest(message, param="layer")


def check_head(layout: Layout, model: str, part: Part, layer: int, head: int | None) -> None:
    """Refuse a part, layer or head that isn't there.

    Raises:
        InvalidRequest: names what there is.
    """
    check_part(layout, model, part)
    check_layers(layout, model, part, (layer,))
    counts = layout.parts[part].count
    if layer not in counts:
        message = f"layer {layer} of {model} has no attention: choose one of {', '.join(map(str, sorted(counts)))}"
        raise InvalidRequest(message, param="layer")
    if head is None or not 0 <= head < counts[layer]:
        message = f"there is no head {head} in layer {layer} of {model}: heads go from 0 to {counts[layer] - 1}"
        raise InvalidRequest(message, param="head")


def check_heads(layout: Layout, model: str, part: Part, layers: Iterable[int], heads: Iterable[int]) -> None:
    """Refuse heads that not every one of these layers has.

    Raises:
        InvalidRequest: names what there is.
    """
    for layer, head in itertools.product(layers, heads):
        check_head(layout, model, part, layer, head)


def interval(name: str, asked: tuple[int, int] | None, length: int) -> tuple[int, int]:
    """Return the positions that are asked for, all if none are named.

    Raises:
        InvalidRequest: they go beyond the text.
    """
    if asked is None:
        return 0, length
    if asked[1] > length:
        message = f"{name} {asked[0]} to {asked[1]} are not all there: the text has {length:,} tokens"
        raise InvalidRequest(message, param=name)
    return asked

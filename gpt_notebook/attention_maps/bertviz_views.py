"""BertViz's own views, fed correctly and of a size that a browser bears.

BertViz puts every number into the page as text, twice, and draws a line for each. Here the numbers have four digits,
which is more than a line's opacity can show, and are there once; what would still be too much is refused before any of
it is computed. A token can't end the script that it stands in.
"""

from __future__ import annotations

import itertools
import math
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook import arguments
from gpt_notebook.attention_maps import places
from gpt_notebook.attention_maps.kept import KeptAttention
from gpt_notebook.attention_maps.token_names import name_of
from gpt_notebook.attention_protocol import MAX_OVERVIEW, AttentionPart
from gpt_notebook.display.quantities import counted, size
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Token

if TYPE_CHECKING:
    import torch
    from IPython.display import HTML

    from gpt_notebook.attention_protocol import Part

VIEWS = ("head", "model")

DIGITS = 4
NUMBER_BYTES = 8
"""What a number takes in the page: `0.1234, `."""
MAX_BYTES = 32_000_000
MAX_LINES = 300_000
"""Lines drawn at once; Chromium needs about 4 seconds for as many where it has no graphics card."""

_LESS_THAN = "\ue000"
"""Stands for `<` on the way through BertViz: private, so that no text has it, and harmless if it stays."""

_NOTICE = "BertViz takes its libraries from the internet; if nothing appears below, a.plot(layer, head) works offline."
_LIBRARIES_ARE_THERE = re.compile(r"requirejs\(\['jquery', 'd3'\], function ?\(\$, d3\) \{\n")
"""Where BertViz's script goes on once they are."""


def bertviz_view(
    kept: KeptAttention,
    view: str,
    *,
    layers: Iterable[int] | None,
    heads: Iterable[int] | None,
    part: Part | None,
) -> HTML:
    """Return a view for the notebook to show.

    Raises:
        InvalidRequest: more than a browser bears, a layer or head that is not there, or BertViz is not installed.
    """
    arguments.one_of("view", view, VIEWS)
    draw = _bertviz(view)
    parts = kept.info.parts if part is None else (kept.part(part),)
    chosen_layers = _layers(parts, layers)
    chosen_heads = _heads(parts, chosen_layers, heads)
    _check_size(view, parts, len(chosen_layers), len(chosen_heads))
    tensors = {each.name: _tensors(kept, each, view, chosen_layers, chosen_heads) for each in parts}
    options: dict[str, Any] = {"include_layers": list(chosen_layers), "prettify_tokens": False, "html_action": "return"}
    if view == "model":
        options["include_heads"] = list(chosen_heads)
    options |= _inputs(kept, parts, tensors)
    shown: HTML = draw(**options)
    shown.data = _noticed(_once(shown.data.replace("\\ue000", "\\u003c")))
    return shown


def _layers(parts: Sequence[AttentionPart], layers: Iterable[int] | None) -> tuple[int, ...]:
    """Return the layers to show: those named, or all that have attention in every part."""
    if layers is None:
        return tuple(i for i, counts in enumerate(zip(*(each.heads for each in parts), strict=False)) if all(counts))
    named = places.layers_of(parts[0], layers) or ()
    return tuple(dict.fromkeys(places.layer_of(part, layer) for layer in named for part in parts))


def _heads(parts: Sequence[AttentionPart], layers: Sequence[int], heads: Iterable[int] | None) -> tuple[int, ...]:
    """Return the heads to show, which all the layers have."""
    if heads is not None:
        named = tuple(dict.fromkeys(arguments.whole_number("heads", each) for each in heads))
        if not named:
            message = "heads is empty: name at least one, or leave it out for all"
            raise InvalidRequest(message, param="heads")
        for part, layer, head in itertools.product(parts, layers, named):
            places.head_of(part, layer, head)
        return named
    place_of_count = {part.heads[layer]: (part.name, layer) for part in parts for layer in layers}
    few, many = min(place_of_count), max(place_of_count)
    if few != many:
        which = " and ".join(
            f"{counted(count, 'head')} in the {name}'s layer {layer}"
            for count, (name, layer) in ((few, place_of_count[few]), (many, place_of_count[many]))
        )
        message = f"there are {which}, and BertViz shows equally many of each: name some with heads=, layers= or part="
        raise InvalidRequest(message, param="heads")
    return tuple(range(few))


def _check_size(view: str, parts: Sequence[AttentionPart], layers: int, heads: int) -> None:
    """Refuse what would freeze the browser, with how much it is and how much may be."""
    pairs = sum(each.n_queries * each.n_keys for each in parts)
    weight = pairs * layers * heads * NUMBER_BYTES
    # Both views draw one part at a time, the head view one layer of it.
    maps = heads * (layers if view == "model" else 1)
    most = max(each.n_queries * each.n_keys for each in parts)
    if weight <= MAX_BYTES and maps * most <= MAX_LINES and _longest(parts) <= MAX_OVERVIEW:
        return
    bears = min(MAX_BYTES // (NUMBER_BYTES * layers * heads * len(parts)), MAX_LINES // maps)
    shape = f"{counted(layers, 'layer')} with {counted(heads, 'head')} over {counted(_longest(parts), 'token')}"
    what = f"BertViz's {view} view of {shape}"
    much = f"takes {size(weight)} of text and {maps * most:,} lines at once, of {size(MAX_BYTES)} and {MAX_LINES:,} that a browser bears"
    message = f"{what} {much}: name fewer with layers= or heads=, take at most {math.isqrt(bears)} tokens, or see plot() and overview()"
    raise InvalidRequest(message, param="layers")


def _longest(parts: Sequence[AttentionPart]) -> int:
    return max(max(each.n_queries, each.n_keys) for each in parts)


def _tensors(
    kept: KeptAttention, part: AttentionPart, view: str, layers: Sequence[int], heads: Sequence[int]
) -> list[torch.Tensor]:
    """Return what BertViz wants of a part: a tensor (1, head, query, key) at the place of each layer.

    BertViz takes from the list what `include_layers` names, and, in the model view, counts the heads of the first
    tensor and takes those that `include_heads` names; what it doesn't take costs nothing here.
    """
    import numpy as np
    import torch

    n_heads = max(part.heads)
    nothing = torch.zeros(1, dtype=torch.float64).expand(1, n_heads, part.n_queries, part.n_keys)
    found = [nothing] * len(part.heads)
    for layer in layers:
        # Blocks of one token each: the whole maps, in one answer.
        maps = kept.overview(max(part.n_queries, part.n_keys), layers=[layer], part=part.name)[0, list(heads)]
        rounded = torch.from_numpy(np.round(maps.astype(np.float64), DIGITS))
        if view == "model":
            placed = torch.zeros((n_heads, part.n_queries, part.n_keys), dtype=torch.float64)
            placed[list(heads)] = rounded
            rounded = placed
        found[layer] = rounded[None]
    return found


def _inputs(
    kept: KeptAttention, parts: Sequence[AttentionPart], tensors: dict[Part, list[torch.Tensor]]
) -> dict[str, Any]:
    """Return BertViz's arguments for one kind of attention, or for those of an encoder-decoder."""
    (first, *others) = parts
    if not others and first.name != "cross":
        return {"attention": tensors[first.name], "tokens": _names(kept.query_tokens(first))}
    return {
        **{f"{name}_attention": each for name, each in tensors.items()},
        "encoder_tokens": _names(kept.info.tokens),
        "decoder_tokens": _names(kept.info.target_tokens),
    }


def _names(tokens: Sequence[Token]) -> list[str]:
    return [name_of(each).replace("<", _LESS_THAN) for each in tokens]


def _once(page: str) -> str:
    """Return the page without BertViz's second copy of the data, which stands in a comment of its script.

    The copies are told by being equal, so that no token can be taken for the border between them.
    """
    begin, border, end = "const params = ", "; // HACK: ", " is a template marker"
    start, stop = page.find(begin) + len(begin), page.rfind(end)
    middle = (start + stop - len(border)) // 2
    data, copy = page[start:middle], page[middle + len(border) : stop]
    if stop < 0 or data != copy or page[middle : middle + len(border)] != border:
        return page  # BertViz has learnt it itself
    return page[: middle + 1] + page[page.index("\n", stop) :]


def _noticed(page: str) -> str:
    """Return the page below a line that says why it may be empty, and which its script removes."""
    begun = _LIBRARIES_ARE_THERE.search(page)
    if begun is None:
        return page  # A line that stays would be wrong.
    name = f"bertviz-notice-{uuid.uuid4().hex}"
    line = f'<div id="{name}" style="font:13px/1.6 system-ui,sans-serif">{_NOTICE}</div>\n'
    removed = f"    document.getElementById('{name}')?.remove();\n"
    return f"{line}{page[: begun.end()]}{removed}{page[begun.end() :]}"


def _bertviz(view: str) -> Callable[..., Any]:
    try:
        import bertviz
    except ModuleNotFoundError as error:
        message = f"this view needs {error.name}, which is not installed: run  pip install 'gpt-notebook[viz]'"
        raise InvalidRequest(message) from error
    draw: Callable[..., Any] = bertviz.head_view if view == "head" else bertviz.model_view
    return draw

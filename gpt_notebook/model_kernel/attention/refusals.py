"""What is refused before a question about a model is computed: each with what there is instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gpt_notebook.errors import InvalidRequest, ModelUnsupported
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.loading import LoadedModel


def refuse_unless_causal(model: LoadedModel, question: str) -> None:
    """Refuse a question about the next token where there is none.

    Raises:
        ModelUnsupported: names the model, and what the question needs.
    """
    if model.kind != "causal":
        article = "an" if model.kind.startswith("e") else "a"
        message = (
            f"{question} needs a model that predicts the next token, and {model.source.name} is {article} {model.kind} "
            "model: choose a causal language model, %gpt models lists those at hand"
        )
        raise ModelUnsupported(message)


def text_until(token_ids: Sequence[int], position: int) -> list[int]:
    """Return the tokens up to a position, which counts from the end where it is negative.

    Raises:
        InvalidRequest: it is not in the text; names the positions that are.
    """
    length = len(token_ids)
    if not -length <= position < length:
        message = f"position {position} is not in the text: it has {length:,} tokens, 0 to {length - 1:,}"
        raise InvalidRequest(message, param="position")
    return list(token_ids[: position % length + 1])


def check_heads(model: LoadedModel, layout: Layout, heads: Iterable[tuple[int, int]]) -> None:
    """Refuse pairs (layer, head) that the decoder doesn't have.

    Raises:
        InvalidRequest: names the first of them, and the layers or heads that are there.
    """
    name, counts = model.source.name, layout.parts["decoder"].count
    for layer, head in heads:
        if not 0 <= layer < layout.n_layers:
            message = f"there is no layer {layer} in {name}: layers go from 0 to {layout.n_layers - 1}"
        elif layer not in counts:
            message = f"layer {layer} of {name} has no attention; layers that have: {', '.join(map(str, counts))}"
        elif not 0 <= head < counts[layer]:
            message = f"there is no head {head} in layer {layer} of {name}: heads go from 0 to {counts[layer] - 1}"
        else:
            continue
        raise InvalidRequest(message, param="heads")

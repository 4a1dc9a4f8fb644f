"""What of an attention can't be asked for, refused with what there is instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpt_notebook.attention_protocol import Part
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.layout import Layout


@dataclass(frozen=True)
class Refusals:
    """Refuses what one kind of attention in one model doesn't have; `name` is what the request calls it."""

    layout: Layout
    model: str
    part: Part

    def check_part(self) -> None:
        """Refuse the kind of attention itself.

        Raises:
            InvalidRequest: names those that the model has.
        """
        if self.part not in self.layout.parts:
            message = f"{self.model} has no {self.part} attention: it has {' and '.join(self.layout.parts)}"
            raise InvalidRequest(message, param="part")

    def check_layers(self, layers: Iterable[int], *, name: str = "layer") -> None:
        """Refuse layers that aren't there; one without attention is there.

        Raises:
            InvalidRequest: names those that are.
        """
        count = self.layout.layers(self.part)
        if bad := [layer for layer in layers if not 0 <= layer < count]:
            message = f"there is no layer {bad[0]} in {self.model}: layers go from 0 to {count - 1}"
            raise InvalidRequest(message, param=name)

    def check_head(self, layer: int, head: int, *, name: str | None = None) -> None:
        """Refuse a layer without attention, or a head that isn't there.

        Raises:
            InvalidRequest: names what there is.
        """
        self.check_layers((layer,), name=name or "layer")
        counts = self.layout.parts[self.part].count
        if layer not in counts:
            others = ", ".join(map(str, sorted(counts)))
            message = f"layer {layer} of {self.model} has no attention: choose one of {others}"
            raise InvalidRequest(message, param=name or "layer")
        if not 0 <= head < counts[layer]:
            message = (
                f"there is no head {head} in layer {layer} of {self.model}: heads go from 0 to {counts[layer] - 1}"
            )
            raise InvalidRequest(message, param=name or "head")

    def check_heads(self, heads: Iterable[tuple[int, int]]) -> None:
        """Refuse pairs (layer, head) that aren't there.

        Raises:
            InvalidRequest: names the first of them, and what there is.
        """
        for layer, head in heads:
            self.check_head(layer, head, name="heads")


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

"""The attention calls of families that transformers runs past its `AttentionInterface`.

Watches torch's functions while such a model runs. The product of queries and keys, the softmax that turns it into
weights, and the product of these with the values, in this order, are one attention call; a softmax for something else
(a router's, say) is not followed by the product of just these weights. A model's own call of torch's
`scaled_dot_product_attention` is one, too, and the only one that tells its scaling and its mask. The n-th call of a
pass is layer n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gpt_notebook.attention_protocol import Part
from gpt_notebook.model_kernel.attention.calls import AttentionCall, Observer

Function = Callable[..., Any]

SOFTMAX: frozenset[Function] = frozenset({functional.softmax, torch.softmax, torch.Tensor.softmax})
PRODUCTS: frozenset[Function] = frozenset(
    {torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.bmm, torch.Tensor.bmm}
)
SUMS_OF_PRODUCTS: frozenset[Function] = frozenset({torch.baddbmm, torch.Tensor.baddbmm})
"""The same with something added, which comes first."""


class Tap(TorchFunctionMode):
    """Tells an observer of the attention calls inside the block."""

    def __init__(self, observer: Observer, part: Part) -> None:
        """Begin before the first layer of a model that has one kind of attention."""
        super().__init__()
        self._observer = observer
        self._part: Part = part
        self._layer = 0
        self._product: tuple[torch.Tensor, torch.Tensor] | None = None
        """The factors of the last product that was not one with weights."""
        self._scores: torch.Tensor | None = None
        self._weights: torch.Tensor | None = None
        """Of a softmax whose product with the values is still to come."""

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, and look at it."""
        result = func(*args, **(kwargs or {}))
        if func in SOFTMAX:
            self._scores, self._weights = args[0], result
        elif func in PRODUCTS:
            return self._multiplied(args[0], args[1], result)
        elif func in SUMS_OF_PRODUCTS:
            factors = [*args[1:], *(value for name, value in (kwargs or {}).items() if name.startswith("batch"))]
            return self._multiplied(factors[0], factors[1], result)
        elif func is functional.scaled_dot_product_attention:
            return self._attended(args, kwargs or {}, result)
        return result

    def _multiplied(self, left: torch.Tensor, right: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        weights, scores, product = self._weights, self._scores, self._product
        if weights is None or scores is None or product is None or left.numel() != weights.numel():
            self._product, self._weights = (left, right), None
            return result
        self._product = self._scores = self._weights = None
        query, key = product
        heads = weights.shape if weights.dim() == 4 else (1, *weights.shape)  # noqa: PLR2004 - (batch, head, query, key)
        batch, n_heads = heads[0], heads[1]

        def by_head(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.reshape(batch, n_heads, *tensor.shape[-2:])

        return self._told(
            AttentionCall(
                part=self._part,
                layer=self._layer,
                query=by_head(query),
                key=by_head(key).transpose(-1, -2),
                value=by_head(right),
                output=by_head(result).transpose(1, 2),
                scores=by_head(scores),
                weights=by_head(weights),
            ),
            result,
        )

    def _attended(self, args: tuple[Any, ...], options: dict[str, Any], result: torch.Tensor) -> torch.Tensor:
        """Look at a model's own call of torch's attention function."""
        query, key, value = args[:3]
        scaling = options.get("scale")
        return self._told(
            AttentionCall(
                part=self._part,
                layer=self._layer,
                query=query,
                key=key,
                value=value,
                output=result.transpose(1, 2),
                scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
                mask=args[3] if len(args) > 3 else options.get("attn_mask"),  # noqa: PLR2004 - its fourth argument
                causal=bool(options.get("is_causal")),
            ),
            result,
        )

    def _told(self, call: AttentionCall, result: torch.Tensor) -> torch.Tensor:
        self._layer += 1
        changed = self._observer.attended(call)
        return result if changed is None else changed.transpose(1, 2).reshape(result.shape)

"""Attentions of which a test says everything, with no model kernel behind them."""

from __future__ import annotations

from gpt_notebook.attention_maps.kept import KeptAttention
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.attention_protocol import AttentionInfo, AttentionPart
from gpt_notebook.protocol import Token

TEXT = "Pip saw a fox and He ran"


def tokens_of(*texts: str) -> tuple[Token, ...]:
    return tuple(Token(id=number, text=text) for number, text in enumerate(texts))


def part_of(n_queries, n_keys=None, *, name="decoder", heads=(3, 3)) -> AttentionPart:
    return AttentionPart(
        name=name,
        heads=tuple(heads),
        key_heads=tuple(heads),
        scaling=(0.5,) * len(heads),
        n_queries=n_queries,
        n_keys=n_keys or n_queries,
    )


class StubKept(KeptAttention):
    """An attention whose arrays are made up here, by the kind of request."""

    def __init__(self, info: AttentionInfo, arrays=None) -> None:
        super().__init__(info, info.model)
        self.asked = []
        self._arrays = arrays

    def array(self, request):
        self.asked.append(request)
        assert self._arrays is not None, "nothing should have been asked"
        return self._arrays(request)


def stub(tokens, parts=None, *, targets=(), causal=True, arrays=None, model="a-model") -> Attention:
    """An attention of which a test says everything; what is asked of it is in `_kept.asked`."""
    parts = parts or (part_of(len(tokens)),)
    info = AttentionInfo(
        id="an-id",
        model=model,
        fingerprint="f",
        tokens=tokens,
        target_tokens=targets,
        n_layers=len(parts[0].heads),
        n_heads=max(parts[0].heads),
        parts=parts,
        causal=causal,
        bytes=0,
    )
    return Attention(StubKept(info, arrays))

"""Asking an engine without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
import transformers

from gpt_notebook.attention_protocol import ArrayRequest, AttentionInfo, AttentionRequest, StreamRequest
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.protocol import (
    ChatMessage,
    Done,
    GenerateRequest,
    SamplingOptions,
    Scored,
    ScoreRequest,
    TextScore,
)

IDS = tuple(range(10, 34))
"""The tokens of a text, each another one."""
BYTES = 2 * (4 + 4) * 8 * 4
"""What a token's queries and keys take in gpt2's model."""

Result = TypeVar("Result")
Item = TypeVar("Item")


def wait_for(answer: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(answer)


def all_of(stream: AsyncIterator[Item]) -> list[Item]:
    async def collect() -> list[Item]:
        return [event async for event in stream]

    return asyncio.run(collect())


def completions(
    engine: Engine,
    model: str,
    prompt: str | None = None,
    *,
    token_ids: Sequence[int] | None = None,
    messages: Sequence[ChatMessage] | None = None,
    chat: bool | None = None,
    with_attention: bool = False,
    **options: Any,
) -> list[Completion]:
    """All samples of a generation from a text, token ids or messages."""
    request = GenerateRequest(
        model=model,
        prompt=prompt,
        prompt_token_ids=None if token_ids is None else tuple(token_ids),
        messages=None if messages is None else tuple(messages),
        chat=chat,
        options=SamplingOptions(**options),
        attention=with_attention,
    )
    collector = Collector()
    for event in all_of(engine.generate(request)):
        collector.add(event)
    return list(collector.completions())


def completion(engine: Engine, model: str, prompt: str | None = None, **options: Any) -> Completion:
    (only,) = completions(engine, model, prompt, **options)
    return only


def in_use(engine: Engine, model: str) -> int:
    """By how many requests a loaded model is used."""
    (info,) = [info for info in engine.loaded() if info.name == model]
    return info.in_use


def scores(engine: Engine, request: ScoreRequest) -> list[TextScore]:
    return [event.score for event in all_of(engine.score(request)) if isinstance(event, Scored)]


class Reference:
    """What transformers itself makes of the same files."""

    def __init__(self, directory: str) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(directory).eval()

    def greedy(self, token_ids: Any, max_new_tokens: int) -> list[int]:
        """The ids that `generate` adds, without the end token."""
        ids = torch.tensor([list(token_ids)])
        out = self.model.generate(ids, do_sample=False, max_new_tokens=max_new_tokens)[0, ids.shape[1] :].tolist()
        return out[:-1] if out[-1:] == [self.tokenizer.eos_token_id] else out

    @torch.inference_mode()
    def logprobs(self, token_ids: Any) -> torch.Tensor:
        """log-softmax after each token, shape (token, vocabulary)."""
        return self.model(torch.tensor([list(token_ids)])).logits[0].log_softmax(-1)


def answer(engine: Engine, request: StreamRequest) -> Any:
    """What a question about the inside of a model is answered with: the event before `Done`."""
    *_, found, done = all_of(engine.inspect(request))
    assert isinstance(done, Done)
    return found


def attention(engine: Engine, model: str, text: str | None = None, **options: Any) -> AttentionInfo:
    return answer(engine, AttentionRequest(model=model, text=text, **options)).attention


def array(engine: Engine, request: ArrayRequest) -> np.ndarray:
    shape, *blocks = all_of(engine.array(request))
    return np.frombuffer(b"".join(blocks), np.float32).reshape(shape)

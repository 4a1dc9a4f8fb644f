"""From requests to the tokens whose attention is recorded."""

from __future__ import annotations

from collections.abc import Sequence

from gpt_notebook.attention_protocol import AttentionRequest
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel import chat, prompts
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.protocol import ChatMessage


def text_of(model: LoadedModel, request: AttentionRequest) -> Text:
    """Return what a request is about.

    Raises:
        ContextLengthExceeded: it doesn't fit; gives both lengths.
        InvalidRequest: it has no tokens, ids that the model doesn't have, or a target that the model has no use for.
    """
    ids = _text_ids(model, request)
    prompts.check_length(model, len(ids), name="text")
    target = _target_ids(model, request)
    prompts.check_length(model, len(target), name="target")
    return Text(tuple(ids), tuple(target))


def _text_ids(model: LoadedModel, request: AttentionRequest) -> Sequence[int]:
    if request.token_ids is not None:
        prompts.check_ids(model, request.token_ids, name="token_ids")
        return request.token_ids
    text = request.text or ""
    if request.chat:
        prompts.check_not_empty(text)
        message = ChatMessage(role="user", content=text)
        return chat.render(model.tokenizer, (message,), model.templates).token_ids
    return prompts.encode_text(model, text, add_special_tokens=request.add_special_tokens)


def _target_ids(model: LoadedModel, request: AttentionRequest) -> Sequence[int]:
    """Return what an encoder-decoder has written, its start token first; () for other models."""
    if model.kind != "encoder-decoder":
        if request.target is not None or request.target_token_ids:
            message = f"a target is for encoder-decoders, and {model.source.name} is none: leave it out"
            raise InvalidRequest(message, param="target")
        return ()
    if request.target_token_ids:
        prompts.check_ids(model, request.target_token_ids, name="target_token_ids")
        return request.target_token_ids
    start = getattr(model.module.config, "decoder_start_token_id", None)
    if start is None:
        start = model.module.config.get_text_config(decoder=True).bos_token_id or 0
    written = model.tokenizer(request.target or "", add_special_tokens=False)["input_ids"]
    return [start, *written]

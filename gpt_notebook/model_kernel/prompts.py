"""From requests to token ids: what the model will read, and the options that fit it."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest
from gpt_notebook.model_kernel import chat
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.protocol import ChatMessage, GenerateRequest, SamplingOptions, ScoreRequest

SEEDS = 2**31


@dataclass(frozen=True)
class Prompt:
    """What a generation starts from."""

    text: str
    """As the model sees it; "" when the prompt came as ids."""
    token_ids: list[int]
    options: SamplingOptions
    """With a seed, and a length that fits the context."""
    stop: tuple[str, ...]
    """The user's stop strings, and what ends the model's turn in a plain dialogue."""
    plain_dialogue: bool = False
    repeatable: bool = False
    """Whether somebody gave the seed, to get the same tokens again, to the bit where it runs alone."""


def prepare(model: LoadedModel, request: GenerateRequest) -> Prompt:
    """Return what a generation starts from.

    Raises:
        ContextLengthExceeded: the prompt leaves no room for a single token.
        InvalidRequest: it has no tokens, ids that the model doesn't have, or messages that its template refuses.
        ModelUnsafe: its template takes too much time or memory.
    """
    rendered = _rendered(model, request)
    if rendered is not None:
        text, ids = rendered.text, rendered.token_ids
    elif request.prompt_token_ids is not None:
        text, ids = "", list(request.prompt_token_ids)
        check_ids(model, ids)
    else:
        text = request.prompt or ""
        ids = encode(model, text)
    check_length(model, len(ids), room_for=1)
    options = request.options
    room = model.context_length - len(ids) if model.context_length else options.max_new_tokens
    fitted = dataclasses.replace(
        options,
        seed=secrets.randbelow(SEEDS) if options.seed is None else options.seed,
        max_new_tokens=min(options.max_new_tokens, room),
    )
    repeatable = options.seed is not None and request.exact
    if rendered is None:
        return Prompt(text, ids, fitted, options.stop, repeatable=repeatable)
    return Prompt(text, ids, fitted, (*options.stop, *rendered.stop), rendered.plain, repeatable)


def _rendered(model: LoadedModel, request: GenerateRequest) -> chat.ChatPrompt | None:
    """Return the conversation that the request is, or None for plain continuation."""
    if request.messages is not None:
        return chat.render(model.tokenizer, request.messages, model.templates)
    has_template = bool(getattr(model.tokenizer, "chat_template", None))
    if request.prompt is not None and (has_template if request.chat is None else request.chat):
        return chat.render(model.tokenizer, (ChatMessage(role="user", content=request.prompt),), model.templates)
    return None


def encode(model: LoadedModel, text: str) -> list[int]:
    """Return the ids of a prompt, exactly the tokenizer's; an empty one is the token that begins every text.

    Raises:
        InvalidRequest: it is empty, and the model has no such token.
    """
    ids = list(model.tokenizer(text)["input_ids"])
    if ids:
        return ids
    if model.tokenizer.bos_token_id is None:
        message = f"the prompt is empty, and {model.source.name} has no token to begin with: give it a word"
        raise InvalidRequest(message, param="prompt")
    return [model.tokenizer.bos_token_id]


def encode_text(
    model: LoadedModel, text: str, *, add_special_tokens: bool = True, name: str = "text", param: str = "text"
) -> list[int]:
    """Return the ids of a text that is no beginning but all there is to read.

    Raises:
        InvalidRequest: there are none.
    """
    check_not_empty(text, name=name, param=param)
    ids = list(model.tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"])
    if not ids:  # such as one that is all control characters, which some tokenizers drop
        message = f"{model.source.name} has no token for anything in the {name}: give it a word"
        raise InvalidRequest(message, param=param)
    return ids


def check_not_empty(text: str, *, name: str = "text", param: str = "text") -> None:
    """Refuse a text without a character.

    Raises:
        InvalidRequest: says which.
    """
    if not text:
        message = f"the {name} is empty: give it a word"
        raise InvalidRequest(message, param=param)


def check_length(
    model: LoadedModel, length: int, *, room_for: int = 0, name: str = "prompt", param: str | None = None
) -> None:
    """Refuse what doesn't fit the model's context.

    Raises:
        ContextLengthExceeded: gives both lengths.
    """
    if model.context_length and length + room_for > model.context_length:
        message = (
            f"the {name} has {length:,} tokens and {model.source.name} reads at most {model.context_length:,}"
            f"{' with the completion' if room_for else ''}: shorten it"
        )
        raise ContextLengthExceeded(message, param=param or name)


def check_ids(model: LoadedModel, ids: Sequence[int], *, name: str = "prompt_token_ids") -> None:
    """Refuse ids that the model doesn't have, and none at all.

    Raises:
        InvalidRequest: names the first of them.
    """
    vocabulary = model.module.get_input_embeddings().num_embeddings
    if not ids:
        message = f"{name} is empty: give at least one id"
        raise InvalidRequest(message, param=name)
    if bad := [i for i in ids if not 0 <= i < vocabulary]:
        message = f"{bad[0]} is no token id of {model.source.name}: ids go from 0 to {vocabulary - 1:,}"
        raise InvalidRequest(message, param=name)


def texts_to_score(model: LoadedModel, request: ScoreRequest) -> list[tuple[list[int], list[int]]]:
    """Return, for each text, the ids before it and the ids to be scored.

    Raises:
        ContextLengthExceeded: one doesn't fit; gives both lengths.
        InvalidRequest: one has nothing to be scored.
    """
    texts: list[tuple[list[int], list[int]]] = []
    if request.continuations is None:
        texts = [([], encode(model, prompt)) for prompt in request.prompts]
    else:
        given = request.prompt_token_ids
        befores = [encode(model, each) for each in request.prompts] if given is None else list(map(list, given))
        for ids in given or ():
            check_ids(model, ids)
        for before, continuation in zip(befores, request.continuations, strict=True):
            scored = list(model.tokenizer(continuation, add_special_tokens=False)["input_ids"])
            if not scored:
                message = "a continuation is empty: there is nothing to score"
                raise InvalidRequest(message, param="continuations")
            texts.append((before, scored))
    for before, scored in texts:
        check_length(model, len(before) + len(scored))
    return texts

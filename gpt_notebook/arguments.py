"""The arguments of the public functions, made into the protocol's requests, or refused if they make no sense.

Checked before any model kernel is started or asked: a typing mistake should cost nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypedDict

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import ChatMessage, GenerateRequest, SamplingOptions, check_range, check_text
from gpt_notebook.suggestions import did_you_mean, unknown_name

if TYPE_CHECKING:
    from gpt_notebook.batch_protocol import BatchRequest

Message = ChatMessage | Mapping[str, str] | tuple[str, str]
"""A turn of a conversation, as `ChatMessage`, `{"role": …, "content": …}` or `(role, content)`."""

ROLES = ("system", "user", "assistant")


class Options(TypedDict, total=False):
    """The keyword options of a generation; `SamplingOptions` tells what each means."""

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    stop: str | Sequence[str]
    seed: int | None
    n: int
    logprobs: int


def sampling_options(given: Mapping[str, Any]) -> SamplingOptions:
    """Return checked options.

    Raises:
        InvalidRequest: an option that doesn't exist (with the one that was probably meant) or an impossible value.
    """
    known = {each.name: each for each in fields(SamplingOptions)}
    if "adapter" in given:
        message = f"an adapter is named with its model: model='storyteller+{given['adapter']}'"
        raise InvalidRequest(message, param="adapter")
    if unknown := [name for name in given if name not in known]:
        raise InvalidRequest(unknown_name("option", unknown[0], known), param=unknown[0])
    return SamplingOptions(**{name: _value(name, str(known[name].type), value) for name, value in given.items()})


def _value(name: str, kind: str, value: Any) -> Any:
    """Return an option's value as the plain Python value that JSON knows; numbers may come from NumPy."""
    if name == "stop":
        return _stop(value)
    if value is None and "None" in kind:
        return None
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError  # noqa: TRY301 - one message for all that is no number
        return float(value) if kind == "float" else operator.index(value)
    except (TypeError, ValueError):
        wanted = "a number" if kind == "float" else "a whole number"
        message = f"{name} must be {wanted}, not {value!r}"
        raise InvalidRequest(message, param=name) from None


def number(name: str, kind: str, value: Any) -> Any:
    """Return a number, which may come from NumPy, as Python's own; None where the kind allows it.

    Args:
        name: What errors call it.
        kind: As annotations write it: `int`, `float`, either with `| None`.
        value: What was given.

    Raises:
        InvalidRequest: it is something else.
    """
    return _value(name, "float" if kind.startswith("float") and value is not None else kind, value)


def _stop(value: Any) -> tuple[str, ...]:
    return () if value is None or value == () else tuple(strings("stop", value))


def one_of(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse what is not one of the values there are.

    Raises:
        InvalidRequest: names them.
    """
    if value not in known:
        message = f"{name} is one of {', '.join(known)}, not {value!r}{did_you_mean(str(value), known)}"
        raise InvalidRequest(message, param=name)


def whole_number(name: str, value: Any) -> int:
    """Return a whole number, which may come from NumPy, as Python's own.

    Raises:
        InvalidRequest: it is something else.
    """
    return int(_value(name, "int", value))


def positive(name: str, value: Any) -> int:
    """Return a whole number of at least 1.

    Raises:
        InvalidRequest: it is something else.
    """
    found = whole_number(name, value)
    check_range(name, found, low=1)
    return found


def true_or_false(name: str, value: object) -> bool:
    """Return a choice.

    Raises:
        InvalidRequest: it is neither True nor False.
    """
    if not isinstance(value, bool):
        message = f"{name} is True or False, not {value!r}"
        raise InvalidRequest(message, param=name)
    return value


def local_model(name: str, *, purpose: str = "attention") -> str:
    """Return the model string of a model whose weights a model kernel can hold.

    Args:
        name: a model string as `session.resolve` gives it, so that one with a path begins with it.
        purpose: What they are needed for.

    Raises:
        InvalidRequest: it is a model behind somebody's endpoint.
    """
    base = name.partition("+")[0].partition("@")[0]
    if ":" in base and not base.startswith("/"):
        message = f"{name} is a model behind an endpoint, which gives text only: {purpose} needs a model kernel with the weights, so choose a Hugging Face model or a directory as the model"
        raise InvalidRequest(message, param="model")
    return name


def string(name: str, value: object) -> str:
    """Return one string.

    Raises:
        InvalidRequest: it is something else.
    """
    if not isinstance(value, str):
        message = f"{name} must be a string, not {type(value).__name__}"
        raise InvalidRequest(message, param=name)
    return value


def strings(name: str, value: Any, *, or_none: bool = False) -> list[str]:
    """Return one string or many as a list.

    Raises:
        InvalidRequest: something else is in it, or there is none and `or_none` doesn't allow that.
    """
    if isinstance(value, str):
        return [value]
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)) else [value]
    if wrong := [each for each in found if not isinstance(each, str)]:
        message = f"{name} must be a string or a list of strings, not {wrong[0]!r}"
        raise InvalidRequest(message, param=name)
    if not found and not or_none:
        message = f"{name} is empty: give at least one string"
        raise InvalidRequest(message, param=name)
    return found


def chat_messages(messages: str | Iterable[Message]) -> tuple[ChatMessage, ...]:
    """Return the turns of a conversation; a string is the user's only one.

    Raises:
        InvalidRequest: something that is no turn, or a role that doesn't exist.
    """
    if isinstance(messages, str):
        return (ChatMessage(role="user", content=messages),)
    if not isinstance(messages, Iterable):
        message = f"messages must be a string or a list of messages, not {type(messages).__name__}"
        raise InvalidRequest(message, param="messages")
    return tuple(_chat_message(each) for each in messages)


def _chat_message(each: Any) -> ChatMessage:
    match each:
        case ChatMessage():
            return each
        case {"role": str(role), "content": str(content)} | (str(role), str(content)):
            if role not in ROLES:
                raise InvalidRequest(unknown_name("role", role, ROLES), param="messages")
            return ChatMessage(role=role, content=content)  # type: ignore[arg-type]
    message = f'{each!r} is no message: write {{"role": "user", "content": "…"}} or ("user", "…")'
    raise InvalidRequest(message, param="messages")


def generate_request(
    model: str,
    prompt: str | None,
    *,
    messages: str | Iterable[Message] | None = None,
    chat: bool | None = None,
    system: str | None = None,
    attention: bool = False,
    options: Mapping[str, Any],
) -> GenerateRequest:
    """Return the request for a prompt or a conversation; `system` makes a conversation of a prompt.

    Raises:
        InvalidRequest: says what makes no sense.
    """
    sampling = sampling_options(options)
    if prompt is not None and not isinstance(prompt, str):
        message = f"this takes one prompt, a string, not {type(prompt).__name__}; generate takes a list"
        raise InvalidRequest(message, param="prompt")
    _check_chat(chat)
    turns = None if messages is None else chat_messages(messages)
    _check_system(system, chat)
    if system is not None:
        if prompt is not None and turns is None:
            turns, prompt = (ChatMessage(role="user", content=prompt),), None
        turns = (ChatMessage(role="system", content=system), *(turns or ()))
    return GenerateRequest(
        model=model,
        prompt=prompt,
        messages=turns,
        chat=chat if turns is None else None,
        options=sampling,
        attention=true_or_false("attention", attention),
    )


def batch_requests(
    model: str, *, chat: bool | None, system: str | None, options: Mapping[str, Any]
) -> Callable[[Sequence[str], Sequence[int] | None], BatchRequest]:
    """Return what makes a request of prompts, and of a seed for each of them, all with these arguments.

    Raises:
        InvalidRequest: says what makes no sense.
    """
    from gpt_notebook.batch_protocol import BatchRequest

    _check_chat(chat)
    _check_system(system, chat)
    sampling = sampling_options(options)

    def request(prompts: Sequence[str], seeds: Sequence[int] | None) -> BatchRequest:
        each = None if seeds is None else tuple(seeds)
        return BatchRequest(prompts=tuple(prompts), model=model, chat=chat, system=system, options=sampling, seeds=each)

    return request


def _check_chat(chat: object) -> None:
    if not isinstance(chat, bool | None):
        message = f"chat is True, False or None, not {chat!r}"
        raise InvalidRequest(message, param="chat")


def _check_system(system: object, chat: object) -> None:
    if system is None:
        return
    check_text("system", string("system", system))
    if chat is False:
        message = "a system text needs a chat: leave out chat=False (%%gpt --complete), or the system text"
        raise InvalidRequest(message, param="system")

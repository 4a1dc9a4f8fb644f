"""Which values the arguments of transformers.TrainingArguments can have, told from how each is annotated.

Nothing is made of them, as that would set torch up for a training. What only a training can tell is left to it, such as
whether the library of an optimizer is installed.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import transformers

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import check_range
from gpt_notebook.suggestions import unknown_name

PARAM = "training_arguments"
HIGHEST = {"adam_beta1": 0.999999999, "adam_beta2": 0.999999999, "label_smoothing_factor": 1.0}
MOST = 1e12
"""What other numbers are at most: far beyond what makes sense, and far from what overflows. All are at least 0."""
WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a dict",
    type(None): "null",
}
SHOWN = 60
"""Characters of a value that an error shows."""
QUOTES = "'\""


def check(name: str, value: Any) -> None:
    """Refuse a value that an argument can't have.

    Args:
        name: One of the arguments that there are.
        value: As it was in JSON.

    Raises:
        InvalidRequest: names the argument, the value, and what it can be.
    """
    annotation = typing.get_type_hints(transformers.TrainingArguments)[name]
    kinds = _kinds(annotation)
    if not any(_fits(value, kind) for kind in kinds):
        possible = dict.fromkeys(WORDS[plain] for kind in kinds if (plain := _plain(kind)) in WORDS)
        text = f"{PARAM}: {name} must be {' or '.join(possible)}, not {_shown(value)}"
        raise InvalidRequest(text, param=PARAM)
    if isinstance(value, int | float) and not isinstance(value, bool):
        check_range(f"{PARAM}.{name}", value, low=0, high=HIGHEST.get(name, MOST))
    for word, known in _chosen(value, kinds):
        if word not in known:
            text = f"{PARAM}: {unknown_name(name, _shown(word).strip(QUOTES), known)}"
            raise InvalidRequest(text, param=PARAM)
    if name == "optim_args" and value:
        _check_pairs(name, value)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation allows."""
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return typing.get_args(annotation) if is_union else (annotation,)


def _plain(kind: Any) -> Any:
    """Return a type without what is in it; of a choice of texts, that they are texts."""
    kind = typing.get_origin(kind) or kind
    return str if isinstance(kind, enum.EnumType) else kind


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value that was JSON is of a type; of one that JSON has nothing like, it is not for us to say."""
    plain, inner = _plain(kind), typing.get_args(kind)
    if plain not in WORDS:
        return True
    if plain is float:
        return type(value) in (int, float)
    if plain is list:
        return isinstance(value, list | tuple) and all(_fits(each, inner[0]) for each in value if inner)
    if plain is dict:
        return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values() if inner)
    return type(value) is plain  # truth values are whole numbers to Python, and not to anybody else


def _chosen(value: Any, kinds: tuple[Any, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield the texts of a value that are a choice, and what there is to choose from."""
    for kind in kinds:
        if isinstance(kind, enum.EnumType) and isinstance(value, str):
            yield value, _texts(kind)
        for inner in typing.get_args(kind):
            # Several can be written as one text, with spaces between them.
            if isinstance(inner, enum.EnumType) and value is not None:
                yield from ((word, _texts(inner)) for word in (value.split() if isinstance(value, str) else value))


def _texts(kind: Any) -> list[str]:
    return [str(each.value) for each in kind]


def _check_pairs(name: str, value: str) -> None:
    for pair in value.replace(" ", "").split(","):
        if pair.count("=") != 1 or pair.startswith("="):
            text = f"{PARAM}: {name} is written as 'name=value,name=value', and {pair[:SHOWN]!r} of it is no such pair"
            raise InvalidRequest(text, param=PARAM)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no whole numbers of thousands of digits.
        text = f"something so long ({type(value).__name__})"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"

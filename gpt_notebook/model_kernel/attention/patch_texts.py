"""The two texts of activation patching as tokens: equally many, or a refusal that shows how each was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpt_notebook.attention_protocol import PatchRequest
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel import prompts
from gpt_notebook.model_kernel.loaded_model import LoadedModel

CONTEXT_SHOWN = 3
"""How many tokens a message shows on both sides of where the texts differ."""
MOST_SHOWN = 12


@dataclass(frozen=True)
class PatchTexts:
    """What patching works with."""

    clean: list[int]
    corrupt: list[int]
    answer: int | None
    wrong: int | None


def patch_texts(model: LoadedModel, request: PatchRequest) -> PatchTexts:
    """Return the ids of a request's texts, and those of its answers where it has them.

    Raises:
        InvalidRequest: a text is empty, or an answer is not exactly one token.
        ContextLengthExceeded: a text doesn't fit the model.
    """
    clean, corrupt = (_ids(model, name, getattr(request, name), request) for name in ("clean", "corrupt"))
    return PatchTexts(
        clean=clean,
        corrupt=corrupt,
        answer=_one_token(model, "answer", request.answer),
        wrong=_one_token(model, "wrong", request.wrong),
    )


def check_alike(model: LoadedModel, clean: Sequence[int], corrupt: Sequence[int]) -> None:
    """Refuse texts that have nothing to compare token by token.

    Raises:
        InvalidRequest: the tokens are not equally many, or the same.
    """
    if len(clean) != len(corrupt):
        message = (
            f"clean has {len(clean):,} tokens and corrupt {len(corrupt):,}: {_shown(model, clean, corrupt)} and "
            f"{_shown(model, corrupt, clean)}; choose words that are as many tokens"
        )
        raise InvalidRequest(message, param="corrupt")
    if list(clean) == list(corrupt):
        message = "clean and corrupt are the same tokens: change the word that matters"
        raise InvalidRequest(message, param="corrupt")


def _ids(model: LoadedModel, name: str, text: str, request: PatchRequest) -> list[int]:
    special = request.add_special_tokens
    ids = prompts.encode_text(model, text, add_special_tokens=special, name=f"{name} text", param=name)
    prompts.check_length(model, len(ids), name=f"{name} text", param=name)
    return ids


def _plain(model: LoadedModel, text: str) -> list[int]:
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])


def _one_token(model: LoadedModel, name: str, text: str | None) -> int | None:
    if text is None:
        return None
    ids = _plain(model, text)
    if len(ids) == 1:
        return ids[0]
    # In most vocabularies a word that follows another one begins with its space.
    other = text[1:] if text.startswith(" ") else f" {text}"
    if len(_plain(model, other)) == 1:
        advice = f"{name}={other!r} is one"
    elif text.startswith(" "):
        advice = "choose a shorter word"
    else:
        advice = "choose a shorter word, with its leading space if it follows another"
    cut = f" ({_joined(model, ids[:MOST_SHOWN])}{'…' if len(ids) > MOST_SHOWN else ''})" if ids else ""
    message = f"{name} must be one token, and {text!r:.80} is {len(ids)}{cut}: {advice}"
    raise InvalidRequest(message, param=name)


def _shown(model: LoadedModel, ids: Sequence[int], other: Sequence[int]) -> str:
    """Return how a text was cut, around what differs from the other."""
    shorter = min(len(ids), len(other))
    same_before = next((i for i in range(shorter) if ids[i] != other[i]), shorter)
    most_after = shorter - same_before
    same_after = next((i for i in range(most_after) if ids[-1 - i] != other[-1 - i]), most_after)
    start = max(0, same_before - CONTEXT_SHOWN)
    stop = min(len(ids) - same_after + CONTEXT_SHOWN, len(ids), start + MOST_SHOWN)
    return f"{'…' if start else ''}{_joined(model, ids[start:stop])}{'…' if stop < len(ids) else ''}"


def _joined(model: LoadedModel, ids: Sequence[int]) -> str:
    return "|".join(model.vocabulary.describe(token_id)[0] for token_id in ids)

"""The line below an output: which model, how much, with which seed, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from gpt_notebook.completion import Completion
from gpt_notebook.display.quantities import counted
from gpt_notebook.protocol import Dtype

_ENDINGS = {"stop": "ended", "length": "stopped at length"}


def live_footer(completions: Sequence[Completion], tokens_per_second: float | None) -> str:
    """Return the line while the samples grow.

    It says that there is to be more, which explains what a notebook kernel leaves behind that ends in mid-stream.
    """
    rate = "" if tokens_per_second is None else f"{tokens_per_second:.0f} tok/s"
    return _joined(completions[0].model, _tokens(completions), rate, "generating…")


def final_footer(completions: Sequence[Completion], *, max_new_tokens: int | None = None) -> str:
    """Return the line that stays; `max_new_tokens` is the length that was asked for, where that is known."""
    endings = {ending(each, max_new_tokens) for each in completions}
    first = completions[0]
    common = endings.pop() if len(endings) == 1 else ""
    return _joined(first.model, _dtype(first), _tokens(completions), _seeds(completions), common)


def _tokens(completions: Sequence[Completion]) -> str:
    return counted(sum(len(each.tokens) for each in completions), "token")


def _dtype(completion: Completion) -> str:
    """Return the precision of the weights, with which a fingerprint ends, where it isn't the usual one."""
    dtype = completion.fingerprint.rpartition("-")[2]
    return dtype if dtype in get_args(Dtype) and dtype != "float32" else ""


def _seeds(completions: Sequence[Completion]) -> str:
    """Return the seeds of the samples; none where nothing is drawn."""
    first, last = completions[0].seed, completions[-1].seed
    if first is None or completions[0].options.temperature == 0:
        return ""
    return f"seed {first}" if first == last else f"seeds {first}–{last}"  # noqa: RUF001 - a range


def ending(completion: Completion, max_new_tokens: int | None = None) -> str:
    """Return how a completion came to its end; `max_new_tokens` is the length that was asked for, where that is known."""
    fitted = completion.options.max_new_tokens
    if completion.finish_reason == "length" and max_new_tokens is not None and fitted < max_new_tokens:
        return "stopped at the context's end"
    return _ENDINGS.get(str(completion.finish_reason), "")


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)

"""The protocol's part for many prompts at once: one request, and one event for each row as soon as that is done.

Rows come in the order in which they finish, each whole: an event for each token would cost more than the token. A row
that fails is an event too, and the others go on. Otherwise as in `protocol`: frozen, strict, numbered, ended by `done`
or `failed`.
"""

from __future__ import annotations

import typing
from dataclasses import field, replace
from typing import Any, ClassVar

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import (
    DEFAULT_MODEL,
    ChatMessage,
    Done,
    Failed,
    FinishReason,
    GenerateRequest,
    Progress,
    SamplingOptions,
    Timing,
    Token,
    Usage,
    check_text,
    message,
)

PATH = "/v1/batch"

MAX_ROWS = 4096
"""Rows of one request; a longer table goes in several."""


@message
class BatchRequest:
    """Go on from each of many prompts, with the same options. A row is known by its index among the prompts."""

    prompts: tuple[str, ...]
    model: str = DEFAULT_MODEL
    chat: bool | None = None
    """Whether each prompt is put to the model as a user's turn; None: if the model has a chat template."""
    system: str | None = None
    """What the model is told before each prompt; makes each a chat."""
    options: SamplingOptions = field(default_factory=SamplingOptions)
    """Those of each row: with a seed, each draws as it would alone with this seed; without, each has one of its own."""
    seeds: tuple[int, ...] | None = None
    """A seed for each row, in the place of the one of the options: rows with one seed draw alike."""

    def __post_init__(self) -> None:
        """Refuse no rows, too many of them, texts that are none, and a system text without a chat.

        Raises:
            InvalidRequest: says which.
        """
        if not 1 <= len(self.prompts) <= MAX_ROWS:
            text = f"a batch takes 1 to {MAX_ROWS:,} prompts, not {len(self.prompts):,}: send the others in another one"
            raise InvalidRequest(text, param="prompts")
        for index, prompt in enumerate(self.prompts):
            check_text(f"prompts[{index}]", prompt)
        if self.seeds is not None and len(self.seeds) != len(self.prompts):
            text = f"{len(self.prompts):,} prompts and {len(self.seeds):,} seeds: give one for each"
            raise InvalidRequest(text, param="seeds")
        for index in range(len(self.seeds or ())):
            self.options_of(index)
        check_text("system", self.system)
        if self.system is not None and self.chat is False:
            text = "a system text needs a chat: leave out chat=False, or the system text"
            raise InvalidRequest(text, param="system")

    def options_of(self, index: int) -> SamplingOptions:
        """Return the options of one row."""
        return self.options if self.seeds is None else replace(self.options, seed=self.seeds[index])

    def alone(self, index: int) -> GenerateRequest:
        """Return a row as the request that it would be alone."""
        prompt, options = self.prompts[index], self.options_of(index)
        if self.system is None:
            return GenerateRequest(model=self.model, prompt=prompt, chat=self.chat, options=options)
        messages = ChatMessage(role="system", content=self.system), ChatMessage(role="user", content=prompt)
        return GenerateRequest(model=self.model, messages=messages, options=options)


@message
class BatchStarted:
    """The model is there, and the rows have begun."""

    type: ClassVar[str] = "batch_started"
    id: str
    model: str
    fingerprint: str


@message
class RowSample:
    """One of the n samples of a row, complete."""

    tokens: tuple[Token, ...]
    finish_reason: FinishReason
    usage: Usage


@message
class RowDone:
    """A row is complete."""

    type: ClassVar[str] = "row_done"
    index: int
    """Which of the prompts."""
    prompt: str
    """The text that the model saw, its chat template filled in."""
    prompt_token_ids: tuple[int, ...]
    options: SamplingOptions
    """With the seed that was drawn and the length that fits."""
    samples: tuple[RowSample, ...]
    timing: Timing | None = None


@message
class RowFailed:
    """There is no completion for a row; the others go on."""

    type: ClassVar[str] = "row_failed"
    index: int
    error: dict[str, Any]
    """OpenAI's error object."""


BatchEvent = Progress | BatchStarted | RowDone | RowFailed | Failed | Done

EVENT_TYPES: dict[str, type[Any]] = {cls.type: cls for cls in typing.get_args(BatchEvent)}

"""What a notebook gets for a prompt: completions, and how they come together from the events of a stream.

Knows the protocol's events and nothing of HTTP; how a completion looks is the business of display/.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gpt_notebook.protocol import (
    Done,
    Event,
    Finished,
    FinishReason,
    SamplingOptions,
    Started,
    Timing,
    Token,
    Tokens,
    Usage,
)
from gpt_notebook.visible_text import shortened

REPR_CHARACTERS = 60


@dataclass(frozen=True, kw_only=True, repr=False)
class Completion:
    """The text that a model put after a prompt, and everything that is needed to get it again."""

    text: str
    """The texts of `tokens`, joined; special tokens have none of their own in it."""
    tokens: tuple[Token, ...]
    finish_reason: FinishReason | None
    """`stop`, `length` or `cancelled`; None when the stream was cut off."""
    usage: Usage
    model: str
    fingerprint: str
    """Which weights exactly."""
    options: SamplingOptions
    """What was really used, the drawn seed included."""
    prompt: str
    """The text that the model saw, its chat template filled in."""
    prompt_token_ids: tuple[int, ...]
    timing: Timing | None = None
    """Where the time went; None until the whole request is done."""
    index: int = 0
    """Which of the `options.n` samples this is."""

    @classmethod
    def of(
        cls,
        started: Started,
        tokens: Iterable[Token],
        *,
        finish_reason: FinishReason | None,
        usage: Usage,
        timing: Timing | None,
        index: int,
        text: str | None = None,
    ) -> Completion:
        """Return a sample of a generation; `text` is what `text_of` gives for the tokens, where that is known."""
        tokens = tuple(tokens)
        return cls(
            text=text_of(tokens) if text is None else text,
            tokens=tokens,
            finish_reason=finish_reason,
            usage=usage,
            model=started.model,
            fingerprint=started.fingerprint,
            options=started.options,
            prompt=started.prompt,
            prompt_token_ids=started.prompt_token_ids,
            timing=timing,
            index=index,
        )

    @property
    def complete(self) -> bool:
        """Whether the model came to an end by itself: by a stop or by the length that was asked for."""
        return self.finish_reason in ("stop", "length")

    @property
    def seed(self) -> int | None:
        """The seed that draws this very sample, alone, again."""
        return None if self.options.seed is None else self.options.seed + self.index

    @property
    def parsed(self) -> Any:
        """The value of the JSON that the text is, or that its first fenced block is.

        Raises:
            NotJson: it can't be read; says where, and why. The text stays.
        """
        from gpt_notebook.display.text_formats import parsed_json

        return parsed_json(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        end = self.finish_reason or "incomplete"
        return f"<Completion {shortened(self.text, REPR_CHARACTERS)!r}: {len(self.tokens)} tokens, {end}, {self.model}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        from gpt_notebook.display.bundle import completion_bundle

        return completion_bundle(self)


def text_of(tokens: Iterable[Token]) -> str:
    """Return the texts of tokens, joined; special ones have none."""
    return "".join(token.text for token in tokens if not token.special)


@dataclass
class _Sample:
    """One of the n samples as far as it has come."""

    tokens: list[Token] = field(default_factory=list)
    text: str = ""
    """Grows with them: joined anew at each event, the text of a long stream would take ever longer."""
    finished: Finished | None = None


class Collector:
    """Puts the events of one generation together; has completions to show at any moment."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.started: Started | None = None
        self.timing: Timing | None = None
        self._samples: list[_Sample] = []

    def add(self, event: Event) -> None:
        """Take in the next event of the stream; those that carry no part of a completion change nothing."""
        match event:
            case Started():
                self.started = event
                self._samples = [_Sample() for _ in range(event.options.n)]
            case Tokens():
                sample = self._samples[event.index]
                sample.tokens.extend(event.tokens)
                sample.text += text_of(event.tokens)
            case Finished():
                self._samples[event.index].finished = event
            case Done():
                self.timing = event.timing

    def completions(self) -> tuple[Completion, ...]:
        """Return one completion a sample, those that are not finished with `finish_reason` None; () before the start."""
        started = self.started
        if started is None:
            return ()
        return tuple(self._completion(started, index, sample) for index, sample in enumerate(self._samples))

    def _completion(self, started: Started, index: int, sample: _Sample) -> Completion:
        counted = Usage(prompt_tokens=len(started.prompt_token_ids), completion_tokens=len(sample.tokens))
        return Completion.of(
            started,
            sample.tokens,
            text=sample.text,
            finish_reason=sample.finished.finish_reason if sample.finished else None,
            usage=sample.finished.usage if sample.finished else counted,
            timing=self.timing,
            index=index,
        )

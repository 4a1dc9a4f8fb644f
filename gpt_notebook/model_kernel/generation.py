"""A generation: what was asked for, and what is said of each of its samples; which passes of a model it takes is not its matter.

Runs in the scheduler's thread and emits `Tokens` and `Finished`. What it says of tokens are the model's own numbers:
a logprob is the log-softmax of the logits as they were, before temperature, top-k and top-p.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Self

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel import sampling
from gpt_notebook.model_kernel.attention.capture import Capture, Text
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.attention.recording import check_budget
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.prompts import Prompt
from gpt_notebook.model_kernel.scheduler import Asked
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.model_kernel.text import StopStrings
from gpt_notebook.protocol import Finished, FinishReason, Token, Tokens, Usage


class Sample:
    """One of the n completions of a request."""

    def __init__(self, index: int, model: LoadedModel, prompt: Prompt) -> None:
        """Begin where the prompt ends; sample i of n draws with seed + i."""
        self.index = index
        self.generated = 0
        self.shown_ids: list[int] = []
        """The tokens of the completion, so far."""
        self.unsaid: list[Token] = []
        """Of these, the tokens that nobody has been told yet."""
        self.finish_reason: FinishReason | None = None
        self._model = model
        self._options = prompt.options
        self._draws = random.Random((prompt.options.seed or 0) + index)  # noqa: S311 - it has to be repeatable
        self._text = model.vocabulary.stream(prompt.token_ids, strip_space=prompt.plain_dialogue)
        self._stop = StopStrings(prompt.stop)

    def choose(self, row: sampling.Logits) -> tuple[int, list[Token]]:
        """Choose the next token from logits (vocabulary,); return its id and the tokens to show now."""
        choice = sampling.choose(row, self._options, self._draws)
        self.generated += 1
        if choice.token_id in self._model.end_ids:
            return choice.token_id, self.finish("stop")
        token = self._model.vocabulary.token(choice.token_id, choice.logprob, choice.considered)
        shown = self._stop.add(self._text.add(token))
        if self._stop.found:
            self.finish_reason = "stop"
        elif self.generated >= self._options.max_new_tokens:
            shown += self.finish("length")
        return choice.token_id, shown

    def finish(self, reason: FinishReason) -> list[Token]:
        """End the text, and return what was still held back."""
        self.finish_reason = reason
        rest = self._stop.add(self._text.flush())
        return rest if self._stop.found else rest + self._stop.flush()


class Generation(Asked):
    """What one request wants to be generated."""

    def __init__(
        self,
        served: Served,
        prompt_ids: Sequence[int],
        samples: Sequence[Sample] = (),
        *,
        max_new_tokens: int = 0,
        repeatable: bool = True,
        attention_budget: int | None = None,
        background: bool = False,
    ) -> None:
        """Begin before the prompt is read.

        Args:
            served: what generates.
            prompt_ids: the tokens of the prompt.
            samples: what follows it; with none the prompt is read, and that was all.
            max_new_tokens: how long each of them may get.
            repeatable: whether the same tokens are to come whenever it runs alone, even if bits have to be computed
                again for it.
            attention_budget: for an attention that is recorded on the way, how many bytes those of all samples may
                take; emits a `Capture` for each sample before its end. None: no attention.
            background: whether those come first for whom somebody waits.
        """
        super().__init__()
        self.served = served
        self.prompt_ids = prompt_ids
        self.repeatable = repeatable
        self.background = background
        self.samples = samples
        self.longest = len(prompt_ids) + max_new_tokens
        """How many tokens prompt and completion may come to."""
        self.first_step: float | None = None
        self.first_token: float | None = None
        self._attention_budget = attention_budget

    @classmethod
    def of(
        cls, served: Served, prompt: Prompt, *, attention_budget: int | None = None, background: bool = False
    ) -> Self:
        """Return the generation of what a prompt asks for."""
        return cls(
            served,
            prompt.token_ids,
            [Sample(i, served.model, prompt) for i in range(prompt.options.n)],
            max_new_tokens=prompt.options.max_new_tokens,
            repeatable=prompt.repeatable,
            attention_budget=attention_budget,
            background=background,
        )

    @property
    def generated(self) -> int:
        """How many tokens there are so far, over all samples."""
        return sum(sample.generated for sample in self.samples)

    def began(self) -> None:
        """Note that its first step begins."""
        if self.first_step is None:
            self.first_step = time.monotonic()

    def recorder(self) -> Recorder | None:
        """Return what records the attention of all that is read, if that is wanted and possible on the way.

        Raises:
            OutOfMemory: it would take more than is set aside for it.
        """
        if self._attention_budget is None:
            return None
        try:
            layout = layout_of(self.served.model)
        except ModelUnsupported:  # Whoever asks for its attention is told.
            return None
        if not layout.in_pieces:
            return None
        check_budget(self.served.model, self.longest * len(self.samples), self._attention_budget)
        return Recorder(self.longest)

    def has_read(self, row: sampling.Logits) -> None:
        """Take note, once, of the logits (vocabulary,) after the prompt."""

    def advance(self, sample: Sample, row: sampling.Logits) -> int | None:
        """Choose a sample's next token from logits (vocabulary,), and tell it; return its id, None when that was the end.

        Whoever runs it calls `finish` then.
        """
        if self.first_token is None:
            self.first_token = time.monotonic()
        token_id, shown = sample.choose(row)
        self._say(sample, shown)
        return token_id if sample.finish_reason is None else None

    def _say(self, sample: Sample, shown: list[Token]) -> None:
        sample.shown_ids += [token.id for token in shown]
        sample.unsaid += shown
        # Who reads a whole row at its end need not be woken for each of its tokens.
        if sample.unsaid and (not self.background or sample.finish_reason is not None):
            self.emit(Tokens(index=sample.index, tokens=tuple(sample.unsaid)))
            sample.unsaid.clear()

    def text_of(self, sample: Sample) -> tuple[int, ...]:
        """Return the tokens of the prompt and of a sample's completion as it is shown."""
        return (*self.prompt_ids, *sample.shown_ids)

    def keep_attention(self, sample: Sample, recorder: Recorder) -> None:
        """Emit what was recorded of `text_of` a sample, all of whose tokens have been read."""
        ids = self.text_of(sample)
        served = self.served
        self.emit(Capture(served.name, served.fingerprint, Text(ids), layout_of(served.model), recorder.cut(len(ids))))

    def finish(self, sample: Sample) -> None:
        """Tell how a sample has ended."""
        assert sample.finish_reason is not None  # noqa: S101 - whoever calls has seen it end
        usage = Usage(prompt_tokens=len(self.prompt_ids), completion_tokens=sample.generated)
        self.emit(Finished(index=sample.index, finish_reason=sample.finish_reason, usage=usage))

    def stop(self, sample: Sample) -> None:
        """End a sample before its next token; whoever runs it calls `finish` then."""
        self._say(sample, sample.finish("cancelled"))

"""The token loop of one request: prefill once, then one token for each of its samples at each step.

Runs in the scheduler's thread and emits `Tokens` and `Finished`. What it says of tokens are the model's own numbers:
a logprob is the log-softmax of the logits as they were, before temperature, top-k and top-p.
"""

from __future__ import annotations

import time

import torch

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel import sampling
from gpt_notebook.model_kernel.attention.capture import Capture, Text
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.attention.recording import check_budget
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.prompts import Prompt
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.model_kernel.sequence import Sequence
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
        self.finish_reason: FinishReason | None = None
        self._model = model
        self._options = prompt.options
        self._generator = torch.Generator().manual_seed((prompt.options.seed or 0) + index)
        self._text = model.vocabulary.stream(prompt.token_ids, strip_space=prompt.plain_dialogue)
        self._stop = StopStrings(prompt.stop)

    def choose(self, logits: torch.Tensor) -> tuple[int, list[Token]]:
        """Choose the next token from logits of shape (vocabulary,); return its id and the tokens to show now."""
        token_id = sampling.choose(logits, self._options, self._generator)
        self.generated += 1
        if token_id in self._model.end_ids:
            return token_id, self._finish("stop")
        logprobs = logits.log_softmax(-1)
        top = sampling.top_logprobs(logprobs, self._options.logprobs) if self._options.logprobs else []
        token = self._model.vocabulary.token(token_id, float(logprobs[token_id]), top)
        shown = self._stop.add(self._text.add(token))
        if self._stop.found:
            self.finish_reason = "stop"
        elif self.generated >= self._options.max_new_tokens:
            shown += self._finish("length")
        return token_id, shown

    def _finish(self, reason: FinishReason) -> list[Token]:
        """End the text, and return what was still held back."""
        self.finish_reason = reason
        rest = self._stop.add(self._text.flush())
        return rest if self._stop.found else rest + self._stop.flush()

    def cancel(self) -> list[Token]:
        """End before the next token."""
        return self._finish("cancelled")


class Generation(Work):
    """The work of one request."""

    def __init__(self, model: LoadedModel, prompt: Prompt, *, attention_budget: int | None = None) -> None:
        """Begin before the prompt is read.

        Args:
            model: what generates.
            prompt: where it starts.
            attention_budget: for an attention that is recorded on the way, how many bytes those of all samples may
                take; emits a `Capture` for each sample before its end. None: no attention.
        """
        super().__init__()
        self._attention_budget = attention_budget
        self._model = model
        self._prompt = prompt.token_ids
        self._max_new_tokens = prompt.options.max_new_tokens
        self._samples = [Sample(i, model, prompt) for i in range(prompt.options.n)]
        self._sequences: dict[int, tuple[Sequence, int]] = {}
        """For each running sample, what has been read of it and the token to read next."""
        self.first_step: float | None = None
        self.first_token: float | None = None

    @property
    def generated(self) -> int:
        """How many tokens there are so far, over all samples."""
        return sum(sample.generated for sample in self._samples)

    def step(self) -> bool:
        """Generate one token for each running sample."""
        if self.cancelled:
            for sample in self._running():
                self._say(sample, sample.cancel())
        elif self.first_step is None:
            self.first_step = time.monotonic()
            self._prefill()
            self.first_token = time.monotonic()
        else:
            for sample in self._running():
                sequence, token_id = self._sequences[sample.index]
                self._advance(sample, sequence, sequence.read([token_id]))
        return bool(self._running())

    def _running(self) -> list[Sample]:
        return [sample for sample in self._samples if sample.finish_reason is None]

    def _prefill(self) -> None:
        """Read the prompt once for all samples."""
        sequence = Sequence(self._model, self._recorder())
        logits = sequence.read(self._prompt)  # (vocabulary,)
        for sample in self._samples:
            last = sample is self._samples[-1]
            self._advance(sample, sequence if last else sequence.fork(), logits)

    def _recorder(self) -> Recorder | None:
        """Return what records the attention of all that is read, if that is wanted and possible on the way.

        Raises:
            OutOfMemory: it would take more than is set aside for it.
        """
        if self._attention_budget is None:
            return None
        try:
            layout = layout_of(self._model)
        except ModelUnsupported:  # Whoever asks for its attention is told.
            return None
        if not layout.in_pieces:
            return None
        capacity = len(self._prompt) + self._max_new_tokens
        check_budget(self._model, capacity * len(self._samples), self._attention_budget)
        return Recorder(capacity)

    def _advance(self, sample: Sample, sequence: Sequence, logits: torch.Tensor) -> None:
        token_id, shown = sample.choose(logits)
        self._sequences[sample.index] = (sequence, token_id)
        self._say(sample, shown)

    def _say(self, sample: Sample, shown: list[Token]) -> None:
        sample.shown_ids += [token.id for token in shown]
        if shown:
            self.emit(Tokens(index=sample.index, tokens=tuple(shown)))
        if sample.finish_reason is not None:
            sequence, _ = self._sequences.pop(sample.index, (None, None))
            if sequence is not None and sequence.recording:
                self._keep_attention(sample, sequence)
            usage = Usage(prompt_tokens=len(self._prompt), completion_tokens=sample.generated)
            self.emit(Finished(index=sample.index, finish_reason=sample.finish_reason, usage=usage))

    def _keep_attention(self, sample: Sample, sequence: Sequence) -> None:
        """Emit the attention of the prompt and a sample's completion, whose last token has not been read yet."""
        ids = (*self._prompt, *sample.shown_ids)
        if unread := ids[len(sequence) :]:
            sequence.read(unread)
        model = self._model
        self.emit(
            Capture(model.source.name, model.fingerprint, Text(ids), layout_of(model), sequence.recorded(len(ids)))
        )

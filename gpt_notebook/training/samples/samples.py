"""From rows to samples: the tokens that a model sees in training, and which of them count in the loss.

What a sample begins with is, to the token, what the model will see when it is asked. A prompt and its completion are
tokenised apart, as they are when the model goes on from the one with the other; a model with a chat template gets the
prompt as a user's turn, as `gpt.generate` gives it. The end token belongs to a completion, so that it is learned, too.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import TooLong
from gpt_notebook.protocol import ChatMessage
from gpt_notebook.training.samples import rows as reading
from gpt_notebook.training.samples.conversations import Conversations, Templates
from gpt_notebook.training.samples.data_warnings import DataWarnings
from gpt_notebook.training.samples.lengths import Encoded, fitted
from gpt_notebook.training.samples.rows import Row, RowKind

AT_ONCE = 1000
"""Rows that are tokenised in one go: a fast tokenizer reads many texts much faster than each alone."""


class Sample(NamedTuple):
    """One sequence of tokens that a model is trained on."""

    token_ids: npt.NDArray[np.int32]
    """Shape (token,)."""
    counted: npt.NDArray[np.bool_]
    """Whether each token counts in the loss, shape (token,); never the first, before which there is nothing."""
    row: int
    """Of the data it comes from, counted from 0."""
    cut: int = 0
    """How many of the row's tokens were left out."""


@dataclass(frozen=True, eq=False)
class Samples(Sequence[Sample]):
    """Many samples as a few arrays: about five bytes a token, however many there are."""

    token_ids: npt.NDArray[np.int32]
    """Of all samples, one after another, shape (token,)."""
    counted: npt.NDArray[np.bool_]
    """Shape (token,)."""
    offsets: npt.NDArray[np.int64]
    """Where each sample begins, and the last one ends, shape (sample + 1,)."""
    rows: npt.NDArray[np.int32]
    """The row of each sample, shape (sample,)."""
    left_out: npt.NDArray[np.int32]
    """How many tokens of its row were left out of each sample, shape (sample,)."""
    lengths: npt.NDArray[np.int32]
    """Tokens of each row before anything was cut, shape (row,)."""
    digests: npt.NDArray[np.uint64]
    """What says the same of rows that are the same, shape (row,)."""
    dropped: int = 0
    """Rows of which there is no sample."""
    split: int = 0
    """Texts that became several samples."""
    warnings: tuple[str, ...] = ()
    """What should be known of the data, a line each."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """Return a sample; slices are taken with `take`."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        part = slice(self.offsets[index], self.offsets[index + 1])
        return Sample(self.token_ids[part], self.counted[part], int(self.rows[index]), int(self.left_out[index]))

    def __iter__(self) -> Iterator[Sample]:
        return map(self.__getitem__, range(len(self)))

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The tokens of each sample, shape (sample,)."""
        return np.diff(self.offsets)

    @property
    def n_tokens(self) -> int:
        """The tokens of all samples."""
        return len(self.token_ids)

    @property
    def n_counted(self) -> int:
        """How many of them count in the loss."""
        return int(self.counted.sum())

    @property
    def n_rows(self) -> int:
        """How many rows there were."""
        return len(self.lengths)

    @property
    def cut(self) -> int:
        """How many samples have lost tokens."""
        return int((self.left_out > 0).sum())

    def take(self, indices: npt.ArrayLike) -> Samples:
        """Return some of the samples, with what is known of all rows."""
        chosen = np.asarray(indices, np.int64)
        sizes = self.sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        # The place of each token: where its sample begins, and how far in it is.
        places = np.repeat(self.offsets[chosen] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Samples(
            token_ids=self.token_ids[places],
            counted=self.counted[places],
            offsets=offsets,
            rows=self.rows[chosen],
            left_out=self.left_out[chosen],
            lengths=self.lengths,
            digests=self.digests,
            dropped=self.dropped,
            split=self.split,
            warnings=self.warnings,
        )


def encode(
    rows: Iterable[Row],
    tokenizer: Any,
    *,
    max_length: int,
    templates: Templates,
    too_long: TooLong = "split",
    chat: bool | None = None,
) -> Samples:
    """Return the samples of rows.

    Args:
        rows: `rows.read` gives them; they are read once, and not kept.
        tokenizer: The model's, as transformers loads it.
        max_length: The most tokens that a sample may have, at least 2.
        templates: Who renders the chat template, if there is one and it is needed.
        too_long: What becomes of rows that have more.
        chat: Whether a prompt is a user's turn and its completion the answer; None: if there is a chat template.

    Raises:
        InvalidRequest: there are no rows, or one is none; the message names it.
    """
    encoder = _Encoder(tokenizer, max_length, too_long, chat=chat, templates=templates)
    source = enumerate(rows)
    while batch := list(itertools.islice(source, AT_ONCE)):
        encoder.add(batch)
    return encoder.samples()


class _Encoder:
    """Rows on their way to arrays."""

    def __init__(
        self, tokenizer: Any, max_length: int, too_long: TooLong, *, chat: bool | None, templates: Templates
    ) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._too_long = too_long
        self._as_chat = bool(getattr(tokenizer, "chat_template", None)) if chat is None else chat
        self._templates = templates
        self._conversations: Conversations | None = None
        self._kind: RowKind | None = None
        self._ids, self._counted = array("i"), bytearray()
        self._sizes, self._rows, self._left_out, self._lengths = array("i"), array("i"), array("i"), array("i")
        self._dropped = self._split = 0
        self._remarks = DataWarnings(tokenizer)

    def add(self, batch: Sequence[tuple[int, Any]]) -> None:
        """Encode some rows."""
        for number, row in batch:
            self._kind = reading.kind_of(row, number, self._kind)
        plain = self._kind == "text" or (self._kind == "completion" and not self._as_chat)
        encode = self._chats if not plain else self._texts if self._kind == "text" else self._completions
        found = encode(batch)
        for (number, row), encoded in zip(batch, found, strict=True):
            self._remarks.row(row, plain=plain)
            self._keep(number, encoded)

    def _texts(self, batch: Sequence[tuple[int, Row]]) -> list[Encoded]:
        texts = [reading.string(row, "text", number) for number, row in batch]
        return [Encoded.whole(self._ended(ids)) for ids in self._tokenized(texts)]

    def _completions(self, batch: Sequence[tuple[int, Row]]) -> list[Encoded]:
        begin = self._tokenizer.bos_token_id
        texts = [reading.string(row, "prompt", number, may_be_empty=begin is not None) for number, row in batch]
        prompts = self._tokenized(texts)
        answers = [reading.string(row, "completion", number) for number, row in batch]
        completions = self._tokenized(answers, add_special_tokens=False)
        return [
            # An empty prompt is the token that begins every text, as it is when the model generates.
            Encoded.of([(prompt or [begin], False), (self._ended(completion), True)])
            for prompt, completion in zip(prompts, completions, strict=True)
        ]

    def _chats(self, batch: Sequence[tuple[int, Row]]) -> list[Encoded]:
        if self._conversations is None:
            self._conversations = Conversations(self._tokenizer, self._templates)
        pieces = []
        for number, row in batch:
            messages = self._messages(row, number)
            try:
                pieces.append(self._conversations.pieces(messages))
            except InvalidRequest as error:
                raise reading.wrong(number, f"cannot be put to the model: {error.message}") from None
        return [
            Encoded.of(
                (self._ended(ids) if piece.ends else ids, piece.counted) for piece, ids in zip(row, found, strict=True)
            )
            for row, found in zip(pieces, self._conversations.encode(pieces), strict=True)
        ]

    def _messages(self, row: Row, number: int) -> list[ChatMessage]:
        if self._kind == "messages":
            return reading.messages(row, number)
        prompt = reading.string(row, "prompt", number)
        completion = reading.string(row, "completion", number)
        return [ChatMessage(role="user", content=prompt), ChatMessage(role="assistant", content=completion)]

    def _tokenized(self, texts: list[str], **options: Any) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts, verbose=False, **options)["input_ids"]
        return ids

    def _ended(self, ids: list[int]) -> list[int]:
        """Return ids with the end token after them, if there is one and it isn't there yet."""
        end = self._tokenizer.eos_token_id
        return ids if end is None or ids[-1:] == [end] else [*ids, end]

    def _keep(self, number: int, encoded: Encoded) -> None:
        """Add a row's samples to the arrays."""
        self._lengths.append(len(encoded.token_ids))
        parts = fitted(
            encoded, number, max_length=self._max_length, too_long=self._too_long, bos=self._tokenizer.bos_token_id
        )
        self._split += len(parts) > 1
        if len(parts) == 1 and 1 not in parts[0].counted:
            self._remarks.nothing_counted()
            parts = []
        self._dropped += not parts
        for part in parts:
            self._ids.extend(part.token_ids)
            self._counted.extend(part.counted)
            self._sizes.append(len(part.token_ids))
            self._rows.append(number)
            self._left_out.append(part.left_out)

    def samples(self) -> Samples:
        """Return what has been added.

        Raises:
            InvalidRequest: there was no row, or no sample of any.
        """
        if not self._lengths:
            message = "the data have no rows: give at least one"
            raise InvalidRequest(message, param="data")
        if not self._rows:
            message = f"none of the {len(self._lengths):,} rows is a sample that anything can be learned from: {self._advice()}"
            raise InvalidRequest(message, param="data")
        return Samples(
            token_ids=np.frombuffer(self._ids, np.int32),
            counted=np.frombuffer(self._counted, np.bool_),
            offsets=np.concatenate([[0], np.cumsum(np.frombuffer(self._sizes, np.int32), dtype=np.int64)]),
            rows=np.frombuffer(self._rows, np.int32),
            left_out=np.frombuffer(self._left_out, np.int32),
            lengths=np.frombuffer(self._lengths, np.int32),
            digests=self._remarks.digests,
            dropped=self._dropped,
            split=self._split,
            warnings=self._remarks.lines(),
        )

    def _advice(self) -> str:
        """Return what can be done when no row has become a sample."""
        if self._too_long == "drop" and min(self._lengths) > self._max_length:
            return f"all have more than {self._max_length:,} tokens, and the option too_long is drop, which leaves those out: raise max_length, or cut them"
        return "raise max_length, or give longer texts"


def divide(samples: Samples, share: float, *, seed: int) -> tuple[Samples, Samples]:
    """Return samples for training, and those kept for validation.

    Rows are drawn, not samples, and rows that are the same go to the same side: what is validated on was not trained on.
    The same data and seed always divide alike.

    Raises:
        InvalidRequest: there are not two rows that differ.
    """
    _, first, kinds = np.unique(samples.digests[samples.rows], return_index=True, return_inverse=True)
    if len(first) < 2:  # noqa: PLR2004 - one for each side
        message = "a share for validation needs at least two rows that differ: give more data, or validation data of their own"
        raise InvalidRequest(message, param="validation_share")
    count = min(max(round(share * len(first)), 1), len(first) - 1)
    in_order = np.argsort(first)  # Digests have no order that means anything; rows do.
    drawn = np.random.RandomState(seed).permutation(in_order)[:count]
    kept = np.isin(kinds, drawn)
    return samples.take(np.flatnonzero(~kept)), samples.take(np.flatnonzero(kept))

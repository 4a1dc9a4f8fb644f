"""Rows that are longer than a sample may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpt_notebook.job_protocol import TooLong
from gpt_notebook.training.samples.rows import wrong


@dataclass(frozen=True)
class Encoded:
    """The tokens of a row, or a part of them that is a sample."""

    token_ids: Sequence[int]
    counted: bytes
    """A 1 for each token that counts in the loss, else a 0."""
    is_text: bool = False
    """Whether all of it counts, so that any part of it is worth reading."""
    left_out: int = 0

    @classmethod
    def whole(cls, token_ids: Sequence[int]) -> Encoded:
        """Return a text of which every token counts but the first, which nothing comes before."""
        return cls(token_ids, b"\0" + b"\1" * (len(token_ids) - 1) if token_ids else b"", is_text=True)

    @classmethod
    def of(cls, pieces: Iterable[tuple[Sequence[int], bool]]) -> Encoded:
        """Return what pieces are together, of which each counts or not."""
        ids: list[int] = []
        counted = bytearray()
        for piece, counts in pieces:
            ids += piece
            counted += (b"\1" if counts else b"\0") * len(piece)
        counted[:1] = b"\0" * len(counted[:1])
        return cls(ids, bytes(counted))


def fitted(row: Encoded, number: int, *, max_length: int, too_long: TooLong, bos: int | None = None) -> list[Encoded]:
    """Return the samples of a row, each at most `max_length` tokens long; none if it is dropped.

    Args:
        row: All of its tokens.
        number: Which it is.
        max_length: At least 2.
        too_long: What becomes of longer ones.
        bos: The token that begins every text of the model, which stays where the beginning of a prompt is left out.

    Raises:
        InvalidRequest: it is too long, and that was to be refused.
    """
    length = len(row.token_ids)
    if length <= max_length:
        return [row]
    if too_long == "drop":
        return []
    if too_long == "refuse":
        raise wrong(
            number, f"has {length:,} tokens, more than the {max_length:,} of max_length: shorten it, or choose too_long"
        )
    if row.is_text:
        return _split(row, max_length) if too_long == "split" else [_part(row, 0, max_length, length - max_length)]
    return [_end_of(row, max_length, bos)]


def _split(row: Encoded, max_length: int) -> list[Encoded]:
    """Return parts of a text, each of which begins with the last token of the one before: every token counts once."""
    starts = range(0, len(row.token_ids) - 1, max_length - 1)
    return [_part(row, start, start + max_length, 0) for start in starts]


def _end_of(row: Encoded, max_length: int, bos: int | None) -> Encoded:
    """Return the end of a row, in which the answer is; of an answer that is too long by itself, the beginning."""
    last = row.counted.rfind(b"\1")
    answer = row.counted.rfind(b"\0", 0, max(last, 1)) + 1  # where the last one begins
    left_out = len(row.token_ids) - max_length
    keeps_first = bos is not None and row.token_ids[0] == bos and max_length > 2 and answer > 1  # noqa: PLR2004 - two more
    room = max_length - keeps_first
    start = min(len(row.token_ids) - room, answer - 1)
    part = _part(row, start, start + room, left_out)
    if not keeps_first:
        return part
    return Encoded([row.token_ids[0], *part.token_ids], b"\0" + part.counted, left_out=left_out)


def _part(row: Encoded, start: int, stop: int, left_out: int) -> Encoded:
    counted = row.counted[start:stop]
    return Encoded(row.token_ids[start:stop], b"\0" + counted[1:], row.is_text, left_out)

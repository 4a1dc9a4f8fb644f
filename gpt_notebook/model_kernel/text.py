"""From tokens to text, piece by piece: what each token adds, where a character ends, where a stop string begins.

Knows nothing of models or requests. A tokenizer's own decoding is the truth: `TextStream` gives each token the text
that decoding one token more adds, so that the texts joined are what the tokenizer makes of the ids.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

from gpt_notebook.model_kernel.sampling import Considered
from gpt_notebook.protocol import Token, TopLogprob

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@functools.cache
def byte_of_character() -> dict[str, int]:
    """Return which byte each character of a byte-level vocabulary stands for.

    GPT-2's byte-level BPE writes a printable Latin-1 byte as itself and the others as the characters from U+0100 on
    (Radford et al. 2019; `bytes_to_unicode` of https://github.com/openai/gpt-2).
    """
    itself = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in set(itself)]
    return {chr(byte): byte for byte in itself} | {chr(256 + i): byte for i, byte in enumerate(others)}


class Vocabulary:
    """The tokens of one tokenizer as people see them: without Ġ, ▁ or ##."""

    def __init__(self, tokenizer: Any) -> None:
        """Take a transformers tokenizer."""
        self.tokenizer = tokenizer
        self.backend = getattr(tokenizer, "backend_tokenizer", None)
        """The tokenizer of the `tokenizers` library, or None for one written in Python."""
        self.special_ids = frozenset(tokenizer.all_special_ids)
        self._added = frozenset(tokenizer.get_added_vocab().values())
        self._byte_level = self.backend is not None and '"ByteLevel"' in json.dumps(
            json.loads(self.backend.to_str()).get("decoder")
        )

    def bytes_of(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for an id that the tokenizer doesn't have."""
        piece = self.tokenizer.convert_ids_to_tokens(token_id)
        if piece is None:
            return b""
        if token_id in self._added:
            return str(piece).encode()
        if self._byte_level:
            table = byte_of_character()
            return bytes(table[character] for character in piece if character in table)
        if hexadecimal := re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", piece):
            return bytes.fromhex(hexadecimal[1])
        return str(piece).removeprefix("##").replace("▁", " ").encode()

    def describe(self, token_id: int) -> tuple[str, tuple[int, ...]]:
        """Return a token's text by itself, and its bytes where these are not whole characters."""
        raw = self.bytes_of(token_id)
        try:
            return raw.decode(), ()
        except UnicodeDecodeError:
            return raw.decode(errors="replace"), tuple(raw)

    def token(self, token_id: int, logprob: float | None = None, considered: Considered | None = None) -> Token:
        """Return a token with its text by itself, its logprob, and what else there was at its place."""
        text, partial = self.describe(token_id)
        token = Token(id=token_id, text=text, logprob=logprob, bytes=partial, special=token_id in self.special_ids)
        if considered is None:
            return token
        return dataclasses.replace(
            token,
            top_logprobs=tuple(
                TopLogprob(id=each, text=self.describe(each)[0], logprob=value, sampling_probability=probability)
                for each, value, probability in considered.top
            ),
            sampling_probability=considered.probability,
            rank=considered.rank,
            entropy=considered.entropy,
        )

    def stream(self, prompt_token_ids: Sequence[int] = (), *, strip_space: bool = False) -> TextStream:
        """Return a decoder for the tokens that follow a prompt, which may leave out a space at their beginning."""
        if self.backend is not None:
            return TextStream(DecodeStreamDecoder(self.backend, prompt_token_ids), strip_space=strip_space)
        return TextStream(WholeTextDecoder(self.tokenizer, prompt_token_ids), strip_space=strip_space)

    def tokens(self, token_ids: Sequence[int]) -> list[Token]:
        """Return given ids as tokens whose texts, joined, are the decoded text (special tokens left out)."""
        stream = self.stream()
        return [token for i in token_ids for token in stream.add(self.token(i))] + stream.flush()


class DecodeStreamDecoder:
    """Decodes one token more, with the `tokenizers` library."""

    def __init__(self, backend: Any, prompt_token_ids: Sequence[int]) -> None:
        """Begin after a prompt, whose last tokens may decide about a space."""
        self._backend = backend
        self._stream = DecodeStream(ids=list(prompt_token_ids), skip_special_tokens=False)
        self._pending: list[int] = []

    def add(self, token_id: int) -> str | None:
        """Return the text that the token adds, or None while a character is incomplete."""
        self._pending.append(token_id)
        text = self._stream.step(self._backend, token_id)
        if text is not None:
            self._pending.clear()
        return text

    def flush(self) -> str:
        """Return the text of what is still incomplete."""
        return str(self._backend.decode(self._pending, skip_special_tokens=False)) if self._pending else ""


class WholeTextDecoder:
    """Decodes one token more for tokenizers written in Python, by decoding everything again."""

    def __init__(self, tokenizer: Any, prompt_token_ids: Sequence[int]) -> None:
        """Begin after a prompt."""
        self._tokenizer = tokenizer
        self._ids = list(prompt_token_ids)
        self._given = len(self._decode())

    def _decode(self) -> str:
        return str(self._tokenizer.decode(self._ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def add(self, token_id: int) -> str | None:
        """Return the text that the token adds, or None while a character is incomplete."""
        self._ids.append(token_id)
        text = self._decode()
        return None if text.endswith(REPLACEMENT) else self._take(text)

    def flush(self) -> str:
        """Return the text of what is still incomplete."""
        return self._take(self._decode())

    def _take(self, text: str) -> str:
        new = text[self._given :]
        self._given = len(text)
        return new


class TextStream:
    """Gives each token of one sequence the text that it adds."""

    def __init__(self, decoder: DecodeStreamDecoder | WholeTextDecoder, *, strip_space: bool = False) -> None:
        """Take a decoder that stands at the end of the prompt."""
        self._decoder = decoder
        self._strip_space = strip_space
        self._incomplete: list[Token] = []

    def add(self, token: Token) -> list[Token]:
        """Return the tokens whose text is known now: none while a character is incomplete, then all of its pieces."""
        if token.special:
            return [*self.flush(), token]
        text = self._decoder.add(token.id)
        if text is None:
            self._incomplete.append(dataclasses.replace(token, text=""))
            return []
        if self._strip_space:
            text, self._strip_space = text.removeprefix(" "), False
        complete = [*self._incomplete, dataclasses.replace(token, text=text)]
        self._incomplete = []
        return complete

    def flush(self) -> list[Token]:
        """Return the tokens of a character that stayed incomplete; the last has what the tokenizer shows for it."""
        if not self._incomplete:
            return []
        *first, last = self._incomplete
        self._incomplete = []
        return [*first, dataclasses.replace(last, text=self._decoder.flush())]


class StopStrings:
    """Holds tokens back while they may be the beginning of a stop string, and ends the text before one."""

    def __init__(self, stop: Sequence[str]) -> None:
        """Take the strings that end a text."""
        self._stop = stop
        self._held: list[Token] = []
        self.found = False

    def add(self, tokens: Sequence[Token]) -> list[Token]:
        """Return the tokens that can be shown; after a stop string was `found`, the last ones before it."""
        self._held.extend(tokens)
        text = visible_text(self._held)
        starts = [start for start in (text.find(stop) for stop in self._stop) if start >= 0]
        if starts:
            self.found = True
            return self._cut(min(starts))
        return self._release(len(text) - self._overhang(text))

    def flush(self) -> list[Token]:
        """Return what was held back, once nothing more comes."""
        held, self._held = self._held, []
        return held

    def _overhang(self, text: str) -> int:
        """Return how many characters at the end of the text could be the beginning of a stop string."""
        lengths = (
            n for stop in self._stop for n in range(min(len(stop) - 1, len(text)), 0, -1) if stop.startswith(text[-n:])
        )
        return max(lengths, default=0)

    def _release(self, safe: int) -> list[Token]:
        """Return the tokens that lie wholly within the first `safe` characters."""
        end = 0
        for count, token in enumerate(self._held):
            end += 0 if token.special else len(token.text)
            if end > safe:
                released, self._held = self._held[:count], self._held[count:]
                return released
        return self.flush()

    def _cut(self, length: int) -> list[Token]:
        """Return the tokens of the first `length` characters, the last one shortened to fit."""
        kept: list[Token] = []
        for token in self.flush():
            if length <= 0:
                break
            kept.append(token if token.special else dataclasses.replace(token, text=token.text[:length]))
            length -= 0 if token.special else len(token.text)
        return kept


def visible_text(tokens: Sequence[Token]) -> str:
    """Return the text of tokens: their texts joined, special ones left out."""
    return "".join(token.text for token in tokens if not token.special)

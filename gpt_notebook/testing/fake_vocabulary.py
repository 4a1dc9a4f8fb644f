"""The tokens of the fake engine: the words of a text, each with the space before it, and ids as they come along."""

from __future__ import annotations

import re

from gpt_notebook.protocol import Token, TopLogprob

LOGPROB = -0.5
"""Of every token that is generated or predicted; each alternative has one less than the one before."""


def words(text: str) -> list[str]:
    """Return the words with the space before each; joined they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


class FakeVocabulary:
    """Every word that has been met, numbered."""

    def __init__(self) -> None:
        """Begin without a word."""
        self._ids: dict[str, int] = {}

    def id(self, word: str) -> int:
        """Return the id of a word."""
        return self._ids.setdefault(word, len(self._ids))

    def word(self, token_id: int) -> str:
        """Return the word of an id; one that no word has yet is shown as a number."""
        known = list(self._ids)
        return known[token_id] if 0 <= token_id < len(known) else f"<{token_id}>"

    def token(self, word: str, logprob: float | None = None, alternatives: int = 0) -> Token:
        """Return the token of a word, with itself and made-up others as what was considered."""
        texts = [word, *(f" other{i}" for i in range(1, alternatives))][:alternatives]
        top = tuple(TopLogprob(id=self.id(text), text=text, logprob=LOGPROB - i) for i, text in enumerate(texts))
        return Token(id=self.id(word), text=word, logprob=logprob, top_logprobs=top)

    def most_probable(self, word: str, k: int) -> list[Token]:
        """Return the k most probable tokens where a word is the first of them."""
        top = self.token(word, LOGPROB, k).top_logprobs
        return [Token(id=each.id, text=each.text, logprob=each.logprob) for each in top]

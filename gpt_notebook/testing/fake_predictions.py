"""What the fake engine says about next tokens when somebody looks inside: made up, and the same each time.

    lens     at the embeddings the token itself is the most probable next one, after each layer the one that really
             follows; at the end of the text that is the first word of what the engine says
    ablate   the most probable token changes places with the second; 0.1 nats for each head
    patch    a logit difference of 2 for the clean text and of -2 for the corrupt one; head i of all n, counted from 1,
             brings back i / (1 + 2 + … + n), a layer the sum of its heads

Made-up alternatives are called other1, other2 and so on.
"""

from __future__ import annotations

from dataclasses import replace

from gpt_notebook.attention_protocol import Ablated, Lens, Patched, PatchRequest
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Token
from gpt_notebook.testing.fake_vocabulary import FakeVocabulary, words

KL = 0.1
"""For each head that is ablated, in nats."""
LOGIT_DIFFERENCE = 2.0


def lens(vocabulary: FakeVocabulary, itself: str, following: str, *, position: int, n_layers: int, k: int) -> Lens:
    """Return what each layer would say after the token `itself`."""
    layers = [itself, *[following] * n_layers]
    return Lens(position=position, layers=tuple(tuple(vocabulary.most_probable(word, k)) for word in layers))


def ablated(vocabulary: FakeVocabulary, following: str, *, position: int, n_heads: int, k: int) -> Ablated:
    """Return what becomes of the prediction `following` without so many heads."""
    before = vocabulary.most_probable(following, k + 1)
    first, second, *others = before
    after = [replace(second, logprob=first.logprob), replace(first, logprob=second.logprob), *others]
    return Ablated(position=position, kl=KL * n_heads, before=tuple(before[:k]), after=tuple(after[:k]))


def patched(
    vocabulary: FakeVocabulary, request: PatchRequest, next_word: str, *, n_layers: int, n_heads: int, fingerprint: str
) -> Patched:
    """Return which heads carry the answer; `next_word` is what the engine says after any text.

    Raises:
        InvalidRequest: the texts have nothing to compare, or the answers are not two tokens.
    """
    clean, corrupt = _compared(words(request.clean), words(request.corrupt))
    answer, wrong = (
        _single(vocabulary, name, text) or replace(usual, logprob=None)
        for name, text, usual in zip(
            ("answer", "wrong"), (request.answer, request.wrong), vocabulary.most_probable(next_word, 2), strict=True
        )
    )
    if answer.id == wrong.id:
        message = f"answer and wrong are the same token {answer.text!r}: give two"
        raise InvalidRequest(message, param="answer")
    total = n_layers * n_heads * (n_layers * n_heads + 1) / 2
    heads = tuple(tuple((layer * n_heads + head + 1) / total for head in range(n_heads)) for layer in range(n_layers))
    return Patched(
        model=request.model,
        fingerprint=fingerprint,
        answer=answer,
        wrong=wrong,
        clean=LOGIT_DIFFERENCE,
        corrupt=-LOGIT_DIFFERENCE,
        heads=heads,
        layers=tuple(sum(layer) for layer in heads),
        clean_tokens=tuple(vocabulary.token(word) for word in clean),
        corrupt_tokens=tuple(vocabulary.token(word) for word in corrupt),
    )


def _compared(clean: list[str], corrupt: list[str]) -> tuple[list[str], list[str]]:
    for name, text in (("clean", clean), ("corrupt", corrupt)):
        if not text:
            message = f"the {name} text is empty: give it a word"
            raise InvalidRequest(message, param=name)
    if len(clean) != len(corrupt) or clean == corrupt:
        message = f"the texts have {len(clean)} and {len(corrupt)} tokens: patch different texts of equal length"
        raise InvalidRequest(message, param="corrupt")
    return clean, corrupt


def _single(vocabulary: FakeVocabulary, name: str, text: str | None) -> Token | None:
    if text is None:
        return None
    found = words(text)
    if len(found) != 1:
        message = f"{name} must be one token, not {len(found)}: {text!r}"
        raise InvalidRequest(message, param=name)
    return vocabulary.token(found[0])

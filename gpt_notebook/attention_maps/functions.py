"""The public functions: `gpt.attention` of one text, `gpt.head_scores` over many, `gpt.patch` from one into another."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook import arguments
from gpt_notebook.attention_maps import spelling
from gpt_notebook.attention_maps.arrays import matrix
from gpt_notebook.attention_maps.kept import KeptAttention, OnProgress, answer_to
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.attention_maps.results import Patching
from gpt_notebook.attention_maps.spelling import Positions
from gpt_notebook.attention_protocol import (
    SCORE_KINDS,
    AttentionPart,
    AttentionRequest,
    Part,
    Patched,
    PatchRequest,
    ScoreKind,
)
from gpt_notebook.completion import Completion
from gpt_notebook.display import progress
from gpt_notebook.errors import GptNotebookError, InvalidRequest
from gpt_notebook.protocol import Token
from gpt_notebook.session import Model, session
from gpt_notebook.token_stream import TokenStream
from gpt_notebook.visible_text import shortened

if TYPE_CHECKING:
    from gpt_notebook.attention_maps.arrays import Matrix


def attention(
    text: str | Completion,
    *,
    model: Model = None,
    chat: bool = False,
    add_special_tokens: bool = True,
    target: str | None = None,
    on_progress: OnProgress = None,
) -> Attention:
    """Record the attention of a text, or of a completion together with its prompt.

    Args:
        text: The text; a completion is taken as the tokens that it consists of.
        model: A model string; None is the default one, and for a completion the weights that wrote it.
        chat: Whether the text is put to the model as a user's turn, through its chat template.
        add_special_tokens: Whether the tokenizer may put its own tokens around the text.
        target: What an encoder-decoder has written so far.
        on_progress: Called with each `Progress`.

    Raises:
        InvalidRequest: the model is no model of a model kernel, or something else makes no sense.
        ModelUnsupported: the model has no attention.
        ModelChanged: the weights that wrote the completion are not there any more; name a model to take another.
    """
    if target is not None:
        arguments.string("target", target)
    options: dict[str, Any] = {"target": target}
    if isinstance(text, Completion):
        if chat:
            message = "a completion has its chat template already: leave out chat=True"
            raise InvalidRequest(message, param="chat")
        options["token_ids"] = (*text.prompt_token_ids, *(token.id for token in text.tokens))
        if model is None:
            model, options["fingerprint"] = text.model, text.fingerprint
    else:
        options["text"] = _text(text)
        options["chat"] = arguments.true_or_false("chat", chat)
        options["add_special_tokens"] = arguments.true_or_false("add_special_tokens", add_special_tokens)
    name = arguments.local_model(session.resolve(model))
    return Attention(KeptAttention.of(AttentionRequest(model=name, **options), on_progress))


def _text(text: Any) -> str:
    if isinstance(text, str):
        return text
    way_out = ": take its completion" if isinstance(text, TokenStream) else ""
    message = f"text must be a string or a Completion, not {type(text).__name__}{way_out}"
    raise InvalidRequest(message, param="text")


def head_scores(
    texts: str | Sequence[str],
    kind: ScoreKind,
    *,
    model: Model = None,
    query: Positions | None = None,
    key: Positions | None = None,
    part: Part | None = None,
    add_special_tokens: bool = True,
    on_progress: progress.Count | None = None,
) -> Matrix:
    """Return one number for each head, the mean over many texts.

    Args:
        texts: One text or many.
        kind: See `Attention.scores`, which has `query`, `key` and `part` as well.
        model: A model string; None is the default one.
        query: For `from-to`, what attends, in every text.
        key: For `from-to`, what is attended to, in every text.
        part: The kind of attention of an encoder-decoder.
        add_special_tokens: Whether the tokenizer may put its own tokens around the texts.
        on_progress: Called with how many texts are done, and of how many; None shows a bar.

    Returns:
        Shape (layer, head), NaN where there is no such head. A text that is too short for a kind doesn't count, nor
        does one without a word of `from-to`, or in which all that attends comes before all that is attended to.

    Raises:
        InvalidRequest: no text has the words.
        GptNotebookError: what is wrong, and with which text.
    """
    import numpy as np

    texts = arguments.strings("texts", texts)
    arguments.one_of("kind", kind, SCORE_KINDS)
    special = arguments.true_or_false("add_special_tokens", add_special_tokens)
    name = arguments.local_model(session.resolve(model))
    scores: list[Matrix] = []
    lacking: list[str] = []
    with contextlib.closing(progress.bar(f"{kind} scores")) as bar:
        report = on_progress or bar
        report(0, len(texts))
        for index, text in enumerate(texts):
            try:
                kept = KeptAttention.of(AttentionRequest(model=name, text=text, add_special_tokens=special, brief=True))
                lack = _lack(kept.part(part), kept, query, key) if kind == "from-to" else ""
                if lack:
                    lacking.append(f"text {index} ({shortened(text)!r}): {lack}")
                else:
                    scores.append(Attention(kept).scores(kind, query=query, key=key, part=part))
            except GptNotebookError as error:
                message = f"text {index} ({shortened(text)!r}): {error.message}"
                raise type(error)(message, param=error.param) from error
            report(index + 1, len(texts))
    if not scores:
        raise InvalidRequest(
            lacking[0] if len(texts) == 1 else f"none of the {len(texts)} texts has both: {lacking[0]}"
        )
    counted = np.sum(~np.isnan(scores), axis=0)  # (layer, head)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(scores, axis=0) / counted)


def _lack(part: AttentionPart, kept: KeptAttention, query: Positions | None, key: Positions | None) -> str:
    """Return why a text says nothing about words, or "" where it does."""
    if query is None or key is None or not (isinstance(query, str) or isinstance(key, str)):
        return ""
    words: dict[str, tuple[Positions, tuple[Token, ...]]]
    words = {"query": (query, kept.query_tokens(part)), "key": (key, kept.key_tokens(part))}
    found: list[tuple[int, ...]] = []
    for name, (word, tokens) in words.items():
        try:
            found.append(spelling.positions(name, word, tokens))
        except InvalidRequest as refusal:
            if not isinstance(word, str):
                raise
            return refusal.message
    if part.name == "decoder" and max(found[0]) < min(found[1]):
        return f"{query!r} comes before {key!r} and cannot see it"
    return ""


def patch(
    clean: str,
    corrupt: str,
    *,
    answer: str | None = None,
    wrong: str | None = None,
    model: Model = None,
    add_special_tokens: bool = True,
    on_progress: OnProgress = None,
) -> Patching:
    """Find which heads carry an answer: run the corrupt text with one head's output from the clean text at a time.

    The measure is the logit of `answer` minus that of `wrong` after the last token: 0 where a head brings back nothing
    of what the clean text has, 1 where all of it.

    Args:
        clean: A text after which the model gives the answer.
        corrupt: One with equally many tokens, after which it doesn't.
        answer: One token; None: the most probable one after the clean text.
        wrong: One token; None: the most probable one after the corrupt text.
        model: A model string; None is the default one.
        add_special_tokens: Whether the tokenizer may put its own tokens around the texts.
        on_progress: Called with each `Progress`.

    Raises:
        InvalidRequest: the texts differ in length, or an answer is not one token.
    """
    for name, text in {"answer": answer, "wrong": wrong}.items():
        if text is not None:
            arguments.string(name, text)
    request = PatchRequest(
        clean=arguments.string("clean", clean),
        corrupt=arguments.string("corrupt", corrupt),
        model=arguments.local_model(session.resolve(model)),
        answer=answer,
        wrong=wrong,
        add_special_tokens=arguments.true_or_false("add_special_tokens", add_special_tokens),
    )
    return _patching(answer_to(request, Patched, on_progress))


def _patching(found: Patched) -> Patching:
    return Patching(
        matrix=matrix(found.heads),
        layers=matrix([found.layers])[0],
        answer=found.answer,
        wrong=found.wrong,
        clean=found.clean,
        corrupt=found.corrupt,
        clean_tokens=found.clean_tokens,
        corrupt_tokens=found.corrupt_tokens,
        model=found.model,
        fingerprint=found.fingerprint,
    )

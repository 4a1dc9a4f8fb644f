"""The public functions: generate text, look at tokens and likelihoods; and, from management.py, models and their process.

Each finds the model kernel, or starts it, and asks; what is asked for is checked before. The light half of the package:
no torch, no transformers, and NumPy only where an array is the result.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, overload

from gpt_notebook import arguments, likelihood
from gpt_notebook.arguments import Message, Options
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.errors import GenerationInterrupted, GptNotebookError, InvalidRequest
from gpt_notebook.management import adapters, cancel, connect, load, load_events, models, shutdown, status, unload, use
from gpt_notebook.protocol import (
    Event,
    GenerateRequest,
    NextRequest,
    Scored,
    ScoreRequest,
    TextScore,
    Token,
    TokenizeRequest,
)
from gpt_notebook.session import Model, session
from gpt_notebook.token_stream import TokenStream

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "adapters",
    "cancel",
    "chat",
    "connect",
    "events",
    "generate",
    "load",
    "load_events",
    "models",
    "next",
    "perplexity",
    "score",
    "session",
    "shutdown",
    "status",
    "stream",
    "tokenize",
    "unload",
    "use",
]


# --- text -----------------------------------------------------------------------------------------------------------


@overload
def generate(  # type: ignore[overload-overlap]  # a string is a sequence of strings, too
    prompt: str,
    *,
    model: Model = ...,
    chat: bool | None = ...,
    system: str | None = ...,
    attention: bool = ...,
    **options: Unpack[Options],
) -> Completion: ...
@overload
def generate(
    prompt: Sequence[str],
    *,
    model: Model = ...,
    chat: bool | None = ...,
    system: str | None = ...,
    attention: bool = ...,
    **options: Unpack[Options],
) -> list[Completion]: ...
def generate(
    prompt: str | Sequence[str],
    *,
    model: Model = None,
    chat: bool | None = None,
    system: str | None = None,
    attention: bool = False,
    **options: Unpack[Options],
) -> Any:
    """Go on from a prompt, or from each of a list of prompts, many at a time.

    Each of a list draws with the seed alone, so that equal prompts with one seed give equal texts; for several of one
    prompt see `n`, for a table, or to go on where one prompt fails, `map`.

    Args:
        prompt: The text; for a list of texts a list is returned, in their order, empty for an empty one.
        model: A model string; None is the default one.
        chat: Whether the prompt is a user's turn; None: if the model has a chat template.
        system: What the model is told before the prompt; makes it a chat.
        attention: Whether to record the attention while it generates, so that `attention(completion)` has it at once;
            a list is then worked through one by one.
        **options: The fields of `SamplingOptions`.

    Returns:
        A `Completion`; with `n` above 1 a list of n of them in its place.

    Raises:
        GptNotebookError: says what is wrong, and with which prompt; `partial` has the completions as far as they had
            come, of a list those that were done.
        GenerationInterrupted: the user interrupted; `partial` likewise.
    """
    name = session.resolve(model)
    prompts = arguments.strings("prompt", prompt, or_none=True)
    if not prompts:
        arguments.batch_requests(name, chat=chat, system=system, options=options)  # refuses what makes no sense
        return []
    asked = [
        arguments.generate_request(name, each, chat=chat, system=system, attention=attention, options=options)
        for each in prompts
    ]
    several = asked[0].options.n > 1
    if isinstance(prompt, str) or attention:
        results: list[tuple[Completion, ...]] = []
        for request in asked:
            results.append(_collect(request, before=tuple(done for result in results for done in result)))
    else:
        from gpt_notebook import batches

        request_of = arguments.batch_requests(name, chat=chat, system=system, options=options)
        results = batches.completions(prompts, request_of)
    answers = [list(result) if several else result[0] for result in results]
    return answers[0] if isinstance(prompt, str) else answers


def chat(
    messages: str | Iterable[Message],
    *,
    model: Model = None,
    system: str | None = None,
    attention: bool = False,
    **options: Unpack[Options],
) -> Any:
    """Answer a conversation; see `generate` for the rest.

    Args:
        messages: The turns: `{"role": "user", "content": …}`, `("user", …)` or `ChatMessage`; a string is a user's.
        model: A model string; None is the default one.
        system: What the model is told before the first turn.
        attention: Whether to record the attention while it generates.
        **options: The fields of `SamplingOptions`.
    """
    request = arguments.generate_request(
        session.resolve(model), None, messages=messages, system=system, attention=attention, options=options
    )
    completions = _collect(request)
    return list(completions) if request.options.n > 1 else completions[0]


def stream(
    prompt: str,
    *,
    model: Model = None,
    chat: bool | None = None,
    system: str | None = None,
    attention: bool = False,
    **options: Unpack[Options],
) -> TokenStream:
    """Go on from a prompt, token by token.

    Closing the stream stops the generation; at its end it has the `completion`.
    """
    request = arguments.generate_request(
        session.resolve(model), prompt, chat=chat, system=system, attention=attention, options=options
    )
    if request.options.n > 1:
        message = f"stream gives one sample, not n={request.options.n}: use generate, or events"
        raise InvalidRequest(message, param="n")
    return TokenStream(_generation(request))


def events(
    prompt: str | None = None,
    *,
    messages: str | Iterable[Message] | None = None,
    model: Model = None,
    chat: bool | None = None,
    system: str | None = None,
    attention: bool = False,
    **options: Unpack[Options],
) -> Generator[Event, None, None]:
    """Go on from a prompt or a conversation, as the protocol's events; `Collector` makes completions of them.

    What is asked for is checked at once, the model kernel is found or started at the first `next()`, with `Progress`
    while that takes. Closing the generator stops the generation.
    """
    name = session.resolve(model)
    return _generation(
        arguments.generate_request(
            name, prompt, messages=messages, chat=chat, system=system, attention=attention, options=options
        )
    )


def _generation(request: GenerateRequest) -> Generator[Event, None, None]:
    return session.stream(lambda client: client.generate(request))


def _collect(request: GenerateRequest, before: tuple[Completion, ...] = ()) -> tuple[Completion, ...]:
    """Return the completions of a request; whatever ends it early tells those that came `before` as well."""
    collector = Collector()
    try:
        for event in _generation(request):
            collector.add(event)
    except KeyboardInterrupt as error:
        raise GenerationInterrupted((*before, *collector.completions())) from error
    except GptNotebookError as error:
        error.partial = (*before, *collector.completions())
        raise
    return collector.completions()


# --- tokens and likelihoods -----------------------------------------------------------------------------------------


def next(prompt: str, k: int = 20, *, model: Model = None) -> list[Token]:  # noqa: A001 - the public name
    """Return the k most probable tokens after a prompt, most probable first, each with its logprob."""
    prompt, k = arguments.string("prompt", prompt), arguments.whole_number("k", k)
    request = NextRequest(model=session.resolve(model), prompt=prompt, k=k)
    return session.ask(lambda client: client.next(request))


def tokenize(text: str, *, model: Model = None, add_special_tokens: bool = True) -> list[Token]:
    """Cut a text into the tokens that a model sees; they have no logprobs."""
    request = TokenizeRequest(
        model=session.resolve(model),
        text=arguments.string("text", text),
        add_special_tokens=add_special_tokens,
    )
    return session.ask(lambda client: client.tokenize(request))


def score(
    prompts: str | Sequence[str],
    choices: Sequence[str],
    *,
    normalize: likelihood.Normalize = "sum",
    model: Model = None,
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return how likely each choice is after each prompt.

    A classifier in one line: `["bad", "good"][score(review, [" bad", " good"]).argmax()]`.

    Args:
        prompts: One text or many.
        choices: The texts that may follow; a leading space usually belongs to the choice.
        normalize: `sum` is the log-likelihood of the whole choice, `mean` that per token, fairer to long choices.
        model: A model string; None is the default one.

    Returns:
        Natural-log likelihoods, shape (prompt, choice).
    """
    import numpy as np

    prompts, choices = arguments.strings("prompts", prompts), arguments.strings("choices", choices)
    arguments.one_of("normalize", normalize, ("sum", "mean"))
    if "" in choices:
        message = "an empty choice has no likelihood: leave it out"
        raise InvalidRequest(message, param="choices")
    scores = _scores(likelihood.pair_requests(session.resolve(model), prompts, choices))
    return np.array([likelihood.likelihood(each, normalize) for each in scores]).reshape(len(prompts), len(choices))


def perplexity(texts: str | Sequence[str], *, model: Model = None, logprobs: int = 0) -> likelihood.Perplexity:
    """Return the perplexity of a text, or of many taken together; `float()` gives the number.

    A notebook shows the text, each token shaded by how much it surprised the model.

    Args:
        texts: One text or many.
        model: A model string; None is the default one.
        logprobs: How many alternatives to give for each token, with its rank and the entropy at its place.
    """
    found = [event.score for event in reading(texts, model=model, logprobs=logprobs) if isinstance(event, Scored)]
    return likelihood.Perplexity(
        tokens=tuple(token for each in found for token in each.tokens), model=session.resolve(model)
    )


def reading(texts: str | Sequence[str], *, model: Model = None, logprobs: int = 0) -> Generator[Event, None, None]:
    """Read texts as `perplexity` does, as the protocol's events: a `Scored` for each text, with `Progress` before."""
    count = arguments.whole_number("logprobs", logprobs)
    asked = likelihood.text_requests(session.resolve(model), arguments.strings("texts", texts), logprobs=count)
    return (event for request in asked for event in _scoring(request))


def _scores(asked: Iterable[ScoreRequest]) -> list[TextScore]:
    return [event.score for request in asked for event in _scoring(request) if isinstance(event, Scored)]


def _scoring(request: ScoreRequest) -> Generator[Event, None, None]:
    return session.stream(lambda client: client.score(request))

"""Asking several models for the same at once, and each then for what the others have said."""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Generator, Sequence
from typing import NamedTuple, Unpack

from gpt_notebook import api
from gpt_notebook.arguments import Options
from gpt_notebook.cancellation import Cancellation
from gpt_notebook.comparison import Comparison, Reading
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.errors import GenerationInterrupted, GptNotebookError, InvalidRequest
from gpt_notebook.protocol import Event, Scored, ScoreRequest
from gpt_notebook.session import Model, session

MOST = 4
"""Models that are compared at once: more columns can't be read."""
SEEDS = 2**31
"""Below it lies the seed that is drawn where none is given, so that all begin with the same."""


class Told(NamedTuple):
    """An event of one of the models."""

    model: int
    event: Event


def compare(
    prompt: str, models: Sequence[Model], *, chat: bool | None = None, **options: Unpack[Options]
) -> Comparison:
    """Let several models go on from the same prompt, and return what they say beside each other.

    All begin with the same seed. A notebook shows columns; `log_likelihood` and `disagreement` tell how likely each model
    finds what another has said.

    Args:
        prompt: The text to go on from.
        models: Two to four model strings, such as `["storyteller", "storyteller+pip"]`.
        chat: As for `generate`.
        **options: The fields of `SamplingOptions`, one sample each.

    Raises:
        InvalidRequest: too few or too many models, or one twice.
        GptNotebookError: one of them fails; carries what the others have said as `partial`.
        GenerationInterrupted: it was interrupted; likewise.
    """
    collectors = [Collector() for _ in models]
    try:
        for told in events(prompt, models, chat=chat, **options):
            collectors[told.model].add(told.event)
        return read(said(collectors))
    except KeyboardInterrupt as error:
        raise GenerationInterrupted(said(collectors)) from error
    except GptNotebookError as error:
        error.partial = said(collectors)
        raise


def events(
    prompt: str,
    models: Sequence[Model],
    *,
    chat: bool | None = None,
    system: str | None = None,
    **options: Unpack[Options],
) -> Generator[Told, None, None]:
    """Let several models go on from the same prompt at once, as the protocol's events with whose they are.

    What is asked for is checked at once. Closing the generator stops all of them.

    Raises:
        InvalidRequest: as for `compare`.
    """
    names = checked(models)
    if options.get("n", 1) != 1:
        message = f"models are compared by one sample each, not n={options['n']}"
        raise InvalidRequest(message, param="n")
    if options.get("seed") is None:
        options["seed"] = secrets.randbelow(SEEDS)
    asked = [api.events(prompt, model=name, chat=chat, system=system, **options) for name in names]
    return _together(asked)


def checked(models: Sequence[Model]) -> list[str]:
    """Return the names of models that are to be compared.

    Raises:
        InvalidRequest: too few or too many, or one twice.
    """
    names = [session.resolve(each) for each in models]
    if not 2 <= len(names) <= MOST:  # noqa: PLR2004 - fewer are no comparison
        message = f"two to {MOST} models can be compared, not {len(names)}"
        raise InvalidRequest(message, param="models")
    if twice := next((name for name in names if names.count(name) > 1), None):
        message = f"{twice} is there twice: name another model, or draw samples with n"
        raise InvalidRequest(message, param="models")
    return names


def said(collectors: Sequence[Collector]) -> tuple[Completion, ...]:
    """Return the completions as far as they have come, one a model that has begun."""
    return tuple(each for collector in collectors for each in collector.completions())


def read(completions: Sequence[Completion]) -> Comparison:
    """Have each model read what the others have said, after the prompt as it saw it itself.

    Raises:
        GptNotebookError: the model kernel can't be asked any more.
    """
    readings: list[list[Reading | None]] = [[None] * len(completions) for _ in completions]
    for model, reader in enumerate(completions):
        others = [at for at, each in enumerate(completions) if at != model and each.text]
        for at in others:
            readings[at][model] = _reading(reader, completions[at].text)
    return Comparison(completions=tuple(completions), readings=tuple(map(tuple, readings)))


def _reading(reader: Completion, text: str) -> Reading | None:
    request = ScoreRequest(model=reader.model, prompt_token_ids=(reader.prompt_token_ids,), continuations=(text,))
    try:
        scored = [
            event.score for event in session.stream(lambda client: client.score(request)) if isinstance(event, Scored)
        ]
    except InvalidRequest:  # longer than its context, or nothing that its tokenizer has a token for
        return None
    return scored[0].tokens


def _together(streams: Sequence[Generator[Event, None, None]]) -> Generator[Told, None, None]:
    """Give the events of several streams as they come; the first failure ends them all."""
    came: queue.SimpleQueue[Told | Exception | None] = queue.SimpleQueue()
    cancellation = Cancellation()

    def work(model: int, stream: Generator[Event, None, None]) -> None:
        try:
            with cancellation.covering():
                for event in stream:
                    came.put(Told(model, event))
            came.put(None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits must hear of it
            came.put(error)

    threads = [
        threading.Thread(target=work, args=each, name="gpt-notebook-compare", daemon=True)
        for each in enumerate(streams)
    ]
    for each in threads:
        each.start()
    try:
        running = len(threads)
        while running:
            told = came.get()
            if told is None:
                running -= 1
            elif isinstance(told, Exception):
                raise told
            else:
                yield told
    finally:
        cancellation.cancel()

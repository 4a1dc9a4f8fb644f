"""How soon the first token comes when the beginning of a text has been read before, beside reading all of it.

    python bench/prefix.py [--rounds 5] [--dtypes bfloat16 float32] [--threads 2] [--no-serve]

A model kernel of its own has a model of GPT-2's 124 M shape with random weights; nothing is downloaded. Three who begin
with something known: the second turn of a chat with 600 tokens of history, a cell of 600 tokens run again with the last
100 changed, and another road from a token of a completion. Each takes turns with a text of the same length of which nothing
is known, and with the peers, who read the same text: `transformers.generate` with a fresh cache in a process that has the
model loaded, and, for the chat, `transformers serve` that has answered the first turn before. All without a seed, and
again with one: the tokens of a seed are to be the same whatever has been read before, so that in bfloat16 less is reused.

The time is from the call to the first token that arrives.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import string
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from own_model_kernel import GPT2, TEMPLATE, own_model_kernel, random_text, save_random_model
from peers import Generate, NotServedError, Serve, generate_process, serve_process
from report import heading, met, row, spread

import gpt_notebook as gpt
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.protocol import Event, GenerateRequest, SamplingOptions, Tokens
from gpt_notebook.session import session

HISTORY, ANSWER, QUESTION = 600, 40, 20
"""Tokens of a conversation before its second turn, of its first answer, and of the second question."""
CELL, KEPT = 600, 500
"""Tokens of a cell, and those of them that stay."""
COMPLETION, BRANCH = 64, 32
"""Tokens of a completion, and those of them that stay."""
PROMISED = 0.25
SEED = 1

Messages = list[dict[str, str]]


class Answer(NamedTuple):
    """What came of a question."""

    first: float
    """Seconds to the first token."""
    completion: Completion


class Times(NamedTuple):
    """Seconds to the first token in one round."""

    known: Answer
    fresh: Answer
    generate: float
    serve: float | None


class Texts:
    """Texts that nobody has read before: no two have a beginning in common."""

    def __init__(self) -> None:
        """Begin with the first."""
        self._numbers = itertools.count()

    def new(self, length: int) -> str:
        """Return one of so many tokens."""
        return random_text(length, next(self._numbers)).replace(" ", string.ascii_letters[0])


def main() -> None:
    """Measure each dtype with and without a seed, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads, ours and theirs")
    parser.add_argument(
        "--serve", action=argparse.BooleanOptionalAction, default=True, help="measure transformers serve"
    )
    options = parser.parse_args()
    print(
        f"GPT-2 shape, {options.threads} threads, {os.cpu_count()} cores, first token in ms, median of "
        f"{options.rounds} (smallest to largest)\n"
    )
    heading("", "tokens", "known", "fresh", "ratio", "`generate`", "`transformers serve`", "")
    kept, complaints = True, []
    for dtype in options.dtypes:
        with tempfile.TemporaryDirectory(prefix="gpt-") as directory, contextlib.ExitStack() as stack:
            model = save_random_model(Path(directory) / "model", GPT2, dtype=dtype, template=TEMPLATE)
            stack.enter_context(own_model_kernel(threads=options.threads))
            generate = stack.enter_context(generate_process(model, threads=options.threads))
            serve = None
            if options.serve:
                try:
                    serve = stack.enter_context(serve_process(model, threads=options.threads))
                    with serve.awake():
                        serve.chat([{"role": "user", "content": "a first question"}], 4)
                except NotServedError as error:
                    serve = None
                    complaints.append(f"{dtype}: `transformers serve` is not measured: {error}")
            bench = Bench(model, generate, serve)
            bench.chat(None)  # all are warm
            for seed, (name, promised, measure) in itertools.product((None, SEED), bench.cases):
                times = [measure(seed) for _ in range(options.rounds)]
                kept &= print_times(f"{name}, {dtype}, {'no' if seed is None else 'a'} seed", times, promised)
    print("\n".join(["", *complaints]))
    if not kept:
        raise SystemExit(1)


class Bench:
    """Asks ours and the peers about one model."""

    def __init__(self, model: str, generate: Generate, serve: Serve | None) -> None:
        """Take all who are asked."""
        self._model = model
        self._generate = generate
        self._serve = serve
        self._texts = Texts()
        self.cases: tuple[tuple[str, float | None, Callable[[int | None], Times]], ...] = (
            ("second turn of a chat", PROMISED, self.chat),
            ("an edited cell", None, self.edited_cell),
            ("branching at a token", None, self.branch),
        )
        """With what is promised of each."""

    def chat(self, seed: int | None) -> Times:
        """Answer the second turn of a conversation."""
        first = self._turn()
        told = self._say(first, seed, ANSWER).completion
        assert told.text.isascii()
        second = [*first, {"role": "assistant", "content": told.text}, *self._question()]
        known = self._say(second, seed, 1)
        other = [*self._turn(), {"role": "assistant", "content": self._texts.new(ANSWER)}, *self._question()]
        fresh = self._say(other, seed, 1)
        assert known.completion.prompt_token_ids[: len(told.prompt_token_ids)] == told.prompt_token_ids
        served = None
        if self._serve is not None:
            with self._serve.awake():
                self._serve.chat(first, ANSWER)
                served = self._serve.chat(second, 1).first
        return Times(known, fresh, self._read(fresh), served)

    def edited_cell(self, seed: int | None) -> Times:
        """Run a cell again that has another end."""
        cell = self._texts.new(CELL)
        self._continue(cell, seed, 1)
        known = self._continue(cell[:KEPT] + self._texts.new(CELL - KEPT), seed, 1)
        fresh = self._continue(self._texts.new(CELL), seed, 1)
        return Times(known, fresh, self._read(fresh), None)

    def branch(self, seed: int | None) -> Times:
        """Go on from a token in the midst of a completion, with another in its place."""
        whole = self._continue(self._texts.new(CELL), seed, COMPLETION).completion
        said = [token.id for token in whole.tokens]
        other = next(i for i in whole.prompt_token_ids if i != said[BRANCH])
        known = self._go_on((*whole.prompt_token_ids, *said[:BRANCH], other), seed)
        fresh = self._continue(self._texts.new(CELL + BRANCH + 1), seed, 1)
        return Times(known, fresh, self._read(fresh), None)

    def _turn(self) -> Messages:
        """Return a first turn; with its answer, and what stands around both, it has the tokens of a history."""
        around = len("[user]" + "[assistant]")
        return [{"role": "user", "content": self._texts.new(HISTORY - ANSWER - around)}]

    def _question(self) -> Messages:
        return [{"role": "user", "content": self._texts.new(QUESTION)}]

    def _say(self, messages: Messages, seed: int | None, tokens: int) -> Answer:
        given = {"max_new_tokens": tokens, "temperature": 0, "seed": seed}
        return answer(gpt.events(messages=messages, model=self._model, **given))

    def _continue(self, prompt: str, seed: int | None, tokens: int) -> Answer:
        given = {"max_new_tokens": tokens, "temperature": 0, "seed": seed}
        return answer(gpt.events(prompt, model=self._model, chat=False, **given))

    def _go_on(self, token_ids: tuple[int, ...], seed: int | None) -> Answer:
        given = SamplingOptions(max_new_tokens=1, temperature=0, seed=seed)
        request = GenerateRequest(model=self._model, prompt_token_ids=token_ids, options=given)
        return answer(session.stream(lambda client: client.generate(request)))

    def _read(self, fresh: Answer) -> float:
        """Return how long the peer takes to the first token of a text."""
        return self._generate.seconds([[fresh.completion.prompt]], 1)


def answer(events: Iterable[Event]) -> Answer:
    """Return when the first token came, and all that did."""
    collector, began, first = Collector(), time.perf_counter(), None
    for event in events:
        if first is None and isinstance(event, Tokens):
            first = time.perf_counter() - began
        collector.add(event)
    assert first is not None, "no token came"
    return Answer(first, collector.completions()[0])


def print_times(name: str, times: Sequence[Times], promised: float | None) -> bool:
    """Print a row; return whether what is promised is kept."""
    ratios = [each.known.first / each.fresh.first for each in times]
    ratio = statistics.median(ratios)
    kept = promised is None or ratio <= promised
    lengths = {len(answer.completion.prompt_token_ids) for each in times for answer in (each.known, each.fresh)}
    served = [each.serve * 1e3 for each in times if each.serve is not None]
    row(
        name,
        " or ".join(map(str, sorted(lengths))),
        spread([each.known.first * 1e3 for each in times], 0),
        spread([each.fresh.first * 1e3 for each in times], 0),
        spread(ratios, 2),
        spread([each.generate * 1e3 for each in times], 0),
        spread(served, 0) if served else "",
        "" if promised is None else f"promised {promised:g}: {met(kept)}",
    )
    return kept


if __name__ == "__main__":
    main()

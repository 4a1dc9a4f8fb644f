"""The process under many requests, whatever becomes of them: nothing of them stays behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import random
import time

import psutil
import pytest

from gpt_notebook.attention_protocol import AttentionRequest, ScoresRequest
from gpt_notebook.batch_protocol import BatchRequest
from gpt_notebook.client import Client
from gpt_notebook.connection import Target, send
from gpt_notebook.model_kernel.batching.slots import KEPT
from gpt_notebook.protocol import (
    CancelRequest,
    GenerateRequest,
    NextRequest,
    SamplingOptions,
    ScoreRequest,
    TokenizeRequest,
    UnloadRequest,
    encode,
)
from gpt_notebook.settings import MIB
from model_kernel import tiny_adapters
from model_kernel.test_process import started
from model_kernel.tiny_models import TEXT

CONTEXT = 1024
AT_ONCE = 48
"""More than have places, so that some are still waiting when they end."""
CANCELLED = 500
MIXED = 2_000
WARM = 500
"""Requests after which the memory is looked at for the first time."""
POOL = 40
"""More threads than the pool of any event loop has for work that blocks."""
CACHES, CAPTURES = 4 * MIB, 2 * MIB
"""Budgets that some of the requests fill."""


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("gpt2", n_positions=CONTEXT)


@pytest.fixture
def running(model):
    """A process that has the model."""
    budgets = {"GPT_NOTEBOOK_CACHE_BUDGET": f"{CACHES}", "GPT_NOTEBOOK_ATTENTION_BUDGET": f"{CAPTURES}"}
    with started(GPT_NOTEBOOK_THREADS="1", **budgets) as model_kernel:
        model_kernel.client().next(NextRequest(prompt="Once", model=model))
        yield model_kernel


def long(model, seed):
    """A story that nobody waits for until its end."""
    options = SamplingOptions(max_new_tokens=CONTEXT // 2, seed=seed)
    return GenerateRequest(prompt=TEXT[seed % 50 :], model=model, options=options)


def vanish_unheard(client: Client, request: GenerateRequest) -> None:
    """Ask, and be gone before there is an answer."""
    with contextlib.closing(Target.of(client.address).connection(10)) as connection:
        connection.connect()
        send(connection, "POST", "/v1/generate", json.dumps(encode(request)).encode(), client._headers(None))


def end_somewhere(client: Client, request: GenerateRequest, events: int, *, vanish: bool) -> None:
    """Ask, hear so many events, and end it: by a request, or by closing the connection."""
    if vanish and not events:
        vanish_unheard(client, request)
        return
    with contextlib.closing(client.generate(request)) as stream:
        first = next(stream)
        for _ in itertools.islice(stream, events):
            pass
        if not vanish:
            client.cancel(CancelRequest(ids=(first.id,)))
            list(stream)


def state(client: Client) -> tuple[int, int, bool]:
    """How many requests there are, who uses the model, and whether the caches are what is kept of them when idle."""
    status = client.status()
    return len(status.requests), sum(each.in_use for each in status.models), status.memory.running <= KEPT


def after_a_second(found, wanted):
    """What is found when it is as wanted, or else a second later."""
    deadline = time.monotonic() + 1
    while (seen := found()) != wanted and time.monotonic() < deadline:
        pass
    return seen


def test_of_requests_that_are_cancelled_anywhere_no_slot_cache_or_thread_is_left(running, model):
    client, process = running.client(), psutil.Process(running.child.pid)
    draws = random.Random(0)

    def end_many(count: int) -> None:
        points = [(draws.randrange(5), number % 2 == 0) for number in range(count)]
        ended = [
            pool.submit(end_somewhere, client, long(model, seed), events, vanish=vanish)
            for seed, (events, vanish) in enumerate(points)
        ]
        for each in ended:
            each.result()

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        texts = TokenizeRequest(text=TEXT * 30, model=model)
        list(pool.map(lambda _: len(client.tokenize(texts)), range(POOL)))
        end_many(AT_ONCE)
        threads = process.num_threads()
        end_many(CANCELLED)
    assert after_a_second(lambda: state(client), (0, 0, True)) == (0, 0, True)
    assert process.num_threads() <= threads
    # What was ready for the next text leaves with the model; whatever anybody still held would stay.
    client.unload(UnloadRequest(model=model))
    memory = client.status().memory
    assert (memory.running, memory.prefixes, memory.weights) == (0, 0, 0)


class Mixture:
    """Short requests of every kind."""

    def __init__(self, client: Client, model: str, adapters: list[str]) -> None:
        self._client = client
        self._models = [model, *(f"{model}+{adapter}" for adapter in adapters)]
        self._kinds = [self._generate] * 5 + [self._batch, self._score, self._next, self._end, self._attention]

    def ask(self, number: int) -> None:
        draws = random.Random(number)
        draws.choice(self._kinds)(draws, draws.choice(self._models))

    def _prompt(self, draws: random.Random) -> str:
        start = draws.randrange(len(TEXT) - 80)
        return TEXT[start : start + draws.randrange(5, 80)]

    def _generate(self, draws: random.Random, model: str) -> None:
        options = SamplingOptions(
            max_new_tokens=draws.randrange(1, 12),
            temperature=draws.choice([0, 0.5, 1.0]),
            top_k=draws.choice([0, 5]),
            top_p=draws.choice([0.5, 1.0]),
            stop=draws.choice([(), ("fox", "owl")]),
            seed=draws.choice([None, 1]),
            n=draws.choice([1, 1, 3]),
            logprobs=draws.choice([0, 3]),
        )
        attention = draws.random() < 0.1
        request = GenerateRequest(prompt=self._prompt(draws), model=model, options=options, attention=attention)
        assert [*self._client.generate(request)][-1].type == "done"

    def _batch(self, draws: random.Random, model: str) -> None:
        prompts = tuple(self._prompt(draws) for _ in range(4))
        request = BatchRequest(prompts=prompts, model=model, options=SamplingOptions(max_new_tokens=4))
        rows = [event for event in self._client.batch(request) if event.type == "row_done"]
        assert len(rows) == len(prompts)

    def _score(self, draws: random.Random, _: str) -> None:
        request = ScoreRequest(prompts=(self._prompt(draws), self._prompt(draws)), model=self._models[0])
        assert [*self._client.score(request)][-1].type == "done"

    def _next(self, draws: random.Random, model: str) -> None:
        assert self._client.next(NextRequest(prompt=self._prompt(draws), model=model, k=5))

    def _end(self, draws: random.Random, model: str) -> None:
        end_somewhere(self._client, long(model, draws.randrange(50)), draws.randrange(4), vanish=draws.random() < 0.5)

    def _attention(self, draws: random.Random, model: str) -> None:
        recorded = [*self._client.inspect(AttentionRequest(model=model, text=self._prompt(draws)))]
        (info,) = [event.attention for event in recorded if event.type == "captured"]
        (part,) = [each.name for each in info.parts]
        assert [*self._client.inspect(ScoresRequest(attention=info.id, part=part, kinds=("entropy",)))]


def test_memory_grows_no_more_once_it_is_warm_and_stays_within_the_budgets(running, model, tmp_path):
    client, process = running.client(), psutil.Process(running.child.pid)
    adapters = [str(tiny_adapters.save(tmp_path / name, model, seed=seed)) for seed, name in enumerate("ab")]
    mixture = Mixture(client, model, adapters)
    most = {"caches": 0, "captures": 0}

    def ask(number: int) -> None:
        mixture.ask(number)
        if number % 20 == 0:
            memory = client.status().memory
            most["caches"] = max(most["caches"], memory.running + memory.prefixes)
            most["captures"] = max(most["captures"], memory.captures)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(WARM)))
        warm = process.memory_info().rss
        list(pool.map(ask, range(WARM, MIXED)))
    assert process.memory_info().rss < 1.05 * warm
    assert CACHES // 2 < most["caches"] <= CACHES
    assert CAPTURES // 2 < most["captures"] <= CAPTURES
    assert after_a_second(lambda: state(client), (0, 0, True)) == (0, 0, True)
    assert client.status().memory.weights <= client.status().memory.budget

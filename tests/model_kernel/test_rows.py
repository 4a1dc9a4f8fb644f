"""Many prompts as one request: each row as it would be alone, bounded in number, and cancelled together."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from gpt_notebook.batch_protocol import BatchRequest, BatchStarted, RowDone, RowFailed
from gpt_notebook.errors import ModelNotFound, OutOfMemory
from gpt_notebook.model_kernel import rows
from gpt_notebook.protocol import Done, Finished, GenerateRequest, Progress, SamplingOptions, Usage
from model_kernel import tiny_models
from model_kernel.asking import all_of, completion, completions, in_use, wait_for

PROMPTS = ("Once upon a time", "The fox", "x", "Every morning the fox went to the river, and every evening")


def request(model, prompts=PROMPTS, *, chat=None, system=None, **options):
    return BatchRequest(model=model, prompts=prompts, chat=chat, system=system, options=SamplingOptions(**options))


def rows_of(engine, batch):
    """The rows of a batch by their indices."""
    *first, done = [event for event in all_of(engine.batch(batch)) if not isinstance(event, Progress)]
    assert isinstance(first[0], BatchStarted)
    assert isinstance(done, Done)
    return {row.index: row for row in first[1:]}


def ids(sample):
    return [token.id for token in sample.tokens]


def finished():
    return Finished(index=0, finish_reason="stop", usage=Usage(prompt_tokens=1, completion_tokens=0))


# --- what comes of a row --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 4}, {"seed": 4, "n": 3}], ids=str)
def test_each_row_is_what_it_would_be_alone(options, tiny, shared_engine):
    found = rows_of(shared_engine, request(tiny("llama"), max_new_tokens=12, **options))
    for index, prompt in enumerate(PROMPTS):
        alone = completions(shared_engine, tiny("llama"), prompt, max_new_tokens=12, **options)
        row = found[index]
        assert (row.prompt, row.prompt_token_ids) == (prompt, alone[0].prompt_token_ids)
        assert [ids(sample) for sample in row.samples] == [ids(each) for each in alone]
        assert [sample.finish_reason for sample in row.samples] == [each.finish_reason for each in alone]
        assert [sample.usage for sample in row.samples] == [each.usage for each in alone]


def test_without_a_seed_each_row_draws_one_and_tells_it(tiny, shared_engine):
    found = rows_of(shared_engine, request(tiny("llama"), ("Once",) * 8, max_new_tokens=6))
    assert len({row.options.seed for row in found.values()}) == 8
    row = found[5]
    again = completion(shared_engine, tiny("llama"), "Once", max_new_tokens=6, seed=row.options.seed)
    assert ids(again) == ids(row.samples[0])


def test_each_row_may_have_a_seed_of_its_own(tiny, shared_engine):
    options = SamplingOptions(max_new_tokens=6, n=2)
    batch = BatchRequest(model=tiny("llama"), prompts=("Once", "Once"), options=options, seeds=(5, 6))
    found = rows_of(shared_engine, batch)
    assert [found[index].options.seed for index in range(2)] == [5, 6]
    assert ids(found[0].samples[1]) == ids(found[1].samples[0])  # both are of seed 6
    assert ids(found[0].samples[0]) != ids(found[1].samples[0])


def test_a_row_tells_its_options_as_they_fitted_and_its_time(tiny, shared_engine):
    row = rows_of(shared_engine, request(tiny("llama"), ("Once",), max_new_tokens=10**6, stop=("zebra",)))[0]
    assert len(row.prompt_token_ids) + row.options.max_new_tokens < 10**5
    assert row.options.stop == ("zebra",)
    assert row.timing.total >= row.timing.first_token > 0


@pytest.mark.parametrize(("chat", "system"), [(None, None), (False, None), (None, "Be brief")])
def test_rows_are_put_to_a_model_that_chats_as_single_prompts_are(chat, system, tiny, shared_engine):
    model = tiny(chat_template=tiny_models.CHAT_TEMPLATE)
    row = rows_of(shared_engine, request(model, ("Hi",), chat=chat, system=system, max_new_tokens=1))[0]
    turns = "" if system is None else f"<|system|>{system}<|end|>\n"
    assert row.prompt == ("Hi" if chat is False else f"{turns}<|user|>Hi<|end|>\n<|assistant|>")


def test_a_batch_of_a_model_that_is_not_there_is_refused_as_a_whole(shared_engine):
    with pytest.raises(ModelNotFound):
        all_of(shared_engine.batch(request("/nowhere")))


# --- rows that fail -------------------------------------------------------------------------------------------------


def test_a_row_that_does_not_fit_is_told_and_the_others_go_on(tiny, shared_engine):
    prompts = ("Once", "fox " * 5000, "The fox")
    found = rows_of(shared_engine, request(tiny(), prompts, max_new_tokens=3))
    assert isinstance(found[1], RowFailed)
    assert found[1].error["code"] == "context_length_exceeded"
    assert "shorten it" in found[1].error["message"]
    assert [type(found[index]) for index in (0, 2)] == [RowDone, RowDone]


def test_a_row_that_fails_on_its_way_hurts_nobody_else(tiny, shared_engine):
    async def run(entry, prompt):
        if prompt.text == PROMPTS[1]:
            message = "no room"
            raise OutOfMemory(message)
        yield finished()

    events = all_of(rows.batch(shared_engine._runner, request(tiny("llama")), run))
    found = {event.index: event for event in events if isinstance(event, RowDone | RowFailed)}
    assert [type(found[index]) for index in range(4)] == [RowDone, RowFailed, RowDone, RowDone]
    assert found[1].error["code"] == "out_of_memory"


def test_a_mistake_of_ours_ends_the_batch_and_is_not_waited_for(tiny, shared_engine):
    async def run(entry, prompt):
        message = "a mistake"
        raise RuntimeError(message)
        yield

    with pytest.raises(RuntimeError, match="a mistake"):
        all_of(rows.batch(shared_engine._runner, request(tiny("llama")), run))
    assert shared_engine.requests() == []
    assert in_use(shared_engine, tiny("llama")) == 0


# --- many at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "at_once"), [(1, 6), (2, 3), (8, 1)])
def test_a_bounded_number_of_samples_is_in_flight(samples, at_once, tiny, shared_engine):
    running, most = 0, 0

    async def run(entry, prompt):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        for index in range(samples):
            yield Finished(index=index, finish_reason="stop", usage=Usage(prompt_tokens=1, completion_tokens=0))
        running -= 1

    batch = request(tiny("llama"), ("x",) * 40, n=samples)
    events = all_of(rows.batch(shared_engine._runner, batch, run, in_flight=6))
    assert sum(isinstance(event, RowDone) for event in events) == 40
    assert most == at_once


def test_rows_come_in_the_order_in_which_they_finish(tiny, shared_engine):
    async def story():
        others = [asyncio.Event() for _ in range(3)]

        async def run(entry, prompt):
            index = PROMPTS.index(prompt.text)
            if index < 3:
                await others[index].wait()
            yield finished()
            if index:
                others[index - 1].set()

        stream = rows.batch(shared_engine._runner, request(tiny("llama")), run)
        return [event.index async for event in stream if isinstance(event, RowDone)]

    assert wait_for(story()) == [3, 2, 1, 0]


def test_a_reader_that_takes_nothing_holds_the_rows_up(tiny, shared_engine):
    async def story():
        begun = 0

        async def run(entry, prompt):
            nonlocal begun
            begun += 1
            yield finished()

        stream = rows.batch(shared_engine._runner, request(tiny("llama"), ("x",) * 200), run, in_flight=4)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, RowDone):
                    break
            for _ in range(1000):  # as often as it likes to go on
                await asyncio.sleep(0)
            return begun

    assert wait_for(story()) <= 10


def test_it_is_one_request_that_counts_all_rows(tiny, shared_engine):
    async def story():
        async with aclosing(shared_engine.batch(request(tiny("llama"), max_new_tokens=10))) as events:
            found = [event async for event in events if isinstance(event, BatchStarted | RowDone) and seen()]
        assert shared_engine.requests() == []
        return found

    infos = []

    def seen():
        infos.append(shared_engine.requests())
        return True

    started, *done = wait_for(story())
    assert all(len(each) == 1 and each[0].id == started.id for each in infos)
    last = infos[-1][0]
    assert last.prompt_tokens == sum(len(row.prompt_token_ids) for row in done)
    assert last.generated_tokens == sum(sample.usage.completion_tokens for row in done for sample in row.samples)


# --- early ends -----------------------------------------------------------------------------------------------------


def test_closing_the_stream_frees_all_rows_at_once(tiny, shared_engine):
    async def story():
        batch = request(tiny("llama"), ("Once", *PROMPTS * 20), max_new_tokens=10_000, temperature=0)
        entries = []
        async with aclosing(shared_engine.batch(batch)) as events:
            async for event in events:
                if isinstance(event, BatchStarted):
                    break
            going_on = asyncio.ensure_future(anext(events))
            while not (shared_engine.requests() and shared_engine.requests()[0].generated_tokens > 40):  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # a loop that never rests holds the GIL from the steps
            (entry,) = shared_engine._admission._requests.values()
            entries += list(entry._beside)
            going_on.cancel()
            await asyncio.gather(going_on, return_exceptions=True)
        assert shared_engine.requests() == []
        assert in_use(shared_engine, tiny("llama")) == 0
        return entries

    entries = wait_for(story())
    assert len(entries) > 1
    assert all(entry.cancelled and entry.work.cancelled for entry in entries)


def test_cancelling_ends_what_runs_and_begins_nothing_more(tiny, shared_engine):
    async def story():
        batch = request(tiny("llama"), PROMPTS * 20, max_new_tokens=10_000, temperature=0)
        found = []
        async with aclosing(shared_engine.batch(batch)) as events:
            async for event in events:
                found.append(event)
                if isinstance(event, BatchStarted):
                    asyncio.get_running_loop().call_later(0, cancel)
        return found

    def cancel():
        if shared_engine.requests()[0].generated_tokens < 40:
            asyncio.get_running_loop().call_later(0.001, cancel)
        else:
            assert shared_engine.cancel(None) == 1

    *found, done = wait_for(story())
    assert isinstance(done, Done)
    ended = [event for event in found if isinstance(event, RowDone)]
    never = [event for event in found if isinstance(event, RowFailed)]
    assert len(ended) + len(never) == 80
    assert {sample.finish_reason for row in ended for sample in row.samples} <= {"cancelled", "stop", "length"}
    assert "cancelled" in {sample.finish_reason for row in ended for sample in row.samples}
    assert never
    assert {event.error["code"] for event in never} == {"cancelled"}


def test_others_are_served_while_a_table_is_worked_on(tiny, shared_engine):
    async def story():
        batch = request(tiny("llama"), PROMPTS * 20, max_new_tokens=10_000, temperature=0)
        async with aclosing(shared_engine.batch(batch)) as events:
            async for event in events:
                if isinstance(event, BatchStarted):
                    break
            going_on = asyncio.ensure_future(anext(events))
            alone = GenerateRequest(
                model=tiny("llama"), prompt="Once", options=SamplingOptions(max_new_tokens=5, temperature=0)
            )
            kinds = [event.type async for event in shared_engine.generate(alone)]
            assert shared_engine.requests()[0].state == "running"
            going_on.cancel()
            await asyncio.gather(going_on, return_exceptions=True)
        return kinds

    assert wait_for(story())[-1] == "done"

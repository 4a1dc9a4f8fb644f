from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import threading
import weakref
from contextlib import aclosing

import pytest
import torch

from gpt_notebook.errors import ModelInUse, ModelNotFound, OutOfMemory
from gpt_notebook.model_kernel import hub, loading, models, weights
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.protocol import GenerateRequest, Loaded, LoadRequest, Progress, SamplingOptions, Started
from gpt_notebook.settings import Settings
from model_kernel import tiny_models
from model_kernel.asking import Reference, all_of, completion, wait_for
from model_kernel.families import CONTEXT


def load(engine, model, **options):
    (info,) = [e.model for e in all_of(engine.load(LoadRequest(model=model, **options))) if isinstance(e, Loaded)]
    return info


def names(engine):
    return [info.name for info in engine.loaded()]


@pytest.fixture
def room_for_two(tmp_path, tiny):
    size = weights.Source("", tmp_path.__class__(tiny("gpt2"))).size
    engine = Engine(Settings(home=tmp_path / "home", memory_budget=int(size * 2.5)))
    yield engine
    engine.close()


@pytest.fixture
def copies(own_tiny, tmp_path):
    return [str(shutil.copytree(own_tiny, tmp_path / name)) for name in "abc"]


def test_the_least_recently_used_model_leaves_first(room_for_two, copies):
    a, b, c = copies
    load(room_for_two, a)
    load(room_for_two, b)
    completion(room_for_two, a, "fox", max_new_tokens=1)
    load(room_for_two, c)
    assert names(room_for_two) == [a, c]


def test_a_model_in_use_never_leaves(room_for_two, copies):
    a, b, c = copies

    async def story():
        request = GenerateRequest(model=a, prompt="fox", options=SamplingOptions(max_new_tokens=60, temperature=0))
        async with aclosing(room_for_two.generate(request)) as events:
            async for event in events:
                if isinstance(event, Started):
                    break
            for other in (b, c):
                async for _ in room_for_two.load(LoadRequest(model=other)):
                    pass
            assert names(room_for_two) == [a, c]
            rest = [event async for event in events]
            assert rest[-1].type == "done"

    wait_for(story())


def test_a_budget_that_is_too_small_says_the_sizes_and_evicts_nothing(tmp_path, tiny, copies):
    engine = Engine(Settings(home=tmp_path / "home", memory_budget=weights.Source("", own(tiny())).size + 10))
    load(engine, tiny())
    big = str(tiny_models.save(tmp_path / "big", "gpt2", n_layer=8))
    with pytest.raises(
        OutOfMemory, match=r"needs [\d.]+ kB, more than the whole budget of [\d.]+ kB: .*MEMORY_BUDGET$"
    ):
        load(engine, big)
    assert names(engine) == [tiny()]
    engine.close()


def test_a_budget_that_others_take_says_what_can_be_had(room_for_two, copies):
    a, b, c = copies
    load(room_for_two, a)
    load(room_for_two, b)
    with contextlib.ExitStack() as using:
        for loaded in room_for_two._models._loaded.values():
            using.enter_context(loaded.used())
        with pytest.raises(
            OutOfMemory, match=r"needs [\d.]+ kB, and of the budget of [\d.]+ kB only [\d.]+ (kB|bytes) can be had"
        ):
            load(room_for_two, c)
    assert names(room_for_two) == [a, b]


def own(path):
    from pathlib import Path

    return Path(path)


def test_a_model_saved_again_is_a_new_model_and_a_running_stream_keeps_the_old_one(own_tiny, engine):
    model = str(own_tiny)
    old = Reference(model)
    ids = old.tokenizer("Once upon a")["input_ids"]
    expected_old = old.greedy(ids, 20)

    async def story():
        options = SamplingOptions(max_new_tokens=20, temperature=0)
        request = GenerateRequest(model=model, prompt_token_ids=tuple(ids), options=options)
        seen, fingerprints = [[], []], []
        async with aclosing(engine.generate(request)) as first:
            async for event in first:
                if isinstance(event, Started):
                    fingerprints.append(event.fingerprint)
                    break
            tiny_models.save(own_tiny, seed=1)
            async for event in engine.generate(request):
                if isinstance(event, Started):
                    fingerprints.append(event.fingerprint)
                if event.type == "tokens":
                    seen[1] += [token.id for token in event.tokens]
            async for event in first:
                if event.type == "tokens":
                    seen[0] += [token.id for token in event.tokens]
        return seen, fingerprints

    (first, second), fingerprints = wait_for(story())
    assert first == expected_old
    assert second == Reference(model).greedy(ids, 20)
    assert first != second
    assert len(set(fingerprints)) == 2


def test_two_requests_for_one_model_load_it_once_and_both_see_the_bytes(own_tiny, engine, monkeypatch):
    monkeypatch.setattr(weights, "READ_SIZE", 1024)
    monkeypatch.setattr(models, "REPORTS_EVERY", 0.001)
    loads = []
    real = loading.load

    def counted(*arguments):
        loads.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(loading, "load", counted)

    async def one():
        return [event async for event in engine.load(LoadRequest(model=str(own_tiny)))]

    async def both():
        return await asyncio.gather(one(), one())

    size = weights.Source("", own_tiny).size
    for events in wait_for(both()):
        progress = [event for event in events if isinstance(event, Progress) and event.total]
        assert progress
        assert {event.total for event in progress} == {size}
        assert [event.done for event in progress] == sorted(event.done for event in progress)
        assert events[-2].type == "loaded"
    assert len(loads) == 1


def test_a_download_keeps_no_other_model_from_being_loaded(tiny, engine, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()

    def download(*_):
        begun.set()
        assert may_end.wait(10)
        message = "no such model after all"
        raise ModelNotFound(message)

    monkeypatch.setattr(hub, "download", download)

    async def one(model):
        return [event async for event in engine.load(LoadRequest(model=model))]

    async def story():
        slow = asyncio.create_task(one("someone/huge"))
        await asyncio.to_thread(begun.wait, 10)
        events = await one(tiny())
        may_end.set()
        with pytest.raises(ModelNotFound):
            await slow
        return events

    assert wait_for(story())[-1].type == "done"


def test_a_load_that_fails_fails_for_all_who_wait_and_can_be_tried_again(own_tiny, engine):
    file = own_tiny / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])

    async def both():
        async def one():
            return [event async for event in engine.load(LoadRequest(model=str(own_tiny)))]

        return await asyncio.gather(one(), one(), return_exceptions=True)

    assert [type(error).__name__ for error in wait_for(both())] == ["ModelDamaged", "ModelDamaged"]
    file.write_bytes(whole)
    assert load(engine, str(own_tiny)).loaded


def test_a_model_in_use_is_not_unloaded(tiny, engine):
    async def story():
        request = GenerateRequest(model=tiny(), prompt="fox", options=SamplingOptions(max_new_tokens=50))
        async with aclosing(engine.generate(request)) as events:
            async for event in events:
                if isinstance(event, Started):
                    break
            with pytest.raises(ModelInUse, match="in use by 1 request"):
                engine.unload(tiny())
        engine.unload(tiny())

    wait_for(story())
    assert names(engine) == []
    with pytest.raises(ModelNotFound, match="is not loaded; loaded: none"):
        engine.unload(tiny())


def test_unloading_gives_the_weights_back(tiny, engine):
    completion(engine, tiny(), "fox", max_new_tokens=3)
    (model,) = engine._models._loaded.values()
    weight = weakref.ref(next(model.module.parameters()))
    del model
    engine.unload(tiny())
    assert weight() is None
    assert engine.memory().weights == 0


def test_eviction_gives_the_weights_back(room_for_two, copies):
    completion(room_for_two, copies[0], "fox", max_new_tokens=3)
    (model,) = room_for_two._models._loaded.values()
    weight = weakref.ref(next(model.module.parameters()))
    del model
    load(room_for_two, copies[1])
    load(room_for_two, copies[2])
    gc.collect()
    assert weight() is None


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        (torch.float32, None, "float32"),
        (torch.bfloat16, None, "bfloat16"),
        (torch.float16, None, "float32"),
        (torch.float32, "bfloat16", "bfloat16"),
        (torch.bfloat16, "float32", "float32"),
        (torch.float16, "float16", "float16"),
    ],
)
def test_weights_keep_their_dtype_unless_told_otherwise(stored, asked, expected, tiny, engine):
    """float16 is slow on a CPU, so there only those who ask for it get it."""
    info = load(engine, tiny("llama", dtype=stored), dtype=asked)
    assert info.dtype == expected
    assert info.device == "cpu"
    assert info.bytes == pytest.approx(info.parameters * getattr(torch, expected).itemsize, rel=0.02)


def test_a_dtype_that_was_asked_for_holds_for_those_who_do_not_ask(tiny, engine):
    load(engine, tiny(), dtype="bfloat16")
    assert completion(engine, tiny(), "fox", max_new_tokens=1).fingerprint.endswith("-bfloat16")
    assert len(engine.loaded()) == 1


def test_another_dtype_replaces_the_model(tiny, engine):
    load(engine, tiny())
    load(engine, tiny(), dtype="bfloat16")
    assert [info.dtype for info in engine.loaded()] == ["bfloat16"]


def test_what_is_known_of_a_loaded_model(tiny, engine):
    info = load(engine, tiny("llama"))
    assert (info.architecture, info.n_layers, info.n_heads) == ("LlamaForCausalLM", 2, 4)
    assert info.context_length == CONTEXT
    assert info.source == tiny("llama")
    assert info.chat_template is False


def test_available_models_are_the_bundled_the_saved_and_the_loaded_ones(tiny, engine, own_tiny, tmp_path):
    shutil.copytree(own_tiny, tmp_path / "home/models/mine")
    load(engine, tiny())
    found = {info.name: info for info in wait_for(engine.available())}
    assert found[tiny()].loaded
    assert not found["mine"].loaded
    assert found["mine"].bytes == weights.Source("", own_tiny).size
    assert "storyteller" in found


def test_models_asked_for_at_once_stay_within_the_budget_together(room_for_two, copies):
    async def load_all():
        async def load(model):
            return [event async for event in room_for_two.load(LoadRequest(model=model))]

        await asyncio.gather(*map(load, copies))

    wait_for(load_all())
    assert len(names(room_for_two)) == 2
    assert room_for_two.memory().weights <= room_for_two.memory().budget


def test_a_replaced_model_counts_while_a_stream_runs_on_it(own_tiny, engine):
    async def story():
        async with aclosing(engine.generate(GenerateRequest(model=str(own_tiny), prompt="fox"))) as events:
            async for event in events:
                if isinstance(event, Started):
                    break
            alone = engine.memory().weights
            tiny_models.save(own_tiny, seed=1)
            assert [e async for e in engine.load(LoadRequest(model=str(own_tiny)))][-1].type == "done"
            assert engine.memory().weights == 2 * alone
        assert engine.memory().weights == alone

    wait_for(story())

"""What has been read is not read again, by nobody who begins the same way, and says the same as if it were."""

from __future__ import annotations

import contextlib
import shutil

import pytest

from gpt_notebook.model_kernel.batching import prefixes as prefixes_module
from gpt_notebook.model_kernel.batching.cache import CacheShape, SequenceCache
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.prefixes import MOST, WORTH_KEEPING, Prefixes, common
from gpt_notebook.model_kernel.batching.slots import Slots
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.protocol import GenerateRequest, SamplingOptions, Tokens
from gpt_notebook.settings import Settings
from model_kernel import tiny_adapters, tiny_models
from model_kernel.asking import Reference, all_of, wait_for
from model_kernel.batching.company import Company, chances, let_steps_end, text
from model_kernel.batching.conftest import PIECE
from model_kernel.families import CONTEXT
from model_kernel.loading_adapters import load_with
from model_kernel.tiny_adapters import AdaptedReference

# --- the kept texts -------------------------------------------------------------------------------------------------


@pytest.fixture
def shape(company) -> CacheShape:
    return company().shape


@pytest.fixture
def kept(shape):
    """Returns a cache of tokens that have been read."""

    def make(token_ids, *, repeatable_tokens=0):
        cache = SequenceCache(shape, len(token_ids))
        cache.token_ids = list(token_ids)
        cache.repeatable_tokens = repeatable_tokens
        return cache

    return make


def test_the_length_in_common_is_where_lists_part():
    chance = chances(0)
    for _ in range(300):
        first, second = ([chance.randint(0, 1) for _ in range(chance.randint(0, 12))] for _ in range(2))
        expected = next(
            (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
        )
        assert common(first, second) == common(tuple(first), tuple(second)) == expected


def test_the_longest_beginning_wins_whenever_it_came(kept):
    ids = text(60)
    for order in ([20, 50, 30], [50, 30, 20], [30, 20, 50]):
        found = Prefixes()
        for length in order:
            found.keep("a", kept([*ids[:length], 1, *text(20, length)]))
        cache, length = found.longest("a", ids)
        assert (length, cache.token_ids[:50]) == (50, ids[:50])


def test_one_token_is_left_to_be_read(kept):
    ids, found = text(40), Prefixes()
    found.keep("a", kept(ids))
    assert found.longest("a", ids)[1] == 39
    assert found.longest("a", [*ids, 5])[1] == 40
    assert found.longest("a", ids[:30])[1] == 29


def test_few_tokens_are_not_worth_it(kept):
    found = Prefixes()
    found.keep("a", kept(text(40)))
    assert found.longest("a", [*text(40)[:WORTH_KEEPING], 1, 1])[1] == WORTH_KEEPING
    assert found.longest("a", [*text(40)[: WORTH_KEEPING - 1], 1, 1]) is None


def test_a_text_belongs_to_one_model_and_adapter(kept):
    found = Prefixes()
    found.keep("a", kept(text(40)))
    assert found.longest("b", text(40)) is None
    assert found.longest("a+x", text(40)) is None


def test_forgetting_a_model_forgets_what_it_read_with_adapters_and_no_other(kept):
    found = Prefixes()
    for key in ("a", "a+x", "b", "b+x"):
        found.keep(key, kept(text(40)))
    found.forget("a")
    assert [found.longest(key, text(40)) is None for key in ("a", "a+x", "b", "b+x")] == [True, True, False, False]
    found.forget("b")
    assert found.bytes == 0


def test_a_longer_text_takes_the_place_of_its_beginnings(kept):
    found = Prefixes()
    for length in (20, 30, 25):
        found.keep("a", kept(text(40)[:length]))
    found.keep("b", kept(text(40)[:20]))
    longer = kept(text(40))
    found.keep("a", longer)
    assert found.bytes == longer.bytes * 3 // 2


def test_a_beginning_that_can_be_repeated_stays_beside_a_longer_text_that_cannot(kept):
    found = Prefixes()
    found.keep("a", kept(text(40)[:20], repeatable_tokens=16))
    found.keep("a", kept(text(40)))
    assert found.longest("a", text(40), piece=16)[1] == 16


def test_what_can_be_repeated_is_not_replaced_by_the_same_text_that_cannot(kept):
    found = Prefixes()
    found.keep("a", kept(text(40), repeatable_tokens=32))
    found.keep("a", kept(text(40)))
    assert found.longest("a", text(40), piece=16)[1] == 32


def test_no_more_than_so_many_are_kept_and_those_used_last_stay(kept):
    found = Prefixes()
    for seed in range(MOST):
        found.keep("a", kept(text(20, seed)))
    assert found.longest("a", text(20, 0)) is not None
    found.keep("a", kept(text(20, MOST)))
    assert found.longest("a", text(20, 0)) is not None
    assert found.longest("a", text(20, 1)) is None


def test_kept_texts_leave_for_those_who_need_the_room_the_oldest_first(kept):
    one = kept(text(20)).bytes
    memory = CacheMemory(4 * one)
    for seed in range(4):
        assert memory.make_room(one)
        memory.prefixes.keep("a", kept(text(20, seed)))
    assert memory.prefixes.longest("a", text(20, 0)) is not None
    assert memory.make_room(2 * one)
    assert [memory.prefixes.longest("a", text(20, seed)) is None for seed in range(4)] == [False, True, True, False]
    assert not memory.make_room(5 * one)


# --- in a batch -----------------------------------------------------------------------------------------------------

FITTING = ["gpt2", "mistral", "gemma2"]


def fresh(company, family, ids, **options):
    """What a batch says that has read nothing yet."""
    return company(family).answer(ids, **options).ids


@pytest.mark.parametrize("family", FITTING)
def test_the_next_turn_of_a_chat_reads_only_what_is_new(family, company, seen):
    met = company(family)
    first = met.answer(text(25), max_new_tokens=10)
    turn = [*text(25), *first.ids, *text(6, 1)]
    seen.clear()
    second = met.answer(turn, max_new_tokens=10)
    assert seen.tokens_read == len(turn) - 25 - (len(first.ids) - 1)  # the last token of a completion was never read
    assert second.ids == fresh(company, family, turn, max_new_tokens=10)


@pytest.mark.parametrize("family", FITTING)
def test_an_edited_cell_is_read_from_the_edit_on(family, company, seen):
    met, edited = company(family), [*text(30), 5, *text(9, 2)]
    met.answer(text(40), max_new_tokens=5)
    seen.clear()
    made = met.answer(edited, max_new_tokens=10)
    assert seen.tokens_read == 10
    assert made.ids == fresh(company, family, edited, max_new_tokens=10)


@pytest.mark.parametrize("family", FITTING)
def test_another_road_from_a_token_reads_that_token(family, company, seen):
    met = company(family)
    first = met.answer(text(25), max_new_tokens=20)
    branch = [*text(25), *first.ids[:8], 300]
    seen.clear()
    made = met.answer(branch, max_new_tokens=10)
    assert seen.tokens_read == 1
    assert made.ids == fresh(company, family, branch, max_new_tokens=10)


def test_the_same_prompt_again_reads_one_token(company, seen):
    met = company()
    first = met.answer(text(40), max_new_tokens=12)
    seen.clear()
    assert met.answer(text(40), max_new_tokens=12).ids == first.ids
    assert seen.tokens_read == 1


def test_a_prompt_is_known_while_whoever_asked_for_it_is_still_running(company, seen):
    met = company()
    running = met.ask(text(40), max_new_tokens=20)
    while not running.ids:
        met.step()
    seen.clear()
    second = met.ask([*text(40), 9], max_new_tokens=5)
    met.finish()
    assert seen.tokens_read == 1
    assert second.ids == fresh(company, "llama", [*text(40), 9], max_new_tokens=5)


def test_what_was_known_before_there_was_need_of_room_is_read_again_and_right(company, seen):
    budget = 2 * CONTEXT * company().shape.bytes_per_token  # half of it is a slot's
    met = company(budget=budget)
    first = met.answer(text(30), max_new_tokens=5)
    assert met.memory.prefixes.bytes
    met.answer(text(40, 9), max_new_tokens=5)
    seen.clear()
    assert met.answer(text(30), max_new_tokens=5).ids == first.ids
    assert seen.tokens_read == 30
    assert met.memory.running + met.memory.prefixes.bytes <= budget


def test_texts_of_models_with_other_weights_are_apart(company, seen):
    met = company()
    other = company(of={"seed": 1}, memory=met.memory)
    met.answer(text(40), max_new_tokens=5)
    seen.clear()
    expected = company(of={"seed": 1}).answer(text(40), max_new_tokens=5).ids
    seen.clear()
    assert other.answer(text(40), max_new_tokens=5).ids == expected
    assert seen.tokens_read == 40


def test_texts_read_with_an_adapter_are_apart(tiny, tmp_path, seen):
    base, paths = tiny("llama"), [tmp_path / "first", tmp_path / "second"]
    for seed, path in enumerate(paths):
        tiny_adapters.save(path, base, seed=seed)
    models = Models(Settings(home=tmp_path / "home"))
    model, adapters = wait_for(load_with(models, base, *paths))
    met, said = Company(model), []
    for adapter in (None, *adapters):
        seen.clear()
        said.append(met.answer(text(40), max_new_tokens=10, adapter=adapter).ids)
        assert seen.tokens_read == 40
    expected = [AdaptedReference(base, path).greedy(text(40), 10) for path in paths]
    assert said == [Reference(base).greedy(text(40), 10), *expected]
    for adapter, before in zip((None, *adapters), said, strict=True):
        seen.clear()
        assert met.answer(text(40), max_new_tokens=10, adapter=adapter).ids == before
        assert seen.tokens_read == 1
    models.close()


def test_a_text_that_was_cut_off_is_known_as_far_as_it_went(company, seen):
    met = company()
    heard = met.ask(text(20), max_new_tokens=40)
    while len(heard.ids) < 9:
        met.step()
    heard.generation.cancelled = True
    met.finish()
    seen.clear()
    branch = [*text(20), *heard.ids[:6], 7]
    assert met.answer(branch, max_new_tokens=4).ids == fresh(company, "llama", branch, max_new_tokens=4)
    assert seen.read[0] == (1,)


def test_texts_whose_attention_is_wanted_are_read_from_their_first_token_on(company, seen):
    met = company()
    met.answer(text(40), max_new_tokens=5)
    seen.clear()
    met.answer(text(40), max_new_tokens=5, attention=True)
    assert seen.tokens_read >= 40


@pytest.mark.parametrize("leaves_early", [False, True])
def test_nothing_is_left_of_a_model_that_is_unloaded(leaves_early, tiny, engine):
    options = SamplingOptions(max_new_tokens=20)

    async def story():
        request = GenerateRequest(model=tiny("llama"), prompt_token_ids=tuple(text(30)), options=options)
        async with contextlib.aclosing(engine.generate(request)) as events:
            async for event in events:
                if leaves_early and isinstance(event, Tokens):
                    break

    wait_for(story())
    let_steps_end(engine)
    caches = engine._runner.caches
    assert caches.prefixes.bytes
    assert caches.running
    engine.unload(tiny("llama"))
    assert caches.prefixes.bytes == caches.running == 0


def kept_of(engine):
    """The fingerprints of the texts that are kept."""
    return [key for key, _ in engine._runner.caches.prefixes._kept]


def said(engine, model, **options):
    request = GenerateRequest(model=model, prompt_token_ids=tuple(text(40)), **options)
    events = all_of(engine.generate(request))
    let_steps_end(engine)
    return events


def test_nothing_is_left_of_an_adapter_that_is_unloaded_and_its_model_keeps_its_own(tiny, engine, tmp_path):
    base = tiny("llama")
    adapter = f"{base}+{tiny_adapters.save(tmp_path / 'adapter', base)}"
    for model in (base, adapter):
        said(engine, model)
    assert len(kept_of(engine)) == 2
    engine.unload(adapter)
    assert kept_of(engine) == [engine.loaded()[0].fingerprint]


def test_nothing_is_left_of_an_adapter_whose_files_are_others_now(tiny, engine, tmp_path):
    base = tiny("llama")
    adapter = f"{base}+{tiny_adapters.save(tmp_path / 'adapter', base)}"
    said(engine, adapter)
    (old,) = kept_of(engine)
    shutil.rmtree(tmp_path / "adapter")
    tiny_adapters.save(tmp_path / "adapter", base, seed=5)
    said(engine, adapter)
    assert len(kept_of(engine)) == 1
    assert old not in kept_of(engine)


def test_nothing_is_left_of_a_model_that_was_saved_again(engine, tmp_path):
    place = tmp_path / "model"
    tiny_models.save(place, "llama")
    said(engine, str(place))
    (old,) = kept_of(engine)
    shutil.rmtree(place)
    tiny_models.save(place, "llama")
    said(engine, str(place))
    assert len(kept_of(engine)) == 1
    assert old not in kept_of(engine)


def test_a_row_that_ends_when_its_model_has_been_unloaded_leaves_nothing(company, monkeypatch):
    met = company()
    heard = met.ask(text(40), max_new_tokens=40)
    while not heard.ids:
        met.step()
    heard.generation.cancelled = True
    monkeypatch.setattr(met.model, "gone", True)
    met.memory.prefixes.forget(met.model.fingerprint)
    met.finish()
    assert not met.memory.prefixes.bytes


def test_a_text_is_copied_only_if_there_is_room_for_it(company, monkeypatch):
    met = company()
    heard = met.ask(text(40), max_new_tokens=5)
    while not heard.ids:
        met.step()
    met.memory.budget = met.memory.running
    kept = met.memory.prefixes.bytes
    monkeypatch.setattr(Slots, "cache_of", None)
    met.finish()
    assert heard.error is None
    assert met.memory.prefixes.bytes == kept


def test_a_seed_that_need_not_be_exact_takes_all_that_has_been_read(tiny, engine, seen):
    options = SamplingOptions(seed=1, max_new_tokens=4)
    said(engine, tiny("llama"), options=options)
    for exact, left in ((True, 40 - 2 * PIECE), (False, 1)):
        seen.clear()
        said(engine, tiny("llama"), options=options, exact=exact)
        assert seen.tokens_read == left


def test_a_piece_is_what_this_directory_says(seen, company):
    company().answer(text(40), max_new_tokens=1)
    assert seen.read[-3:] == [(PIECE,), (PIECE,), (40 - 2 * PIECE,)]
    assert prefixes_module.WORTH_KEEPING == PIECE

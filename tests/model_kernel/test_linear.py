"""Packed weights and adapters by row, against the layers themselves and against peft."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import torch
import transformers

from gpt_notebook.model_kernel import linear, loaded_model, packed
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.settings import Settings
from model_kernel import tiny_adapters, tiny_models
from model_kernel.asking import Reference, wait_for
from model_kernel.families import CAUSAL
from model_kernel.loading_adapters import greedy, load, load_with
from model_kernel.tiny_adapters import AdaptedReference

PROMPTS = [list(range(10 + row, 22 + row)) for row in range(4)]
IDS = torch.tensor(PROMPTS)

needs_packing = pytest.mark.skipif(not packed.can_pack(torch.zeros(2, 2)), reason="this processor has no packed order")


@pytest.fixture
def models(tmp_path):
    models = Models(Settings(home=tmp_path / "home"))
    yield models
    models.close()


@pytest.fixture(scope="session")
def adapter(tiny, tmp_path_factory):
    """The directory of an adapter of a tiny model, made at its first use."""
    made = {}

    def directory(family="gpt2", **options):
        key = f"{family} {sorted(options.items())}"
        if key not in made:
            made[key] = tiny_adapters.save(tmp_path_factory.mktemp("adapters") / "it", tiny(family), **options)
        return made[key]

    return directory


@pytest.fixture
def large(monkeypatch):
    """Has models of any size count as large enough to be packed."""
    monkeypatch.setattr(loaded_model, "SMALL", 0)


@torch.inference_mode()
def logits(model, **options):
    return model.module(IDS, **options).logits


# --- the layers as they were ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", CAUSAL)
def test_a_model_says_the_same_to_the_bit_as_without_our_operator(family, tiny, models):
    model = wait_for(load(models, tiny(family)))
    assert linear.operators(model.module)
    ours = logits(model)
    for layer in model.module.modules():
        vars(layer).pop("forward", None)
    assert not linear.operators(model.module)
    assert torch.equal(logits(model), ours)


def test_an_operator_keeps_no_model_alive(tiny):
    module = transformers.AutoModelForCausalLM.from_pretrained(tiny())
    linear.install(module)
    layer = weakref.ref(module.transformer.h[0].attn.c_attn)
    gc.disable()
    try:
        del module
        assert layer() is None
    finally:
        gc.enable()


# --- packed weights -------------------------------------------------------------------------------------------------


@needs_packing
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_packed_weights_give_the_same_up_to_rounding_and_the_same_each_time(family, dtype, tiny, models, large):
    if not packed.can_pack(torch.zeros(2, 2, dtype=dtype)):
        pytest.skip("this processor has no packed order for the dtype")
    model = wait_for(load(models, tiny(family, dtype=dtype)))
    plain = logits(model)
    with linear.passing():
        first, second = logits(model), logits(model)
    assert torch.equal(first, second)
    assert torch.allclose(first, plain, atol=1e-4 if dtype == torch.float32 else 0.3)
    assert torch.equal(logits(model), plain)


@needs_packing
def test_packed_weights_are_what_a_pass_multiplies_by(tiny, models, large):
    model = wait_for(load(models, tiny()))
    plain = logits(model)
    for operator in linear.operators(model.module).values():
        operator.packed = packed.pack(torch.zeros_like(operator.matrix))
    with linear.passing():
        assert not torch.allclose(logits(model), plain)
    assert torch.equal(logits(model), plain)


@needs_packing
def test_packed_copies_are_counted_and_a_head_that_is_the_embedding_only_once(tiny, models, large):
    model = wait_for(load(models, tiny()))
    layers = {each.weight.data_ptr(): each.weight for each in linear.operators(model.module).values()}
    assert model.module.transformer.wte.weight.data_ptr() in layers
    assert model.packed_bytes == sum(weight.numel() * 4 for weight in layers.values())
    assert models.memory().packed == model.packed_bytes
    head = linear.operators(model.module)["lm_head"]
    assert head.packed is not None
    model.unpack()
    assert head.packed is None
    assert models.memory().packed == 0


def test_a_small_model_is_not_packed(tiny, models):
    assert wait_for(load(models, tiny())).packed_bytes == 0


@needs_packing
def test_nothing_is_packed_beyond_the_budget(tiny, tmp_path, large):
    size = wait_for(load(Models(Settings(home=tmp_path)), tiny())).bytes
    models = Models(Settings(home=tmp_path, memory_budget=int(size * 1.1)))
    model = wait_for(load(models, tiny()))
    assert model.packed_bytes == 0
    assert all(each.packed is None for each in linear.operators(model.module).values())


@needs_packing
def test_packed_copies_leave_before_any_model_does(tmp_path, large):
    first, second = (str(tiny_models.save(tmp_path / name, seed=seed)) for seed, name in enumerate("ab"))
    alone = wait_for(load(Models(Settings(home=tmp_path)), first))
    models = Models(Settings(home=tmp_path, memory_budget=int((alone.bytes + alone.packed_bytes) * 1.2)))

    async def story():
        a = await load(models, first)
        assert a.packed_bytes
        b = await load(models, second)
        return a, b

    a, b = wait_for(story())
    assert {info.name for info in models.loaded()} == {first, second}
    assert a.packed_bytes == 0
    assert models.memory().weights + models.memory().packed <= models.budget
    assert b.packed_bytes == 0


# --- adapters by row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"target_modules": ["lm_head"]},
        {"use_rslora": True, "r": 3},
        {"rank_pattern": {"h.0.attn.c_attn": 2, r"mlp\.c_\w+": 5}, "alpha_pattern": {"c_proj": 3, "h.1.mlp.c_fc": 32}},
        {"layers_to_transform": [1], "target_modules": ["c_fc"]},
        {"dtype": torch.bfloat16},
        {"dtype": torch.float16},
    ],
    ids=str,
)
def test_an_adapter_says_what_peft_says(config, tiny, models, adapter):
    model, (loaded,) = wait_for(load_with(models, tiny(), adapter(**config)))
    with torch.inference_mode(), linear.adapted(loaded):
        found = logits(model)
    with torch.inference_mode():
        assert torch.allclose(found, AdaptedReference(tiny(), adapter(**config)).model(IDS).logits, atol=1e-5)
    assert not torch.allclose(found, logits(model), atol=0.1)


@pytest.mark.parametrize("family", ["gpt2", "llama", "falcon", "bloom", "opt", "qwen3", "gemma2"])
def test_rows_of_a_mixed_pass_say_what_each_says_alone_with_peft(family, tiny, models, adapter):
    one, other = adapter(family), adapter(family, seed=1, r=7)
    model, (first, second) = wait_for(load_with(models, tiny(family), one, other))
    found = greedy(model, PROMPTS, 16, [(first, [0, 3]), (second, [2])])
    references = [AdaptedReference(tiny(family), one), Reference(tiny(family)), AdaptedReference(tiny(family), other)]
    expected = [
        references[which]
        .model.generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=16, min_new_tokens=16, eos_token_id=None
        )[0, len(prompt) :]
        .tolist()
        for which, prompt in zip([0, 1, 2, 0], PROMPTS, strict=True)
    ]
    assert found == expected
    assert len({tuple(row) for row in found}) == 4


def test_rows_of_the_base_keep_their_bits_beside_adapters_and_after_them(tiny, models, adapter):
    model, (first, second) = wait_for(load_with(models, tiny(), adapter(), adapter(seed=1)))
    with linear.passing():
        before = logits(model)
    with linear.passing([(first, slice(0, 12)), (second, torch.arange(36, 48))]):
        mixed = logits(model)
    assert torch.equal(mixed[1:3], before[1:3])
    assert not torch.allclose(mixed[0], before[0], atol=0.1)
    assert not torch.allclose(mixed[3], before[3], atol=0.1)
    models.adapters.clear()
    with linear.passing():
        assert torch.equal(logits(model), before)


@needs_packing
def test_adapters_are_added_to_what_packed_weights_give(tiny, models, adapter, large):
    model, (loaded,) = wait_for(load_with(models, tiny(), adapter()))
    assert model.packed_bytes
    with linear.passing([(loaded, slice(None))]):
        found = logits(model)
    with linear.adapted(loaded):
        assert torch.allclose(found, logits(model), atol=1e-3)


def test_an_adapter_in_bfloat16_computes_as_peft_does(tiny, models, adapter, tmp_path):
    base = tiny("llama", dtype=torch.bfloat16)
    directory = tiny_adapters.save(tmp_path / "it", base)
    model, (loaded,) = wait_for(load_with(models, base, directory))
    with torch.inference_mode(), linear.adapted(loaded):
        assert torch.equal(logits(model), AdaptedReference(base, directory).model(IDS).logits)


def test_the_head_sees_the_rows_that_reach_it(tiny, models, adapter):
    """Where only the last token's logits are wanted, the head has other rows than the layers below it."""
    model, (loaded,) = wait_for(load_with(models, tiny(), adapter(target_modules=["lm_head"])))
    with linear.adapted(loaded):
        expected = logits(model)[:, -1:]
    with linear.passing([(loaded, torch.arange(24, 48))], at_head=[(loaded, torch.tensor([2, 3]))]):
        found = logits(model, logits_to_keep=1)
    assert torch.allclose(found[2:], expected[2:], atol=1e-5)
    assert not torch.allclose(found[:2], expected[:2], atol=0.1)


def test_gpt2s_activation_is_its_own_and_inside_of_a_pass_the_same_in_one_go(tiny, models):
    module = wait_for(load(models, tiny("gpt2"))).module
    activation = module.transformer.h[0].mlp.act
    x = torch.linspace(-8, 8, 1001)
    plain = type(activation).forward(activation, x)
    assert torch.equal(activation(x), plain)
    with linear.passing():
        fused = activation(x)
    assert not torch.equal(fused, plain)
    torch.testing.assert_close(fused, plain, atol=1e-6, rtol=1e-5)
    assert torch.equal(activation(x), plain)


def test_a_block_holds_for_its_thread_only_and_ends_with_an_error(tiny, models, adapter):
    model, (loaded,) = wait_for(load_with(models, tiny(), adapter()))
    plain, elsewhere = logits(model), []

    def other():
        elsewhere.append(logits(model))

    with linear.adapted(loaded):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with linear.passing():
            assert torch.allclose(logits(model), plain, atol=1e-4)
        assert not torch.allclose(logits(model), plain, atol=0.1)
    assert torch.equal(elsewhere[0], plain)
    with pytest.raises(ZeroDivisionError), linear.adapted(loaded):
        logits(model).fill_(1 / 0)
    assert torch.equal(logits(model), plain)


def test_adapted_by_nothing_is_the_base(tiny, models):
    model = wait_for(load(models, tiny()))
    with linear.adapted(None):
        assert torch.equal(logits(model), Reference(tiny()).model(IDS).logits)

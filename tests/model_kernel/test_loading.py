"""What the files of a model turn out to be when they are loaded: each refusal is one line with the right code."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch
import transformers

from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsupported
from gpt_notebook.model_kernel import loading, weights
from gpt_notebook.protocol import LoadRequest
from model_kernel import tiny_models
from model_kernel.asking import all_of
from model_kernel.tiny_models import change_config


def test_a_missing_tensor_is_named(own_tiny, refusal):
    change_config(own_tiny, n_layer=3)
    assert "transformer.h.2" in refusal(own_tiny, ModelDamaged)


def test_tensors_of_another_shape_are_damage(own_tiny, refusal):
    change_config(own_tiny, n_embd=64)
    assert "do not fit its config" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_layer": 10**6}, "asks for 1,000,000 layers, and its files hold 28 tensors"),
        ({"n_layer": -1}, "asks for -1 layers"),
        ({"n_positions": 10**12}, "GB of weights and its files hold 151 kB"),
        ({"vocab_size": 10**7}, "GB of weights and its files hold 151 kB"),
    ],
)
def test_a_config_cannot_take_more_memory_than_its_files_account_for(changes, words, own_tiny, refusal):
    change_config(own_tiny, **changes)
    assert words in refusal(own_tiny, ModelDamaged)


def test_masks_count_as_memory(tmp_path, refusal):
    change_config(tiny_models.save(tmp_path, "gpt_neo"), max_position_embeddings=30_000)
    assert "its config asks for" in refusal(tmp_path, ModelDamaged)


@pytest.mark.parametrize(
    ("stored", "asked", "width"), [("float32", "auto", 4), ("bfloat16", "auto", 2), ("bfloat16", torch.float32, 4)]
)
def test_the_memory_that_is_needed_is_that_of_the_tensors_in_their_dtype(stored, asked, width, tiny):
    source = weights.Source("", Path(tiny("llama", dtype=getattr(torch, stored))))
    parameters = transformers.AutoModelForCausalLM.from_pretrained(source.directory).num_parameters()
    assert loading.memory_needed(source, {"dtype": stored}, asked) == parameters * width


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8", "nobody-knows"])
def test_quantized_weights_are_unsupported(method, own_tiny, refusal):
    change_config(own_tiny, quantization_config={"quant_method": method})
    assert f"is quantized ({method!r})" in refusal(own_tiny, ModelUnsupported)


def test_a_directory_with_an_adapter_is_unsupported(own_tiny, refusal):
    (own_tiny / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "someone/model"}')
    assert f"is an adapter: write someone/model+{own_tiny}" in refusal(own_tiny, ModelUnsupported)


def test_a_config_does_not_choose_how_attention_is_computed(own_tiny, engine):
    change_config(own_tiny, _attn_implementation="someone/kernel", attn_implementation="someone/kernel")
    all_of(engine.load(LoadRequest(model=str(own_tiny))))
    (model,) = engine._models._loaded.values()
    assert model.module.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"eos_token_id": "x"}, "'eos_token_id'"),
        ({"n_embd": "abc"}, "'n_embd'"),
        ({"n_head": 0}, "zero"),
        ({"activation_function": "os.system"}, "os.system"),
        ({"dtype": "nn"}, "the dtype 'nn'"),
        ({"dtype": "load"}, "the dtype 'load'"),
        ({"dtype": 5}, "the dtype '5'"),
        ({"dtype": "int8"}, "int8"),
        ({"model_type": ["x"]}, "list"),
        ({"model_type": "\x1b[31mred"}, "`[31mred`"),
        ({"architectures": [1]}, "int"),
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense_is_refused_in_one_line(changes, word, own_tiny, refusal):
    change_config(own_tiny, **changes)
    message = refusal(own_tiny, ModelUnsupported)
    assert str(own_tiny) in message
    assert word in message
    assert message.isprintable()


def test_end_tokens_that_are_none_are_refused_in_one_line(own_tiny, refusal):
    (own_tiny / "generation_config.json").write_text('{"eos_token_id": ["a", {}]}')
    assert f"{own_tiny} cannot be loaded" in refusal(own_tiny, ModelUnsupported)


def test_the_error_of_a_load_that_failed_does_not_hold_the_weights(own_tiny, monkeypatch):
    kept = []
    real = transformers.AutoModelForCausalLM.from_pretrained

    def watched(*arguments, **options):
        module, found = real(*arguments, **options)
        kept.append(weakref.ref(module))
        return module, found

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", watched)
    change_config(own_tiny, n_layer=3)
    source = weights.Source("mine", own_tiny)
    with pytest.raises(ModelDamaged, match=r"transformer\.h\.2") as raised:
        loading.load(source, torch.float32, torch.device("cpu"), None)
    gc.collect()
    assert raised.value.__context__ is None
    assert [module() for module in kept] == [None]


def test_an_unknown_architecture_is_unsupported(own_tiny, refusal):
    change_config(own_tiny, model_type="nobody-knows")
    assert "nobody-knows" in refusal(own_tiny, ModelUnsupported)


def test_a_missing_tokenizer_is_said(own_tiny, refusal):
    for path in own_tiny.glob("tokenizer*"):
        path.unlink()
    assert "has no tokenizer" in refusal(own_tiny, ModelNotFound)

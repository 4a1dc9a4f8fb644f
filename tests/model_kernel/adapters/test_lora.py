"""Every adapter that cannot be added to a model is refused in one line that says why."""

from __future__ import annotations

import os

import pytest
import torch

from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsafe, ModelUnsupported
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.settings import Settings
from model_kernel import tiny_adapters, tiny_models
from model_kernel.asking import wait_for
from model_kernel.loading_adapters import load_with
from model_kernel.tiny_adapters import change_config, change_weights

LAYER = "h.0.attn.c_attn"


@pytest.fixture
def models(tmp_path):
    models = Models(Settings(home=tmp_path / "home"))
    yield models
    models.close()


@pytest.fixture
def directory(tiny, tmp_path):
    """An adapter of the tiny model that the test may change."""
    return tiny_adapters.save(tmp_path / "pip", tiny())


@pytest.fixture
def refused(models, tiny, directory):
    """Loads the adapter, which can't be loaded, and returns what is said of that after checking that it is one line."""

    def message(kind):
        with pytest.raises(kind) as raised:
            wait_for(load_with(models, tiny(), directory))
        assert type(raised.value) is kind
        assert str(directory) in raised.value.message
        assert "\n" not in raised.value.message
        assert len(raised.value.message) < 600
        assert models.memory().adapters == 0
        return raised.value.message

    return message


# --- the kind of adapter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"peft_type": "IA3"}, "is of peft's kind 'IA3'"),
        ({"peft_type": None}, "is of peft's kind None"),
        ({"use_dora": True}, "has DoRA"),
        ({"bias": "all"}, "trained biases (bias='all')"),
        ({"lora_bias": True}, "trained biases (lora_bias)"),
        ({"modules_to_save": ["lm_head"]}, "whole layers"),
        ({"target_parameters": ["mlp.experts"]}, "LoRA on parameters"),
        ({"trainable_token_indices": [1]}, "trained tokens"),
        ({"layer_replication": [[0, 2]]}, "repeated layers"),
        ({"alora_invocation_tokens": [1]}, "activated LoRA"),
        ({"init_lora_weights": "pissa_niter_16"}, "changes the weights of its base"),
        ({"init_lora_weights": ["olora"]}, "changes the weights of its base"),
    ],
    ids=str,
)
def test_more_than_lora_on_linear_layers(config, reason, directory, refused):
    change_config(directory, **config)
    assert reason in refused(ModelUnsupported)


def test_lora_on_an_embedding(directory, refused):
    change_weights(directory, base_model__model__transformer__wte__lora_embedding_A=lambda _: torch.ones(4, 32))
    assert "lora_embedding_A', which is no LoRA matrix" in refused(ModelUnsupported)


def test_trained_embeddings(directory, refused):
    change_weights(directory, base_model__model__lm_head__base_layer__weight=lambda _: torch.ones(4, 32))
    assert "save_embedding_layers=False" in refused(ModelUnsupported)


@pytest.mark.parametrize("pattern", ["(a+)+b", "x" * 300, ".*.*.*.*.*!", "(a|a)*"])
def test_a_pattern_that_could_take_hours(pattern, directory, refused):
    change_config(directory, alpha_pattern={pattern: 3})
    assert "too intricate" in refused(ModelUnsupported)


def test_a_layer_that_the_model_reads_past(models, tiny, tmp_path):
    """Peft refuses to make such an adapter, so this one is made of another's."""
    directory = tiny_adapters.save(tmp_path / "pip", tiny("mamba"), target_modules=["in_proj"])
    layer = "base_model.model.backbone.layers.0.mixer.out_proj"
    change_weights(
        directory,
        **{
            f"{layer}.lora_A.weight": lambda _: torch.ones(4, 64),
            f"{layer}.lora_B.weight": lambda _: torch.ones(32, 4),
        },
    )
    with pytest.raises(ModelUnsupported, match="reads past the layer: train it without out_proj"):
        wait_for(load_with(models, tiny("mamba"), directory))


# --- another model --------------------------------------------------------------------------------------------------


def test_an_adapter_of_another_family(models, tiny, tmp_path):
    directory = tiny_adapters.save(tmp_path / "pip", tiny("llama"))
    with pytest.raises(ModelUnsupported, match=r"is for another model: .* has no linear layer 'model.layers.0"):
        wait_for(load_with(models, tiny(), directory))


def test_an_adapter_of_a_wider_model(models, tiny, tmp_path):
    wide = str(tiny_models.save(tmp_path / "wide", n_embd=64))
    directory = tiny_adapters.save(tmp_path / "pip", wide)
    with pytest.raises(
        ModelUnsupported, match=r"goes from 32 to 96 features, in the adapter from 64 to 192; it was trained on"
    ):
        wait_for(load_with(models, tiny(), directory))


def test_only_names_and_shapes_decide_whether_it_fits(models, tiny, directory):
    change_config(directory, base_model_name_or_path="openai-community/gpt2")
    _, (loaded,) = wait_for(load_with(models, tiny(), directory))
    assert loaded.info().base == "openai-community/gpt2"


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"r": 0}, "says r=0"),
        ({"r": "8"}, "says r='8'"),
        ({"r": 5}, "its config says rank 5"),
        ({"lora_alpha": float("nan")}, "cannot be read (NaN is no number)"),
        ({"r": float("inf")}, "cannot be read (Infinity is no number)"),
        ({"lora_alpha": 10**400}, "scales transformer.h.0"),
        ({"lora_alpha": 1e300}, "scales transformer.h.0"),
        ({"lora_alpha": True}, "says lora_alpha=True"),
        ({"rank_pattern": [1]}, "says rank_pattern=[1], which is no table"),
        ({"rank_pattern": {"c_attn": -2}}, "gives -2"),
        ({"rank_pattern": {"c_attn": 2}}, "its config says rank 2"),
        ({"alpha_pattern": {"(": 2}}, "is no regular expression"),
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense(config, reason, directory, refused):
    change_config(directory, **config)
    assert reason in refused(ModelDamaged)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000], ids=lambda text: repr(text[:3]))
def test_a_config_that_is_none(text, directory, refused):
    (directory / "adapter_config.json").write_bytes(text)
    assert "adapter_config.json cannot be read" in refused(ModelDamaged)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({f"{LAYER}.lora_A.weight": None}, "lacks lora_A of transformer.h.0.attn.c_attn"),
        (
            {f"{LAYER}.lora_A.weight": None, f"{LAYER}.lora_B.weight": None},
            "lacks the matrices of transformer.h.0.attn.c_attn",
        ),
        ({f"{LAYER}.lora_A.weight": lambda a: a * float("nan")}, "lora_A of transformer.h.0.attn.c_attn holds NaN"),
        ({f"{LAYER}.lora_B.weight": lambda b: b / 0}, "lora_B of transformer.h.0.attn.c_attn holds NaN or infinity"),
        ({f"{LAYER}.lora_B.weight": lambda b: b[0]}, "have the shapes"),
        ({f"{LAYER}.lora_B.weight": lambda b: b[:, :2].contiguous()}, "have the shapes"),
    ],
    ids=str,
)
def test_weights_that_are_not_whole(change, reason, directory, refused):
    change_weights(directory, **change)
    assert reason in refused(ModelDamaged)


def test_weights_in_a_dtype_that_peft_does_not_save(directory, refused):
    change_weights(directory, **{f"{LAYER}.lora_A.weight": lambda a: a.to(torch.int8)})
    assert "in int8: save it in float32" in refused(ModelUnsupported)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:100],
        lambda whole: whole + b"0",
        lambda whole: (2**60).to_bytes(8, "little") + whole[8:],
        lambda whole: (50 * 2**20).to_bytes(8, "little") + whole[8:],
        lambda whole: whole.replace(b'"F32"', b'"F64"', 1),
        lambda whole: whole.replace(b'"shape":[4,', b'"shape":[9,', 1),
        lambda whole: b"\x80\x04" + whole[2:],
    ],
)
def test_a_file_that_is_damaged(damage, directory, refused):
    path = directory / "adapter_model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    assert "adapter_model.safetensors" in refused(ModelDamaged)


def test_a_file_that_is_too_large_is_not_read(directory, refused):
    os.truncate(directory / "adapter_model.safetensors", 2**30 + 1)
    assert "more than 1,073,741,824 are not read" in refused(ModelDamaged)


# --- files ----------------------------------------------------------------------------------------------------------


def test_pickled_weights_are_never_read(directory, refused):
    (directory / "adapter_model.safetensors").rename(directory / "adapter_model.bin")
    assert "which can run any program" in refused(ModelUnsafe)


def test_pickled_weights_that_call_themselves_safetensors(directory, refused):
    torch.save({"a": torch.ones(2)}, directory / "adapter_model.safetensors")
    assert "incomplete or corrupt" in refused(ModelDamaged)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_file_that_is_gone(name, directory, refused):
    (directory / name).unlink()
    assert f"it holds no {name}" in refused(ModelNotFound)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.timeout(20)
def test_a_file_that_never_ends(name, directory, refused):
    (directory / name).unlink()
    os.mkfifo(directory / name)
    assert "is not a regular file" in refused(ModelDamaged)
    (directory / name).unlink()
    (directory / name).symlink_to("/dev/zero")
    assert "is not a regular file" in refused(ModelDamaged)


def test_a_link_that_leads_in_a_circle(directory, refused):
    path = directory / "adapter_config.json"
    path.unlink()
    path.symlink_to(path)
    assert "cannot be read" in refused(ModelDamaged)


def test_a_model_in_the_place_of_an_adapter(models, tiny):
    with pytest.raises(ModelNotFound, match="is a model and no adapter"):
        wait_for(load_with(models, tiny(), tiny()))


def test_an_adapter_that_is_refused_can_be_mended(directory, refused, models, tiny):
    change_config(directory, use_dora=True)
    refused(ModelUnsupported)
    change_config(directory, use_dora=False)
    _, (loaded,) = wait_for(load_with(models, tiny(), directory))
    assert loaded.bytes == models.memory().adapters

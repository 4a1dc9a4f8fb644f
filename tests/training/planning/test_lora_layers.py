from __future__ import annotations

import pytest
from model_kernel.tiny_models import class_of, config_of

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.training.planning import lora_layers


def model_of(family):
    return class_of(family).from_config(config_of(family, 64))


@pytest.mark.parametrize(("family", "head"), [("gpt2", "lm_head"), ("llama", "lm_head"), ("gpt_neox", "embed_out")])
def test_all_linear_layers_but_the_head_can_have_an_adapter(family, head):
    model = model_of(family)
    names = lora_layers.linear_layers(model)
    assert head not in names
    assert names
    assert all(model.get_submodule(name) is layer for name, layer in names.items())


def test_a_config_has_the_layers_of_its_model():
    assert lora_layers.of_config(config_of("llama", 64)) == list(lora_layers.linear_layers(model_of("llama")))


def test_a_target_means_layers_by_their_names_or_the_ends_of_them():
    model = model_of("llama")
    both = lora_layers.targeted(model, ["q_proj", "model.layers.0.self_attn.v_proj"])
    assert list(both) == [
        "model.layers.0.self_attn.q_proj",
        "model.layers.0.self_attn.v_proj",
        "model.layers.1.self_attn.q_proj",
    ]
    assert list(lora_layers.targeted(model, ["proj"])) == []
    assert lora_layers.targeted(model, None) == lora_layers.linear_layers(model)


def test_targets_that_no_layer_has_are_refused_with_what_was_meant():
    names = lora_layers.of_config(config_of("llama", 64))
    lora_layers.check_targets(names, ["q_proj", "mlp.up_proj"])
    lora_layers.check_targets(names, None)
    with pytest.raises(InvalidRequest, match="q_proj"):
        lora_layers.check_targets(names, ["v_proj", "q_prj"])

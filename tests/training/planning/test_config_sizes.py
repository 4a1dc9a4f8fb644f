from __future__ import annotations

import pytest
import transformers
from model_kernel.tiny_models import class_of, config_of

from gpt_notebook.training.planning import config_sizes


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_a_config_tells_how_many_parameters_its_model_has(family):
    config = config_of(family, 320)
    assert config_sizes.number_of_parameters(config) == class_of(family).from_config(config).num_parameters()


@pytest.mark.parametrize(
    ("config", "length"),
    [
        (transformers.GPT2Config(n_positions=77), 77),
        (transformers.LlamaConfig(max_position_embeddings=99), 99),
        (transformers.MptConfig(max_seq_len=55), 55),
        (transformers.BloomConfig(), 0),
    ],
)
def test_each_family_has_its_own_name_for_how_much_it_reads(config, length):
    assert config_sizes.context_length(config) == length

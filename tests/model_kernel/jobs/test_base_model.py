"""What a job may begin from: judged by files, before anything is begun."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.errors import (
    InvalidRequest,
    JobError,
    ModelDamaged,
    ModelNotFound,
    ModelUnreachable,
    ModelUnsafe,
    ModelUnsupported,
)
from gpt_notebook.job_protocol import JobOptions, LoraOptions
from gpt_notebook.model_kernel.jobs import base_model
from gpt_notebook.model_kernel.jobs.base_model import Bases
from model_kernel import tiny_adapters
from model_kernel.asking import wait_for


@pytest.fixture
def bases(home):
    return Bases(home, torch.device("cpu"), name_of=lambda model: model)


def found(bases, model, **options):
    return wait_for(bases.find(str(model), JobOptions(**options)))


def test_a_directory_is_known_by_its_files(bases, own_tiny):
    before = found(bases, own_tiny)
    assert (before.model, before.source, before.adapter) == (str(own_tiny), str(own_tiny), None)
    assert found(bases, own_tiny) == before
    shutil.copy(own_tiny / "config.json", own_tiny / "copy.json")
    assert found(bases, own_tiny).fingerprint != before.fingerprint


def test_the_bundled_model_and_saved_ones_have_names(bases, own_tiny, home):
    assert Path(found(bases, "storyteller").source).is_dir()
    (home / "models").mkdir(parents=True)
    shutil.copytree(own_tiny, home / "models" / "mine")
    assert found(bases, "mine").source == str(home / "models" / "mine")


def test_nothing_is_read_into_memory(bases, own_tiny, monkeypatch):
    monkeypatch.setattr("safetensors.safe_open", None)
    found(bases, own_tiny)


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_a_model_that_does_not_go_on_from_a_prompt_is_refused(bases, tiny, family):
    with pytest.raises(ModelUnsupported, match="cannot be fine-tuned: "):
        found(bases, tiny(family))


def test_what_is_not_whole_or_harmless_is_refused(bases, own_tiny):
    weights = own_tiny / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(ModelDamaged):
        found(bases, own_tiny)
    weights.rename(own_tiny / "pytorch_model.bin")
    with pytest.raises(ModelUnsafe):
        found(bases, own_tiny)
    with pytest.raises(ModelNotFound):
        found(bases, "/no/where")
    with pytest.raises(ModelUnreachable):
        found(bases, "nobody/nothing")
    with pytest.raises((ModelNotFound, ModelUnreachable), match=r"; did you mean storyteller\?"):
        found(bases, "storyteler")


def test_a_quantized_model_is_refused(bases, own_tiny):
    config = json.loads((own_tiny / "config.json").read_text())
    (own_tiny / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(ModelUnsupported, match="is quantized"):
        found(bases, own_tiny)


def test_longer_samples_than_the_model_reads_are_refused(bases, own_tiny):
    with pytest.raises(InvalidRequest, match="reads at most 64 tokens"):
        found(bases, own_tiny, max_length=10_000)


def test_options_that_the_model_or_transformers_lacks_are_refused(bases, own_tiny):
    with pytest.raises(InvalidRequest, match="weight_decy"):
        found(bases, own_tiny, training_arguments={"weight_decy": 0.1})
    with pytest.raises(InvalidRequest, match="cannot set output_dir"):
        found(bases, own_tiny, training_arguments={"output_dir": "x"})
    with pytest.raises(InvalidRequest, match=r"lora\.targets"):
        found(bases, own_tiny, lora=LoraOptions(targets=("no_such_proj",)))
    assert found(bases, own_tiny, lora=LoraOptions(targets=("c_attn",)))


def test_an_adapter_is_gone_on_from_and_known_by_its_bytes(bases, own_tiny, home):
    place = tiny_adapters.save(adapter_places.directory(home) / "pip", str(own_tiny))
    base = found(bases, f"{own_tiny}+pip")
    assert (base.source, base.adapter) == (str(own_tiny), str(place))
    assert base.adapter_digest == adapter_files.read(place).digest
    with pytest.raises(ModelNotFound, match="did you mean pip"):
        found(bases, f"{own_tiny}+pipp")
    with pytest.raises(InvalidRequest, match=r"leave \+pip out, or export it merged"):
        found(bases, f"{own_tiny}+pip", method="full")


def test_what_is_missing_is_named_with_the_command_that_installs_it(bases, monkeypatch):
    monkeypatch.setattr(base_model, "NEEDED", ("no_such_package",))
    with pytest.raises(JobError, match=r"needs no_such_package .* pip install 'gpt-notebook\[local\]'"):
        found(bases, "storyteller")

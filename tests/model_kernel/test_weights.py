"""Finding and checking the files of a model: each refusal is one readable line with the right code."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from gpt_notebook import saved_models
from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsafe
from gpt_notebook.job_files import publishing
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.model_kernel import weights
from gpt_notebook.model_kernel.jobs.base import refuse_elsewhere
from gpt_notebook.protocol import LoadRequest
from gpt_notebook.settings import Settings
from model_kernel.asking import all_of
from model_kernel.tiny_models import change_config


def test_a_truncated_weight_file_is_named_with_both_sizes(own_tiny, refusal):
    file = own_tiny / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1000])
    message = refusal(own_tiny, ModelDamaged)
    assert str(file) in message
    assert f"{size - 1000:,} bytes and should have {size:,}" in message


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\x00",
        b"\xff" * 16,
        (2**40).to_bytes(8, "little"),
        (5).to_bytes(8, "little") + b"{bad}",
        b"PK\x03\x04" * 9,
    ],
)
def test_a_corrupt_header_is_named(beginning, own_tiny, refusal):
    file = own_tiny / "model.safetensors"
    file.write_bytes(beginning)
    assert f"{file} is damaged" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize("header", [b"[]", b"3", b'{"a": {"data_offsets": "no"}}', b'{"a": {}}'])
def test_a_header_of_another_shape_is_damage(header, own_tiny, refusal):
    (own_tiny / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert "is damaged" in refusal(own_tiny, ModelDamaged)


def test_pickled_weights_are_never_opened(own_tiny, refusal):
    (own_tiny / "model.safetensors").unlink()
    (own_tiny / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    message = refusal(own_tiny, ModelUnsafe)
    assert "pytorch_model.bin" in message
    assert "save_pretrained" in message


def test_a_model_that_needs_its_own_code_is_refused(own_tiny, refusal):
    change_config(own_tiny, model_type="their-own", auto_map={"AutoModelForCausalLM": "theirs.Model"})
    assert "needs Python code of its own" in refusal(own_tiny, ModelUnsafe)


def test_code_beside_a_model_that_does_not_need_it_is_not_run(own_tiny, engine):
    marker = own_tiny / "was-run"
    (own_tiny / "theirs.py").write_text(f"open({str(marker)!r}, 'w')")
    code = {"AutoConfig": "theirs.Config", "AutoModelForCausalLM": "theirs.Model", "AutoTokenizer": ["theirs.T", None]}
    change_config(own_tiny, auto_map=code)
    all_of(engine.load(LoadRequest(model=str(own_tiny))))
    assert not marker.exists()


def share_out(directory, second):
    """Make of a model's one weight file the first of two, and of `second` the other's name in the index."""
    (directory / "model.safetensors").rename(directory / "first.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "first.safetensors", "b": second}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_missing_shard_is_named(own_tiny, refusal):
    share_out(own_tiny, "model-00002-of-00002.safetensors")
    assert "names 'model-00002-of-00002.safetensors', which is missing" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "../outside.safetensors",
        "within/one.safetensors",
        "/one.safetensors",
        ".hidden.safetensors",
        "",
        "..",
    ],
)
def test_an_index_may_only_name_safetensors_beside_it(name, own_tiny, refusal):
    share_out(own_tiny, name)
    assert f"names {name!r}" in refusal(own_tiny, ModelUnsafe)


def test_an_index_that_the_config_names_is_not_followed(own_tiny, engine):
    (own_tiny / "other.safetensors.index.json").write_text('{"metadata": {}, "weight_map": {"a": "pickled.bin"}}')
    change_config(own_tiny, transformers_weights="other.safetensors.index.json")
    all_of(engine.load(LoadRequest(model=str(own_tiny))))


def test_safetensors_that_the_model_is_not_made_of_are_not_read(own_tiny, engine):
    (own_tiny / "consolidated.safetensors").write_bytes(b"broken")
    all_of(engine.load(LoadRequest(model=str(own_tiny))))


def test_tensors_that_overlap_are_damage(own_tiny, refusal):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"a": entry, "b": entry}).encode()
    (own_tiny / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert "is damaged" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"])
def test_a_pipe_keeps_nobody_waiting(name, own_tiny, refusal):
    (own_tiny / name).unlink(missing_ok=True)
    os.mkfifo(own_tiny / name)
    assert f"{own_tiny / name} is not a regular file" in refusal(own_tiny, ModelDamaged)


def test_a_link_to_a_device_is_not_read(own_tiny, refusal):
    (own_tiny / "added_tokens.json").symlink_to("/dev/zero")
    assert "added_tokens.json is not a regular file" in refusal(own_tiny, ModelDamaged)


def test_a_link_that_leads_nowhere_is_named(own_tiny, refusal):
    (own_tiny / "added_tokens.json").symlink_to("nowhere")
    assert "added_tokens.json cannot be read" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("config.json", 10 * 2**20), ("model.safetensors.index.json", 64 * 2**20), ("tokenizer.json", 256 * 2**20)],
)
def test_a_file_that_is_too_large_is_not_read(name, limit, own_tiny, refusal):
    (own_tiny / name).touch()
    os.truncate(own_tiny / name, limit + 1)
    assert f"{own_tiny / name} has {limit + 1:,} bytes" in refusal(own_tiny, ModelDamaged)


def test_a_broken_index_is_damage(own_tiny, refusal):
    share_out(own_tiny, "second.safetensors")
    (own_tiny / "model.safetensors.index.json").write_text('{"weight_map": [1]}')
    assert "model.safetensors.index.json" in refusal(own_tiny, ModelDamaged)


def test_a_missing_config_is_named(own_tiny, refusal):
    (own_tiny / "config.json").unlink()
    assert "holds no config.json" in refusal(own_tiny, ModelNotFound)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", "[" * 100_000], ids=range(5))
def test_a_config_that_is_none_is_named(content, own_tiny, refusal):
    (own_tiny / "config.json").write_text(content)
    assert str(own_tiny / "config.json") in refusal(own_tiny, ModelDamaged)


def test_a_directory_without_weights_says_so(own_tiny, refusal):
    (own_tiny / "model.safetensors").unlink()
    assert "holds no model.safetensors" in refusal(own_tiny, ModelNotFound)


@pytest.mark.parametrize("model", ["/nowhere/at/all", "./nowhere", "~/nowhere-at-all", "a/b/c"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(model, refusal):
    assert f"there is no directory {model}" in refusal(model, ModelNotFound)


@pytest.mark.parametrize("model", ["~nobody-of-this-name/x", "a" * 300])
def test_a_name_that_the_system_refuses_is_no_model(model, refusal):
    assert "cannot be opened" in refusal(model, ModelNotFound)


def test_a_path_that_may_not_be_entered_is_no_model(refusal, monkeypatch):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", forbidden)
    assert "'/secret/x' cannot be opened (Permission denied)" in refusal("/secret/x", ModelNotFound)


def test_a_file_is_no_model(own_tiny, refusal):
    assert "give the directory" in refusal(own_tiny / "model.safetensors", ModelNotFound)


@pytest.mark.parametrize("model", ["", "two words", "naïve!", "a/b\n", "../x y"])
def test_what_cannot_be_a_model_is_refused_by_name(model, refusal):
    refusal(model, ModelNotFound)


def test_a_model_saved_by_name_is_found_by_it(engine, own_tiny, tmp_path):
    shutil.copytree(own_tiny, tmp_path / "home/models/mine")
    events = all_of(engine.load(LoadRequest(model="mine")))
    assert events[-2].model.name == "mine"
    assert torch.float32 == engine._models._loaded["mine", None].dtype


def test_a_model_that_a_job_has_made_is_found_by_its_name_and_by_its_steps(tmp_path):
    job = JobDirectory(tmp_path / "jobs" / "kites")
    for step in (4, 8):
        (job.checkpoints / str(step)).mkdir(parents=True)
    job.spec_file.write_text("{}")
    publishing.publish(job, "full", 8)
    job.write_best(4)
    saved = tmp_path / "models"
    found = {name: weights.local(name, saved) for name in ("kites", "kites:best", "kites:8")}
    assert [source.directory.name for source in found.values()] == ["8", "4", "8"]
    assert [source.name for source in found.values()] == list(found)
    with pytest.raises(ModelNotFound, match="there is 4, 8"):
        weights.local("kites:5", saved)
    # The same place for each, whether it is loaded or not: it is shown once.
    assert [source.directory for source in weights.saved_sources(saved)] == [found["kites"].directory]
    refuse_elsewhere("kites:best", tmp_path)
    settings = Settings(home=tmp_path)
    assert saved_models.resolve("kites:best+pip", settings) == f"{job.checkpoints / '4'}+pip"
    assert [info.source for info in saved_models.listing(settings)] == [str(found["kites"].directory)]

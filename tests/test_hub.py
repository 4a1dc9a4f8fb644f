"""The hub's cache as a look at its files tells it."""

from __future__ import annotations

from hub_cache import downloaded

from gpt_notebook.hub import cached_models


def test_a_downloaded_model_is_listed_by_its_id_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    downloaded(tmp_path, "models--org--tiny")
    downloaded(tmp_path, "models--gpt2")
    assert [(each.name, each.source, each.bytes, each.loaded) for each in cached_models()] == [
        ("gpt2", "gpt2", 5, False),
        ("org/tiny", "org/tiny", 5, False),
    ]


def test_what_could_not_be_loaded_without_the_hub_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    downloaded(tmp_path, "models--org--pickled", ("config.json", "pytorch_model.bin"))
    downloaded(tmp_path, "models--org--bare", ("model.safetensors",))
    downloaded(tmp_path, "datasets--org--texts")
    (tmp_path / "models--org--begun").mkdir()
    assert cached_models() == []


def test_there_may_be_no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    assert cached_models() == []

"""Adapters as files, seen without torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpt_notebook import adapter_files
from gpt_notebook.errors import ModelDamaged


def make(place: Path, *, content: float = 1.0, base: str = "storyteller") -> Path:
    """Write an adapter of two matrices, whose numbers nobody looks at."""
    place.mkdir(parents=True)
    (place / "adapter_config.json").write_text(json.dumps({"r": 2, "base_model_name_or_path": base}))
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "b": {"dtype": "F32", "shape": [4, 2], "data_offsets": [24, 56]},
        }
    ).encode()
    data = int(content).to_bytes(1, "little") * 56
    (place / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    return place


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_the_digest_is_that_of_both_files(tmp_path):
    first, same, other = make(tmp_path / "a"), make(tmp_path / "b"), make(tmp_path / "c", content=2)
    digests = [adapter_files.read(place).digest for place in (first, same, other)]
    assert digests[0] == digests[1] != digests[2]
    (same / "adapter_config.json").write_text("{}")
    assert adapter_files.read(same).digest != digests[0]


def test_files_that_change_while_they_are_read_are_not_believed(tmp_path, monkeypatch):
    place = make(tmp_path / "a")
    read_bytes = Path.read_bytes

    def read(path):
        found = read_bytes(path)
        (place / "adapter_config.json").write_text('{"r": 22}')
        return found

    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(ModelDamaged, match="is being written: try again"):
        adapter_files.read(place)


def test_the_listing_tells_what_the_files_do(home):
    make(home / "adapters/pip")
    make(home / "adapters/tale/checkpoints/3", base="other")
    (home / "adapters/tale/best").write_text("3")
    make(home / "adapters/.tmp-x")
    (home / "adapters/empty").mkdir()
    empty, pip, tale = adapter_files.listing(home)
    assert (empty.name, empty.digest, empty.problem) == ("empty", "", "incomplete")
    assert (pip.problem, tale.problem) == (None, None)
    assert (pip.name, pip.base, pip.rank, pip.parameters, pip.loaded) == ("pip", "storyteller", 2, 14, False)
    assert pip.bytes == (home / "adapters/pip/adapter_model.safetensors").stat().st_size
    assert (tale.name, tale.base, tale.steps, tale.best) == ("tale", "other", (3,), 3)
    assert pip.digest != tale.digest


def test_the_listing_sees_what_has_changed(home):
    place = make(home / "adapters/pip")
    (before,) = adapter_files.listing(home)
    (place / "adapter_config.json").write_text(json.dumps({"r": 7}))
    (after,) = adapter_files.listing(home)
    assert (before.rank, after.rank) == (2, 7)
    assert before.digest != after.digest


def test_no_home_is_no_adapters(home):
    assert adapter_files.listing(home) == []


@pytest.mark.parametrize("shape", ["[NaN]", "[-3, 2]", "[1.5]", f"[{'9' * 4000}, 2]", "[true, 2]", "7"])
def test_one_that_is_damaged_is_listed_by_its_name_and_hides_no_other(shape, home):
    make(home / "adapters/pip")
    damaged = make(home / "adapters/zoe")
    weights = (damaged / "adapter_model.safetensors").read_bytes()
    length = int.from_bytes(weights[:8], "little")
    header = weights[8 : 8 + length].replace(b"[4, 2]", shape.encode())
    (damaged / "adapter_model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + weights[8 + length :]
    )
    pip, zoe = adapter_files.listing(home)
    assert (pip.name, pip.parameters) == ("pip", 14)
    assert (zoe.name, zoe.parameters, zoe.problem) == ("zoe", 0, "damaged")
    json.dumps([pip.parameters, zoe.parameters], allow_nan=False)


@pytest.mark.parametrize("change", [-1, 1])
def test_one_that_was_cut_off_or_goes_on_is_damaged(change, home):
    path = make(home / "adapters/zoe") / "adapter_model.safetensors"
    weights = path.read_bytes()
    path.write_bytes(weights[:change] if change < 0 else weights + b"0" * change)
    (zoe,) = adapter_files.listing(home)
    assert (zoe.name, zoe.problem) == ("zoe", "damaged")


def test_one_that_is_pickled_is_listed_as_such(home):
    place = make(home / "adapters/zoe")
    (place / "adapter_model.safetensors").rename(place / "adapter_model.bin")
    (zoe,) = adapter_files.listing(home)
    assert (zoe.name, zoe.problem) == ("zoe", "pickled")


def test_a_rank_without_end_is_damaged(home):
    (make(home / "adapters/zoe") / "adapter_config.json").write_text('{"r": Infinity}')
    (zoe,) = adapter_files.listing(home)
    assert (zoe.name, zoe.rank) == ("zoe", 0)

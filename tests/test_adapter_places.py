"""Adapters by name, path and step."""

from __future__ import annotations

import os

import pytest
from test_adapter_files import make

from gpt_notebook import adapter_places
from gpt_notebook.errors import InvalidRequest, ModelNotFound


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


# --- model strings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("storyteller", ("storyteller", None)),
        ("storyteller+pip", ("storyteller", "pip")),
        ("org/name@main+pip:best", ("org/name@main", "pip:best")),
        ("storyteller+/some/c++/pip", ("storyteller", "/some/c++/pip")),
    ],
)
def test_a_model_string_is_a_base_and_an_adapter(model, parts):
    assert adapter_places.split(model) == parts


def test_a_directory_with_a_plus_in_its_name_wins_over_the_parts(tmp_path):
    (tmp_path / "c++/model").mkdir(parents=True)
    (tmp_path / "c++/model/config.json").write_text("{}")
    base = str(tmp_path / "c++/model")
    assert adapter_places.split(base) == (base, None)
    assert adapter_places.split(f"{base}+pip") == (base, "pip")
    assert adapter_places.split(f"{base}+/a+b/pip") == (base, "/a+b/pip")


@pytest.mark.parametrize("model", ["+pip", "storyteller+", " + "])
def test_half_of_a_model_string_is_refused(model):
    with pytest.raises(InvalidRequest, match=r"such as storyteller\+pip"):
        adapter_places.split(model)


def test_paths_become_absolute_and_names_stay(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "runs/pip")
    assert adapter_places.resolve("runs/pip") == str(tmp_path / "runs/pip")
    assert adapter_places.resolve("./other:3") == str(tmp_path / "other:3")
    assert adapter_places.resolve("pip:3") == "pip:3"
    assert adapter_places.resolve("~nobody-of-this-name/pip") == "~nobody-of-this-name/pip"


# --- where they are -------------------------------------------------------------------------------------------------


def test_a_name_is_its_directory_or_the_newest_step_in_it(home):
    place = home / "adapters/tale"
    for step in ("9", "10", "010", ".tmp-11", "twelve"):
        make(place / "checkpoints" / step)
    assert adapter_places.steps(place) == [9, 10]
    assert adapter_places.locate("tale", home) == place / "checkpoints/10"
    assert adapter_places.locate("tale:9", home) == place / "checkpoints/9"
    assert adapter_places.locate(f"{place}:9", home) == place / "checkpoints/9"
    (place / "adapter_config.json").write_text("{}")
    assert adapter_places.locate("tale", home) == place


def test_a_model_of_its_own_is_told_from_an_adapter(home):
    (home / "models/novel").mkdir(parents=True)
    with pytest.raises(ModelNotFound, match="novel is a model of its own, no adapter: write novel"):
        adapter_places.locate("novel", home)


def test_the_best_step_is_what_a_small_file_says(home):
    place = home / "adapters/tale"
    make(place / "checkpoints/9")
    for text in ("", "no digits", "../../etc", "9" * 40):
        (place / "best").write_text(text)
        with pytest.raises(ModelNotFound, match="does not name a step"):
            adapter_places.locate("tale:best", home)
    (place / "best").write_text("9\n")
    assert adapter_places.locate("tale:best", home) == place / "checkpoints/9"


@pytest.mark.parametrize("name", ["../../etc", "a/../../b", ".", "..", "", "pip/../pip", "~", "relative/path"])
def test_a_name_leads_nowhere_else(name, home):
    make(home / "adapters/pip")
    with pytest.raises(ModelNotFound, match=r"there is no (adapter|directory)"):
        adapter_places.locate(name, home)


def test_a_pipe_in_place_of_the_best_step_holds_nobody_up(home):
    place = home / "adapters/tale"
    make(place / "checkpoints/9")
    os.mkfifo(place / "best")
    with pytest.raises(ModelNotFound, match="leave :best out"):
        adapter_places.locate("tale:best", home)

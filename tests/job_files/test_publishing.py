"""Under which name others find what a job makes."""

from __future__ import annotations

import pytest
from job_samples import make_job, write_adapter

from gpt_notebook import adapter_places
from gpt_notebook.errors import ModelNotFound
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.publishing import checkpoint, publish, remove_left, republish, taken, withdraw


@pytest.fixture
def directory(tmp_path):
    found = make_job(tmp_path)
    for step in (10, 20):
        Checkpoints(found).save(step, write_adapter)
    found.write_best(10)
    return found


def test_an_adapter_is_found_by_name_step_and_best(directory):
    publish(directory, "lora", 10)
    publish(directory, "lora", 20)
    home = directory.home
    assert adapter_places.names(home) == ["pip"]
    found = [adapter_places.locate(each, home).resolve() for each in ("pip", "pip:10", "pip:best")]
    assert found == [Checkpoints(directory).path(step) for step in (20, 10, 10)]


def test_a_model_is_its_newest_acknowledged_checkpoint(directory):
    for step in (10, 20):
        link = publish(directory, "full", step)
        assert link == directory.home / "models/pip"
        assert link.resolve() == Checkpoints(directory).path(step)
    assert [each.name for each in link.parent.iterdir()] == ["pip"]


def test_a_home_can_be_moved(directory, tmp_path):
    publish(directory, "lora", 20)
    moved = directory.home.parent / "moved"
    directory.home.rename(moved)
    assert adapter_places.locate("pip", moved).resolve() == moved / "jobs/pip/checkpoints/20"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("../jobs/other")])
def test_what_somebody_else_has_made_is_left_alone(directory, make):
    (directory.home / "adapters").mkdir()
    make(directory.home / "adapters/pip")
    with pytest.raises(FileExistsError, match="rename or delete it"):
        publish(directory, "lora", 10)
    withdraw(directory)
    assert taken(directory.home, "pip") is not None


def test_a_job_takes_its_links_with_it(directory):
    publish(directory, "lora", 20)
    publish(directory, "full", 20)
    withdraw(directory)
    withdraw(directory)
    with pytest.raises(ModelNotFound):
        adapter_places.locate("pip", directory.home)
    assert not list((directory.home / "models").iterdir())


def test_a_name_is_taken_by_a_job_an_adapter_or_a_model(directory):
    home = directory.home
    assert taken(home, "pip") == directory.path
    assert taken(home, "ann") is None
    for place in ("adapters", "models"):
        (home / place).mkdir()
        (home / place / f"in-{place}").symlink_to("nowhere")
        assert taken(home, f"in-{place}") == home / place / f"in-{place}"


def test_a_link_to_a_job_of_its_name_that_is_gone_takes_no_name(directory):
    home = directory.home
    for place in ("adapters", "models"):
        (home / place).mkdir()
    (home / "adapters/ann").symlink_to("../jobs/ann")
    (home / "models/ann").symlink_to("../jobs/ann/checkpoints/20")
    (home / "adapters/own").symlink_to("../jobs/other")
    publish(directory, "lora", 20)
    assert taken(home, "ann") is None
    assert taken(home, "own") is not None
    remove_left(home)
    assert sorted(each.name for each in (home / "adapters").iterdir()) == ["own", "pip"]
    assert list((home / "models").iterdir()) == []


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_result_that_was_never_published_is(tmp_path, method):
    found = make_job(tmp_path, method=method)
    republish(found)
    assert taken(tmp_path, "pip") == found.path
    assert not (tmp_path / "adapters").exists()
    for step in (10, 20):
        Checkpoints(found).save(step, write_adapter)
    republish(found)
    link = tmp_path / ("adapters" if method == "lora" else "models") / "pip"
    assert link.resolve() == (found.path if method == "lora" else found.checkpoints / "20")


def test_steps_of_a_model_have_names_and_an_endpoints_is_left_alone(directory, tmp_path):
    for step in (4, 8):
        (directory.checkpoints / str(step)).mkdir(parents=True, exist_ok=True)
    directory.spec_file.write_text("{}")
    publish(directory, "full", 8)
    directory.write_best(4)
    name = directory.name
    assert checkpoint(f"{name}:best", tmp_path) == checkpoint(f"{name}:4", tmp_path) == directory.checkpoints / "4"
    for other in (name, "openai:gpt-4o", "https://host:8000", f"{name}:4+pip", f"./{name}:4"):
        assert checkpoint(other, tmp_path) is None
    with pytest.raises(ModelNotFound, match="no checkpoint '5': there is 4, 8"):
        checkpoint(f"{name}:5", tmp_path)

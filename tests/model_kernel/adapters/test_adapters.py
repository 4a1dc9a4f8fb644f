"""Adapters that are loaded, listed, replaced and let go."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from gpt_notebook import adapter_files
from gpt_notebook.errors import InvalidRequest, ModelInUse, ModelNotFound, ModelUnsupported, OutOfMemory
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.settings import Settings
from model_kernel import tiny_adapters, tiny_models
from model_kernel.asking import wait_for
from model_kernel.loading_adapters import load, load_with


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def models(home):
    models = Models(Settings(home=home))
    yield models
    models.close()


@pytest.fixture
def pip(home, tiny):
    """An adapter of the tiny model that is called pip."""
    return tiny_adapters.save(home / "adapters" / "pip", tiny())


@pytest.fixture
def training(home, tiny):
    """What a training of that name has left: two whole steps, and one that is being written."""
    place = home / "adapters" / "trained"
    for step in (9, 10):
        tiny_adapters.save(place / "checkpoints" / str(step), tiny(), seed=step)
    (place / "checkpoints" / ".tmp-11").mkdir()
    return place


def listed(models):
    return {info.name: info for info in wait_for(models.adapters.available())}


def test_an_adapter_is_the_bytes_of_its_files(models, tiny, pip):
    model, (loaded,) = wait_for(load_with(models, tiny(), "pip"))
    assert loaded.digest == adapter_files.read(pip).digest
    assert loaded.fingerprint == f"{model.fingerprint}+{loaded.digest}"
    assert loaded.bytes == 4 * loaded.parameters == models.memory().adapters
    assert loaded.by_row


def test_the_same_files_are_read_once_by_whatever_name(models, tiny, pip, tmp_path, monkeypatch):
    copy = shutil.copytree(pip, tmp_path / "copy")
    reads = []
    monkeypatch.setattr(
        adapter_files, "read", lambda place, read=adapter_files.read: reads.append(place) or read(place)
    )
    _, loaded = wait_for(load_with(models, tiny(), "pip", "pip", pip, copy))
    assert len(set(map(id, loaded))) == 1
    assert reads == [pip, copy]


def test_files_that_change_are_another_adapter_and_running_requests_keep_theirs(models, tiny, pip):
    async def story():
        model, (old,) = await load_with(models, tiny(), "pip")
        before = {name: each.b.clone() for name, each in old.matrices.items()}
        with old.used():
            tiny_adapters.save(pip, tiny(), seed=1)
            new = await models.adapters.ready(model, "pip")
            assert new.digest != old.digest
            assert all(torch.equal(each.b, before[name]) for name, each in old.matrices.items())
            assert models.memory().adapters == old.bytes + new.bytes
        await models.adapters.ready(model, "pip")
        assert models.memory().adapters == new.bytes

    wait_for(story())


def test_a_training_is_its_newest_step_a_step_or_its_best(models, tiny, training):
    _, (newest, ninth, tenth) = wait_for(load_with(models, tiny(), "trained", "trained:9", "trained:10"))
    assert newest is tenth
    assert newest is not ninth
    (training / "best").write_text("9\n")
    _, (best, by_path) = wait_for(load_with(models, tiny(), "trained:best", f"{training}:9"))
    assert best is by_path is ninth
    info = listed(models)["trained"]
    assert (info.steps, info.best, info.digest) == ((9, 10), 9, newest.digest)


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("pipp", "no adapter 'pipp': did you mean pip?"),
        ("trained:11", "trained has no step 11: there is 9, 10"),
        ("trained:best", "does not name a step; leave :best out"),
        ("pip:3", "pip has no steps: leave :3 out"),
        ("../adapters/pip", "there is no directory"),
        ("/nowhere/at/all", "there is no directory"),
        ("Pip\0", "there is no adapter"),
        ("x" * 5000, "there is no adapter"),
    ],
)
@pytest.mark.usefixtures("pip", "training")
def test_an_adapter_that_is_not_there_is_said_to_be_so(adapter, reason, models, tiny):
    with pytest.raises(ModelNotFound) as raised:
        wait_for(load_with(models, tiny(), adapter))
    assert reason in raised.value.message
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 500


def test_only_causal_language_models_take_adapters(models, tiny, pip):
    async def story():
        model = await load(models, tiny("bert"), kinds=frozenset({"encoder", "causal", "masked"}))
        await models.adapters.ready(replace(model, kind="encoder"), "pip")

    with pytest.raises(ModelUnsupported, match="only those take an adapter"):
        wait_for(story())


# --- listing --------------------------------------------------------------------------------------------------------


def test_adapters_are_listed_with_where_they_are_loaded(models, tiny, pip, tmp_path):
    elsewhere = tiny_adapters.save(tmp_path / "elsewhere", tiny(), seed=1)
    before = listed(models)["pip"]
    assert (before.loaded, before.rank, before.base) == (False, 4, tiny())
    wait_for(load_with(models, tiny(), "pip", elsewhere))
    found = listed(models)
    assert found.keys() == {"pip", str(elsewhere)}
    assert found["pip"] == replace(before, models=(tiny(),), bytes=4 * before.parameters)
    assert found[str(elsewhere)].loaded


def test_a_damaged_adapter_is_listed_by_its_name(models, pip):
    (pip / "adapter_config.json").write_text("{")
    info = listed(models)["pip"]
    assert (info.source, info.digest, info.rank) == (str(pip), "", 0)


# --- letting go -----------------------------------------------------------------------------------------------------


def test_an_adapter_is_unloaded_by_the_name_it_was_asked_for(models, tiny, pip):
    wait_for(load_with(models, tiny(), "pip"))
    models.unload(models.name_of(f"{tiny()}+{pip}"))
    assert models.memory().adapters == 0
    assert [info.name for info in models.loaded()] == [tiny()]
    with pytest.raises(ModelNotFound, match=r"\+pip is not loaded; loaded adapters: none"):
        models.unload(f"{tiny()}+pip")


def test_nothing_is_remembered_of_adapters_that_have_left(models, tiny, pip):
    wait_for(load_with(models, tiny(), "pip"))
    assert list(models.adapters._digests) == [pip]
    models.unload(f"{tiny()}+pip")
    assert models.adapters._digests == {}


def test_an_adapter_in_use_is_not_unloaded(models, tiny, pip):
    _, (loaded,) = wait_for(load_with(models, tiny(), "pip"))
    with loaded.used(), pytest.raises(ModelInUse, match=r"\+pip is in use by 1 request: wait"):
        models.unload(f"{tiny()}+pip")
    models.unload(f"{tiny()}+pip")


def test_adapters_leave_with_their_model(models, tiny, pip):
    wait_for(load_with(models, tiny(), "pip"))
    models.unload(tiny())
    assert models.memory().adapters == 0


def test_adapters_leave_with_a_model_that_was_saved_again(models, tmp_path, home):
    base = str(tiny_models.save(tmp_path / "base"))
    tiny_adapters.save(home / "adapters" / "pip", base)
    _, (old,) = wait_for(load_with(models, base, "pip"))
    tiny_models.save(tmp_path / "base", seed=1)
    _, (new,) = wait_for(load_with(models, base, "pip"))
    assert new is not old
    assert models.memory().adapters == new.bytes


def test_an_adapter_that_is_in_use_leaves_with_its_replaced_model_afterwards(models, tmp_path, home):
    base = str(tiny_models.save(tmp_path / "base"))
    tiny_adapters.save(home / "adapters" / "pip", base)

    async def story():
        model, (old,) = await load_with(models, base, "pip")
        with model.used(), old.used():
            tiny_models.save(tmp_path / "base", seed=1)
            _, (new,) = await load_with(models, base, "pip")
            assert models.memory().adapters == old.bytes + new.bytes
        assert models.memory().adapters == new.bytes

    wait_for(story())


def test_the_least_recently_used_idle_adapter_leaves_first_and_none_in_use(tiny, home):
    for seed, name in enumerate("abc"):
        tiny_adapters.save(home / "adapters" / name, tiny(), seed=seed)
    alone = Models(Settings(home=home))
    model, (loaded,) = wait_for(load_with(alone, tiny(), "a"))
    models = Models(Settings(home=home, memory_budget=model.bytes + 2 * loaded.bytes))

    async def story():
        model, (a, _) = await load_with(models, tiny(), "a", "b")
        with model.used():
            await models.adapters.ready(model, "a")
            await models.adapters.ready(model, "c")
            assert {info.name for info in await models.adapters.available() if info.loaded} == {"a", "c"}
            with a.used():
                await models.adapters.ready(model, "b")
                assert {info.name for info in await models.adapters.available() if info.loaded} == {"a", "b"}
                with (await models.adapters.ready(model, "b")).used():
                    with pytest.raises(OutOfMemory, match="the adapter c needs"):
                        await models.adapters.ready(model, "c")
        assert models.memory().adapters + models.memory().weights <= models.budget

    wait_for(story())


# --- model strings --------------------------------------------------------------------------------------------------


def test_a_model_is_loaded_without_the_adapter_of_its_string(models, tiny):
    assert wait_for(load(models, f"{tiny()}+whatever:3")).source.name == tiny()


def test_a_saved_model_and_adapter_go_by_their_names(models, home):
    assert models.name_of(f"{home}/models/mine+{home}/adapters/pip") == "mine+pip"
    assert models.name_of(f"{home}/models/mine+{home}/adapters/pip:3") == "mine+pip:3"


@pytest.mark.parametrize("model", ["+pip", "gpt2+", "gpt2+ "])
def test_a_plus_needs_something_on_both_sides(model, models):
    with pytest.raises(InvalidRequest, match="write MODEL\\+ADAPTER"):
        models.name_of(model)

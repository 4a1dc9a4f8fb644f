"""The public functions about models and the process that holds them, before a fake model kernel."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from fake_model_kernel import TOKEN, FakeModelKernel, serving
from hub_cache import downloaded
from test_adapter_files import make

import gpt_notebook as gpt
from gpt_notebook import adapter_files, adapter_places, api
from gpt_notebook.errors import (
    AuthenticationFailed,
    InvalidRequest,
    ModelKernelBusy,
    ModelKernelNotRunning,
    ModelUnsupported,
)
from gpt_notebook.protocol import AdapterInfo, Failed, Started, encode
from gpt_notebook.runtime import RuntimeDirectory

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


def asked(model_kernel: FakeModelKernel) -> dict:
    return model_kernel.requests("/v1/generate")[-1]


# --- models ---------------------------------------------------------------------------------------------------------


def test_adapters_are_those_that_the_model_kernel_knows(model_kernel):
    pip = AdapterInfo(name="pip", source="/a/pip", rank=8, digest="d" * 64, models=("storyteller",))
    model_kernel.answers["/v1/adapters"] = {"adapters": [encode(pip)]}
    assert gpt.adapters() == [pip]
    assert pip.loaded


def test_without_a_model_kernel_adapters_are_those_with_a_name(settings):
    make(settings.home / "adapters/pip")
    (pip,) = gpt.adapters()
    assert (pip.name, pip.rank, pip.loaded) == ("pip", 2, False)


def test_an_adapter_is_loaded_first_and_then_kept_under_its_name(model_kernel, settings, tmp_path):
    source = make(tmp_path / "runs/pip")
    gpt.load(f"storyteller+{source}", name="pip")
    asked = [request["model"] for request in model_kernel.requests("/v1/load")]
    assert asked == [f"storyteller+{source}", "storyteller+pip"]
    kept = settings.home / "adapters/pip"
    assert sorted(path.name for path in kept.parent.iterdir()) == ["pip"]
    assert adapter_files.read(kept).digest == adapter_files.read(source).digest
    gpt.load(f"storyteller+{make(tmp_path / 'other', content=2)}", name="pip")
    assert adapter_files.read(kept).digest == adapter_files.read(tmp_path / "other").digest


def test_an_adapter_that_cannot_be_loaded_is_not_kept(model_kernel, settings, tmp_path):
    source = make(tmp_path / "pip")
    model_kernel.scripts["/v1/load"] = [Failed(error=ModelUnsupported("it is for another model").to_json())]
    with pytest.raises(ModelUnsupported, match="for another model"):
        gpt.load(f"storyteller+{source}", name="pip")
    assert not (settings.home / "adapters").exists()


def test_a_training_is_not_replaced_by_an_adapter_of_its_name(model_kernel, settings, tmp_path):
    make(settings.home / "adapters/tale/checkpoints/3")
    with pytest.raises(InvalidRequest, match="'tale' is the name of a training"):
        gpt.load(f"storyteller+{make(tmp_path / 'pip')}", name="tale")
    assert adapter_places.steps(settings.home / "adapters/tale") == [3]


@pytest.mark.parametrize("name", ["Pip", "../pip", "a/b", "pip:3", ""])
def test_an_adapter_needs_a_name_that_is_one(name, model_kernel, tmp_path):
    with pytest.raises(InvalidRequest, match="an adapter's name is of lower-case letters"):
        gpt.load(f"storyteller+{make(tmp_path / 'pip')}", name=name)


def test_a_name_and_no_adapter_is_refused(model_kernel):
    with pytest.raises(InvalidRequest, match="belong to a model object"):
        gpt.load("storyteller", name="pip")


def test_the_path_of_an_adapter_is_resolved_here(model_kernel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "runs/pip")
    gpt.generate("Once", model="storyteller+runs/pip")
    assert asked(model_kernel)["model"] == f"storyteller+{tmp_path}/runs/pip"


class FakeModel:
    config = SimpleNamespace()

    def __init__(self, content: str = "weights") -> None:
        self.content = content

    def save_pretrained(self, path, *, safe_serialization: bool) -> None:
        assert safe_serialization
        (path / "model.safetensors").write_text(self.content)
        (path / "config.json").write_text("{}")


class FakeTokenizer:
    def save_pretrained(self, path) -> None:
        (path / "tokenizer.json").write_text("{}")


def test_a_model_object_is_saved_under_its_name_and_loaded(model_kernel, settings):
    told = []
    gpt.load(FakeModel(), name="my-model", tokenizer=FakeTokenizer(), on_progress=told.append)
    path = settings.home / "models" / "my-model"
    assert model_kernel.requests("/v1/load") == [{"model": str(path), "dtype": None}]
    assert (path / "tokenizer.json").exists()
    gpt.generate("Once", model="my-model+voice:3")
    assert asked(model_kernel)["model"] == f"{path}+voice:3"
    assert ("my-model", str(path)) in [(each.name, each.source) for each in gpt.models()]


def test_saving_again_replaces_the_files_and_never_writes_into_them(model_kernel, settings):
    path = settings.home / "models" / "my-model" / "model.safetensors"
    gpt.load(FakeModel("old"), name="my-model", tokenizer=FakeTokenizer())
    with path.open() as mapped:
        gpt.load(FakeModel("new"), name="my-model", tokenizer=FakeTokenizer())
        assert mapped.read() == "old"
    assert path.read_text() == "new"
    assert [each.name for each in path.parent.parent.iterdir()] == ["my-model"]


def test_saving_shows_no_bar_and_leaves_the_switch_as_it_was(model_kernel, monkeypatch):
    switch = FakeBars()
    monkeypatch.setitem(sys.modules, "transformers.utils.logging", switch)
    seen = []

    class Model(FakeModel):
        def save_pretrained(self, path, **options) -> None:
            super().save_pretrained(path, **options)
            seen.append(switch.shown)

    gpt.load(Model(), name="mine", tokenizer=FakeTokenizer())
    assert (seen, switch.shown) == ([False], True)
    switch.shown = False
    gpt.load(Model(), name="mine", tokenizer=FakeTokenizer())
    assert (seen, switch.shown) == ([False, False], False)


class FakeBars(ModuleType):
    """The switch of transformers' progress bars."""

    def __init__(self) -> None:
        super().__init__("transformers.utils.logging")
        self.shown = True

    def is_progress_bar_enabled(self) -> bool:
        return self.shown

    def enable_progress_bar(self) -> None:
        self.shown = True

    def disable_progress_bar(self) -> None:
        self.shown = False


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (FakeModel(), {"tokenizer": FakeTokenizer()}, "needs a name"),
        (FakeModel(), {"name": "../up", "tokenizer": FakeTokenizer()}, "'../up' can't be used"),
        (FakeModel(), {"name": "storyteller", "tokenizer": FakeTokenizer()}, "can't be used"),
        (FakeModel(), {"name": "mine"}, "needs its tokenizer: load(model, name='mine'"),
        (3, {"name": "mine"}, "not int"),
        ("gpt2", {"name": "mine"}, "belong to a model object"),
    ],
)
def test_what_can_not_be_loaded_is_refused(settings, model, options, words):
    with pytest.raises(InvalidRequest) as caught:
        gpt.load(model, **options)
    assert words in str(caught.value)


def test_a_model_object_stays_here_when_the_model_kernel_is_elsewhere(settings, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_URL", "http://gpu-machine:8642")
    with pytest.raises(InvalidRequest, match="cannot be sent to http://gpu-machine:8642: save it where"):
        gpt.load(FakeModel(), name="mine", tokenizer=FakeTokenizer())
    assert not settings.home_directory().exists()


def test_a_relative_path_is_made_absolute_here(model_kernel, tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    (tmp_path / "gpt2").mkdir()
    monkeypatch.chdir(tmp_path)
    resolved = {name: api.session.resolve(name) for name in ("tiny", "./tiny@main", "./none", "gpt2", "org/model@v1+a")}
    assert resolved == {
        "tiny": f"{tmp_path}/tiny",
        "./tiny@main": f"{tmp_path}/tiny@main",
        "./none": f"{tmp_path}/none",
        "gpt2": "gpt2",
        "org/model@v1+a": "org/model@v1+a",
    }


def test_use_changes_the_default(model_kernel):
    assert gpt.use("gpt2") == "gpt2"
    gpt.generate("Once")
    assert asked(model_kernel)["model"] == "gpt2"
    assert gpt.use(None) == "storyteller"


def test_a_hub_token_that_is_set_later_counts_and_goes_only_where_it_is_needed(model_kernel, settings, monkeypatch):
    def sent(model: str) -> str | None:
        gpt.generate("Once", model=model)
        return model_kernel.calls[-1][2].get("X-Hub-Token")

    assert sent("org/gated") is None
    monkeypatch.setenv("HF_TOKEN", "hf_now")
    assert sent("org/gated") == "hf_now"
    assert sent("storyteller") is None
    assert sent("/a/path") is None


# --- the model kernel -----------------------------------------------------------------------------------------------


def test_asking_starts_none(settings):
    assert gpt.status().state == "stopped"
    assert gpt.cancel() == 0
    assert not gpt.shutdown()
    gpt.unload("gpt2")


def test_status_cancel_and_unload(model_kernel):
    assert gpt.status().pid == model_kernel.pid
    assert gpt.cancel(["1"]) == 2
    gpt.cancel([])
    assert model_kernel.requests("/v1/cancel") == [{"ids": ["1"]}, {"ids": []}]
    gpt.unload("gpt2")
    assert model_kernel.requests("/v1/unload") == [{"model": "gpt2"}]


def test_looking_for_models_starts_none_and_finds_what_is_on_this_machine(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    downloaded(tmp_path, "models--org--tiny")
    saved = settings.home / "models" / "mine"
    saved.mkdir(parents=True)
    assert [each.name for each in gpt.models()] == ["storyteller", "org/tiny", "mine"]
    assert not any(each.loaded for each in gpt.models())


def test_shutdown(model_kernel):
    assert gpt.shutdown()
    assert gpt.status().state == "stopped"


def test_connect_uses_the_other_one_from_then_on(model_kernel, remote):
    gpt.connect(remote.address, token=TOKEN)
    gpt.generate("Once")
    assert len(remote.requests("/v1/generate")) == 1
    assert gpt.connect(None).pid == model_kernel.pid
    gpt.generate("Once")
    assert len(model_kernel.requests("/v1/generate")) == 1


def test_a_connection_that_fails_changes_nothing(model_kernel, remote):
    with pytest.raises(AuthenticationFailed, match=r"asks for its token: set GPT_NOTEBOOK_TOKEN.*of this machine"):
        gpt.connect(remote.address)
    with pytest.raises(AuthenticationFailed, match=r"token is wrong.*in the file that  gpt-notebook serve  named"):
        gpt.connect(remote.address, token="wrong")
    remote.close()
    with pytest.raises(ModelKernelNotRunning, match="calls still go to the model kernel of this machine"):
        gpt.connect(remote.address, token=TOKEN)
    assert gpt.generate("Once").text == " upon a time"
    assert len(model_kernel.requests("/v1/generate")) == 1


def test_an_address_for_other_clients_is_one_for_us(settings, remote):
    assert gpt.connect(f"{remote.address}/v1", token=TOKEN).pid == remote.pid


def test_a_model_kernel_elsewhere_ends_only_by_force(model_kernel, remote):
    gpt.connect(remote.address, token=TOKEN)
    with pytest.raises(ModelKernelBusy, match=rf"{remote.address} was not started from here: --force"):
        gpt.shutdown()
    assert remote.requests("/v1/stop") == []
    assert gpt.shutdown(force=True)
    assert (remote.requests("/v1/stop"), model_kernel.requests("/v1/stop")) == ([{"force": True}], [])


def test_the_environments_token_goes_to_the_environments_host_only(settings, remote, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", TOKEN)
    gpt.connect(remote.address)
    monkeypatch.setenv("GPT_NOTEBOOK_URL", "http://gpu-machine:8642")
    with pytest.raises(AuthenticationFailed):
        gpt.connect(remote.address)
    assert "Authorization" not in remote.calls[-1][2]


def test_events_begin_with_the_start(settings):
    with serving(RuntimeDirectory.of(settings)):
        assert isinstance(next(gpt.events("Once")), Started)

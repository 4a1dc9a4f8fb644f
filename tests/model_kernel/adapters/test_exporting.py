"""Exports through the engine: a process of its own writes them, and whatever ends one early leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import torch
import transformers

from gpt_notebook.errors import (
    GptNotebookError,
    InvalidRequest,
    ModelDamaged,
    ModelNotFound,
    ModelUnsupported,
    OutOfMemory,
    RequestCancelled,
)
from gpt_notebook.job_protocol import Exported, ExportRequest
from gpt_notebook.model_kernel.adapters import exporting
from gpt_notebook.protocol import Done, LoadRequest, Progress
from model_kernel import tiny_adapters
from model_kernel.asking import Reference, all_of, wait_for

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")


@pytest.fixture
def pip(tmp_path, tiny):
    return tiny_adapters.save(tmp_path / "home" / "adapters" / "pip", tiny())


def exported(engine, model, directory, **options):
    return all_of(engine.export(ExportRequest(model=model, directory=str(directory), **options)))


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_an_adapter_is_written_as_peft_does(engine, tiny, pip, tmp_path):
    target = tmp_path / "deep" / "export"
    *_, found, done = exported(engine, f"{tiny()}+pip", target)
    assert found == Exported(
        directory=str(target),
        files=("README.md", "adapter_config.json", "adapter_model.safetensors"),
        bytes=sum(path.stat().st_size for path in target.iterdir()),
    )
    assert isinstance(done, Done)
    assert names(target.parent) == ["export"]
    assert "# pip" in (target / "README.md").read_text("utf-8")
    assert "for `gpt2`" in (target / "README.md").read_text("utf-8")


def test_an_adapter_without_its_model_is_told_from_a_model_of_the_hub(engine, tiny, pip, tmp_path):
    with pytest.raises(ModelNotFound, match=r"pip is an adapter: write .*\+pip"):
        exported(engine, "pip", tmp_path / "export")


def test_a_merged_model_is_served_like_any_other_and_says_the_same(engine, tiny, pip, tmp_path):
    model, target = f"{tiny()}+pip", tmp_path / "merged"
    before = Reference(tiny()).logprobs(range(10, 20))
    all_of(engine.load(LoadRequest(model=model)))
    events = exported(engine, model, target, merged=True)
    assert events[0] == Progress(stage="reading", model=model)
    said = Reference(str(target)).logprobs(range(10, 20))
    torch.testing.assert_close(said, tiny_adapters.AdaptedReference(tiny(), pip).logprobs(range(10, 20)))
    assert (said - before).abs().max() > 0.01
    # The one that is served has not been touched.
    (served,) = [each for each in engine._models._loaded.values() if each.source.name == tiny()]
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny()).state_dict()
    assert all(torch.equal(each, plain[name]) for name, each in served.module.state_dict().items() if name in plain)
    all_of(engine.load(LoadRequest(model=str(target))))


def test_an_empty_directory_will_do_and_any_other_thing_will_not(engine, tiny, pip, tmp_path):
    (tmp_path / "empty").mkdir()
    exported(engine, f"{tiny()}+pip", tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for there in ("empty", "file", "link"):
        with pytest.raises(InvalidRequest, match=f"{there} is there already: name a directory that is not there yet"):
            exported(engine, f"{tiny()}+pip", tmp_path / there)
    with pytest.raises(InvalidRequest, match="must be an absolute path, not 'here'"):
        exported(engine, f"{tiny()}+pip", "here")
    assert (tmp_path / "file").read_text() == "mine"


def test_no_detour_leads_into_what_is_there_or_belongs_to_the_jobs(engine, tiny, pip, tmp_path):
    jobs = tmp_path / "home" / "jobs"
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    with pytest.raises(InvalidRequest, match="is there already"):
        exported(engine, f"{tiny()}+pip", tmp_path / "new/../full")
    (jobs / "fox").mkdir(parents=True)
    (tmp_path / "way").symlink_to(jobs / "fox")
    for place in (jobs, jobs / "ann", tmp_path / "way/checkpoints"):
        with pytest.raises(InvalidRequest, match="is among the jobs"):
            exported(engine, f"{tiny()}+pip", place)
    assert not list((jobs / "fox").iterdir())


def test_a_directory_that_cannot_be_made_is_said_to_be_so(engine, tiny, pip, tmp_path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(InvalidRequest, match="cannot be written to"):
        exported(engine, f"{tiny()}+pip", tmp_path / "file" / "export")


@pytest.mark.parametrize("merged", [False, True])
def test_what_could_not_be_served_is_not_handed_on(engine, tiny, pip, tmp_path, merged):
    with pytest.raises(ModelNotFound, match="no adapter 'pop'"):
        exported(engine, f"{tiny()}+pop", tmp_path / "export", merged=merged)
    with pytest.raises(ModelNotFound, match="someone/model is a model of the hub"):
        exported(engine, "someone/model", tmp_path / "export", merged=merged)
    tiny_adapters.change_config(pip, use_dora=True)
    with pytest.raises(ModelUnsupported, match="has DoRA"):
        exported(engine, f"{tiny()}+pip", tmp_path / "export", merged=merged)
    (pip / "adapter_config.json").write_text("{")
    with pytest.raises(ModelDamaged):
        exported(engine, f"{tiny()}+pip", tmp_path / "export", merged=merged)
    assert "export" not in names(tmp_path)


def test_an_adapter_of_another_model_fails_in_one_line_and_leaves_nothing(engine, tiny, pip, tmp_path):
    with pytest.raises(GptNotebookError, match=r"\+pip cannot be exported") as raised:
        exported(engine, f"{tiny('llama')}+pip", tmp_path / "export", merged=True)
    assert "\n" not in raised.value.message
    assert names(tmp_path) == ["home"]


def test_closing_or_cancelling_one_ends_its_process_and_leaves_nothing(engine, tiny, pip, tmp_path, monkeypatch):
    began = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def slow(*_arguments, **options):
        process = await start("sleep", "60", **options)
        began.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slow)
    request = ExportRequest(model=f"{tiny()}+pip", directory=str(tmp_path / "export"))

    async def story():
        events = engine.export(request)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await began.get()
        assert (engine.busy, engine.cancel(None)) == (True, 1)
        with pytest.raises(RequestCancelled, match="the export was stopped: nothing of it is left"):
            await waiting
        events = engine.export(request)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        process = await began.get()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await events.aclose()
        assert process.returncode is not None

    wait_for(story())
    assert names(tmp_path) == ["home"]
    assert not engine.busy


def test_a_process_that_was_killed_was_short_of_memory(engine, tiny, pip, tmp_path, monkeypatch):
    start = asyncio.create_subprocess_exec

    async def killed(*_arguments, **options):
        return await start("sh", "-c", "kill -9 $$", **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", killed)
    with pytest.raises(OutOfMemory, match="no room to merge"):
        exported(engine, f"{tiny()}+pip", tmp_path / "export")
    assert names(tmp_path) == ["home"]


def test_the_process_gets_no_secret(engine, tiny, pip, tmp_path, monkeypatch):
    seen = {}
    start = asyncio.create_subprocess_exec

    async def looking(*arguments, **options):
        seen.update(options["env"])
        return await start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", looking)
    for name in exporting.SECRETS:
        monkeypatch.setenv(name, "a secret")
    exported(engine, f"{tiny()}+pip", tmp_path / "export")
    assert "a secret" not in seen.values()

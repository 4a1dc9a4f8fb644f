"""Adapters as files, from the notebook's side: what is asked, of the model kernel and of whoever sits there."""

from __future__ import annotations

import builtins
import sys
import types

import pytest

import gpt_notebook as gpt
from gpt_notebook import adapter_management
from gpt_notebook.client import Client
from gpt_notebook.errors import InvalidRequest, JobInUse
from gpt_notebook.job_protocol import (
    DeleteAdapterRequest,
    Exported,
    ExportRequest,
    JobInfo,
    JobOptions,
    RenameAdapterRequest,
)
from gpt_notebook.protocol import AdapterInfo, Done, Progress
from gpt_notebook.testing import FakeEngine, serving


class Keeper(FakeEngine):
    """Writes down what it is asked, and changes nothing."""

    async def rename_adapter(self, request):
        self.asked.append(request)

    async def delete_adapter(self, request):
        self.asked.append(request)

    async def export(self, request, *, hub_token=None):
        self.asked.append(request)
        yield Progress(stage="computing", model=request.model, done=1, total=2)
        yield Exported(directory=request.directory, files=("README.md", "model.safetensors"), bytes=2_000_000)
        yield Done()


@pytest.fixture
def engine(settings, nothing_is_started, monkeypatch, tmp_path):
    engine = Keeper(
        adapters=[AdapterInfo(name="tale", source="/tale", steps=(2, 4)), AdapterInfo(name="pip", source="/p")]
    )
    with serving(engine) as kernel:
        gpt.connect(kernel.address, token=kernel.token)
        yield engine


@pytest.fixture
def answers(monkeypatch):
    """Returns what puts somebody before a terminal who gives an answer, and keeps the questions."""
    asked = []

    def given(answer):
        def reply(question):
            asked.append(question)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(builtins, "input", reply)
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
        return asked

    return given


def test_an_adapter_gets_another_name(engine):
    assert gpt.rename_adapter("pip", "pop") == "pop"
    assert gpt.rename_adapter("storyteller+pip", "pop") == "pop"
    assert engine.asked == [RenameAdapterRequest(name="pip", new_name="pop")] * 2


def test_a_name_that_is_none_is_refused(engine):
    with pytest.raises(InvalidRequest, match="'Pop!' is no name for a job: use up to 64 lower-case letters"):
        gpt.rename_adapter("pip", "Pop!")
    assert engine.asked == []


# --- deletion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "deleted"), [("y", True), (" YES ", True), ("n", False), ("", False), ("yep", False)]
)
def test_whoever_is_there_is_asked_before_something_is_deleted(engine, answers, answer, deleted):
    asked = answers(answer)
    assert gpt.delete_adapter("tale") is deleted
    assert asked == ["Delete the adapter tale with its 2 steps? [y/N] "]
    assert (DeleteAdapterRequest(name="tale") in engine.asked) is deleted


@pytest.mark.parametrize("arguments", [("tale", 4), ("tale:4",), ("storyteller+tale:4",)])
def test_a_step_can_be_named_in_three_ways(engine, answers, arguments):
    asked = answers("y")
    assert gpt.delete_adapter(*arguments)
    assert asked == ["Delete step 4 of tale? [y/N] "]
    assert engine.asked[-1] == DeleteAdapterRequest(name="tale", step=4)


def test_the_best_step_is_deleted_by_its_number_only(engine):
    with pytest.raises(InvalidRequest, match="tale:best is deleted by its number"):
        gpt.delete_adapter("tale:best", force=True)


def test_with_force_nobody_is_asked(engine, answers):
    asked = answers("n")
    assert gpt.delete_adapter("pip", force=True)
    assert asked == []


@pytest.mark.parametrize("answer", [EOFError(), NotImplementedError("no stdin")])
def test_where_nobody_answers_nothing_is_deleted(engine, answers, answer):
    answers(answer)
    with pytest.raises(
        InvalidRequest, match=r"Delete the adapter pip\? Nobody can be asked here: give the option force"
    ):
        gpt.delete_adapter("pip")
    assert not any(isinstance(each, DeleteAdapterRequest) for each in engine.asked)


@pytest.mark.parametrize("state", ["running", "queued"])
def test_what_a_job_still_makes_is_not_deleted_and_nobody_is_asked(engine, monkeypatch, state):
    job = JobInfo(
        id="1f", name="pip", model="storyteller", state=state, options=JobOptions(), directory="/jobs/pip", created=1.0
    )
    monkeypatch.setattr(adapter_management, "agreed", lambda *_: pytest.fail("somebody was asked"))
    monkeypatch.setattr(Client, "jobs", lambda _: [job])
    with pytest.raises(JobInUse, match=f"pip is {state} and can't be deleted now"):
        gpt.delete_adapter("pip")
    assert engine.asked == []


def test_where_there_is_no_terminal_nobody_is_asked(engine, monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: False))
    monkeypatch.setattr(builtins, "input", lambda _: pytest.fail("nobody is there"))
    with pytest.raises(InvalidRequest, match="Nobody can be asked here"):
        gpt.delete_adapter("pip")


def test_a_notebook_is_asked_though_it_has_no_terminal(engine, answers, monkeypatch):
    asked = answers("y")
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: False))
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert gpt.delete_adapter("pip")
    assert len(asked) == 1


# --- export ---------------------------------------------------------------------------------------------------------


def test_an_export_goes_where_the_notebook_says_and_tells_its_files(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = gpt.export("storyteller+pip", "out/pip", merged=True)
    assert engine.asked == [ExportRequest(model="storyteller+pip", directory=str(tmp_path / "out/pip"), merged=True)]
    assert (found.files, found.bytes) == (("README.md", "model.safetensors"), 2_000_000)
    assert repr(found) == f"<Export {tmp_path / 'out/pip'}: README.md, model.safetensors, 2 MB>"
    assert "2 files, 2 MB" in found._repr_mimebundle_()["text/plain"]


def test_a_model_kernel_elsewhere_needs_an_absolute_path(settings, tmp_path):
    with serving(Keeper(), unix=False) as kernel:
        gpt.connect(kernel.address, token=kernel.token)
        _check_elsewhere(tmp_path)


def _check_elsewhere(tmp_path):
    with pytest.raises(InvalidRequest, match=r"out would be written on the machine of .*: give an absolute path there"):
        gpt.export("storyteller+pip", "out")
    assert gpt.export("storyteller+pip", tmp_path / "out").directory == tmp_path / "out"


@pytest.mark.parametrize("directory", ["", None, 3])
def test_a_directory_must_be_one(engine, directory):
    with pytest.raises(InvalidRequest, match="directory is where to write"):
        gpt.export("storyteller+pip", directory)

"""`%gpt attach`: a job in any notebook; a terminal, which shows no panel, waits for it."""

from __future__ import annotations

import dataclasses

import pytest
from fake_jobs import INFO
from IPython.core.completer import provisionalcompleter
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from notebook_shell import new_shell

from gpt_notebook.errors import InvalidRequest, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.job import Job
from gpt_notebook.magics import model_names
from gpt_notebook.widgets.fine_tuning import FineTuningPanel

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def job(monkeypatch, settings):
    found = dataclasses.replace(INFO, state="paused")
    monkeypatch.setattr(job_records, "listed", lambda: [found])
    monkeypatch.setattr(job_records, "latest", lambda _: found)
    monkeypatch.setattr(model_names, "PATIENCE", 10.0)


@pytest.fixture
def _built(monkeypatch):
    monkeypatch.setattr(FineTuningPanel, "_missing", None)
    monkeypatch.setattr(FineTuningPanel, "_esm", "export default {}", raising=False)


@pytest.mark.usefixtures("_built")
def test_a_notebook_gets_the_panel_and_its_twin(shell):
    shell.run("%gpt attach pip")
    view, twin = shell.outputs()
    assert VIEW in view.data
    assert "pip" in twin.data["text/html"]


@pytest.mark.parametrize(("state", "waits"), [("paused", False), ("running", True)])
def test_a_terminal_gets_the_report_and_waits_for_what_goes_on(monkeypatch, capsys, state, waits):
    monkeypatch.setattr(job_records, "latest", lambda known: dataclasses.replace(known, state=state))
    waited = []
    monkeypatch.setattr(Job, "wait", lambda self: waited.append(self.id))
    new_shell(TerminalInteractiveShell).run_line_magic("gpt", "attach pip")
    assert "pip · LoRA on storyteller" in capsys.readouterr().out
    assert bool(waited) is waits


def test_a_job_that_is_not_there(shell):
    with pytest.raises(JobNotFound, match="did you mean pip"):
        shell.run("%gpt attach pit")


def test_it_needs_a_name(shell):
    with pytest.raises(InvalidRequest, match="%gpt attach JOB"):
        shell.run("%gpt attach")


@pytest.mark.parametrize("text", ["%gpt attach p", "%gpt att"])
def test_tab_completes_the_command_and_names(shell, text):
    with provisionalcompleter():
        found = {text[: each.start] + each.text for each in shell.Completer.completions(text, len(text))}
    assert found == {"%gpt attach pip" if text.endswith("p") else "%gpt attach"}

"""`%%gpt` in a real notebook kernel: what a saved notebook holds, and what an interrupt does to a running one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
import pytest
from nbclient import NotebookClient

from gpt_notebook.display.bundle import COMPLETION_MIME

pytestmark = pytest.mark.notebook

TESTS = Path(__file__).parent.parent

SET_UP = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
%load_ext gpt_notebook
from gpt_notebook import api
from notebook_shell import ScriptedModel, generation
model = ScriptedModel()
api.events = model.events
"""

NEVER_ENDING = """
def never_ending(prompt, **options):
    import threading
    yield from list(generation("a little fox"))[:-2]
    print("HANGING", flush=True)
    threading.Event().wait()
api.events = never_ending
"""


class Notebook:
    """A notebook that runs cell by cell."""

    def __init__(self, client: NotebookClient) -> None:
        self.client = client

    def run(self, source: str, on_message: Callable[[Any], None] | None = None) -> list[Any]:
        """Run a cell and return its outputs; `on_message` sees each message of the notebook kernel as it comes."""
        cells = self.client.nb.cells
        cells.append(nbformat.v4.new_code_cell(source))
        original = self.client.process_message

        def process_message(message: Any, *place: Any) -> Any:
            if on_message is not None:
                on_message(message)
            return original(message, *place)

        with mock.patch.object(self.client, "process_message", process_message):
            return list(self.client.execute_cell(cells[-1], len(cells) - 1).outputs)

    def interrupt(self) -> None:
        os.kill(self.client.km.provisioner.pid, signal.SIGINT)


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    client = NotebookClient(nbformat.v4.new_notebook(), allow_errors=True, timeout=60)
    with client.setup_kernel():
        notebook = Notebook(client)
        assert notebook.run(SET_UP) == []
        yield notebook


def test_a_cell_is_saved_as_one_output_with_the_final_text(notebook):
    (output,) = notebook.run("%%gpt --seed 7\nOnce")
    assert output.output_type == "display_data"
    assert set(output.data) == {"text/plain", "text/html", COMPLETION_MIME}
    assert output.data["text/plain"] == " a little fox"
    assert output.metadata["gpt_notebook"]["options"]["seed"] == 7


def test_the_same_cell_is_saved_as_the_same_output(notebook):
    first, second = (notebook.run("%%gpt --seed 7 --tokens\nOnce") for _ in range(2))
    assert first == second


def test_the_value_is_in_the_history(notebook):
    notebook.run("%%gpt\nOnce")
    (value,) = notebook.run("_.text")
    assert value.data["text/plain"] == "' a little fox'"


def test_nothing_heavy_comes_into_the_notebook_kernel(notebook):
    notebook.run("%%gpt\nOnce")
    (found,) = notebook.run(
        "{'torch', 'transformers', 'plotly', 'bertviz', 'pydantic', 'httpx', 'nh3'} & set(sys.modules)"
    )
    assert found.data["text/plain"] == "set()"


def test_a_captured_cell_shows_its_text_when_it_is_asked_to(notebook):
    assert notebook.run("%%capture kept\nget_ipython().run_cell_magic('gpt', '', 'Once')") == []
    shown = notebook.run("kept.show()")
    assert [each.data["text/plain"] for each in shown if "text/plain" in each.data] == [" a little fox"]


def test_a_refusal_is_one_line(notebook):
    (error,) = notebook.run("%%gpt --maxx 3\nOnce")
    assert error.output_type == "error"
    assert error.traceback == ["InvalidRequest: %%gpt has no option --maxx; did you mean --max?"]


def test_an_interrupt_gives_the_prompt_back_and_keeps_the_text(notebook):
    notebook.run(NEVER_ENDING)

    def interrupt_when_it_hangs(message: Any) -> None:
        if "HANGING" in str(message["content"].get("text", "")):
            notebook.interrupt()

    text, _, error = notebook.run("%%gpt\nOnce", on_message=interrupt_when_it_hangs)
    notebook.run("api.events = model.events")
    assert text.data["text/plain"] == "a little fox\n[incomplete: interrupted]"
    assert error.ename == "GenerationInterrupted"
    assert error.traceback == ["Interrupted: the text above is incomplete."]

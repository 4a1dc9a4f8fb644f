"""A real IPython shell with a front end that tests can read, and generations that follow a script."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import List, Type
from traitlets.config import Config

from gpt_notebook import api
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.protocol import Done, Event, Finished, SamplingOptions, Started, Timing, Token, Tokens, Usage


class FrontEnd(DisplayPublisher):
    """Shows outputs as a notebook does: an update replaces the output of the same display_id."""

    outputs: Any = List()
    publications: Any = List()

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
        output = SimpleNamespace(data=data, metadata=metadata, display_id=(transient or {}).get("display_id"))
        self.publications.append(output)
        if not update:
            self.outputs.append(output)
            return
        places = [i for i, shown in enumerate(self.outputs) if shown.display_id == output.display_id]
        for place in places:
            self.outputs[place] = output


class ResultHook(DisplayHook):
    """Puts a cell's value beside the outputs, as a notebook does."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.display_pub.publish(format_dict, md_dict)

    def finish_displayhook(self):
        self._is_active = False


class NotebookShell(InteractiveShell):
    display_pub_class = Type(FrontEnd)
    displayhook_class = Type(ResultHook)

    def outputs(self) -> list[Any]:
        """What is on the screen, and clear it."""
        shown = list(self.display_pub.outputs)
        self.display_pub.outputs.clear()
        self.display_pub.publications.clear()
        return shown

    def run(self, cell: str, cell_id: str | None = None) -> Any:
        """Run a cell as a front end does, and raise what it raised."""
        result = self.run_cell(cell, store_history=True, cell_id=cell_id)
        result.raise_error()
        return result.result


class ScriptedModel:
    """Stands in for `api.events`: remembers what it was asked, and answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[str] = []
        self.before: Sequence[Event] = ()
        self.breaks_with: BaseException | None = None
        self.finish_reason: Any = "stop"
        self.closed = 0

    def events(self, prompt=None, **options) -> Iterator[Event]:
        self.asked.append({"prompt": prompt, **options})
        answer = self.answers.pop(0) if self.answers else " a little fox"
        return self._stream(prompt, answer, options)

    def _stream(self, prompt, answer, options):
        names = SamplingOptions.__dataclass_fields__
        sampling = SamplingOptions(**({"seed": 7} | {name: options[name] for name in names if name in options}))
        try:
            yield from self.before
            yield from generation(
                answer, prompt=prompt or "", options=sampling, finish_reason=self.finish_reason, fails=self.breaks_with
            )
        finally:
            self.closed += 1


def generation(
    text: str,
    *,
    prompt: str = "Once",
    options: SamplingOptions | None = None,
    finish_reason: Any = "stop",
    fails: BaseException | None = None,
) -> Iterator[Event]:
    """The events of a generation whose tokens are the words of a text."""
    options = options or SamplingOptions(seed=7)
    words = [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]
    tokens = [Token(id=i, text=word, logprob=-0.5) for i, word in enumerate(words)]
    usage = Usage(prompt_tokens=1, completion_tokens=len(tokens))
    yield Started(id="1", model="storyteller", fingerprint="abc", prompt=prompt, prompt_token_ids=(5,), options=options)
    for index in range(options.n):
        for token in tokens:
            yield Tokens(index=index, tokens=(token,))
        if fails is not None:
            raise fails
        yield Finished(index=index, finish_reason=finish_reason, usage=usage)
    yield Done(timing=Timing(queued=0.0, first_token=0.01, total=0.02))


def completion(text: str = " a little fox", **options: Any) -> Completion:
    """A completion; its tokens are the words of the text."""
    return completions(text, **options)[0]


def completions(text: str = " a little fox", **options: Any) -> tuple[Completion, ...]:
    collector = Collector()
    for event in generation(text, **options):
        collector.add(event)
    return collector.completions()


def new_shell(kind: type[InteractiveShell] = NotebookShell) -> Any:
    shell = kind(config=Config({"HistoryManager": {"enabled": False}}))
    # At its end IPython collects garbage once for each shell there ever was, which takes a minute after all the tests.
    atexit.unregister(shell.atexit_operations)
    shell.run_line_magic("load_ext", "gpt_notebook")
    return shell


@pytest.fixture
def shell() -> Any:
    """A notebook's shell with the extension loaded."""
    return new_shell()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    """What answers instead of a model kernel."""
    scripted = ScriptedModel()
    monkeypatch.setattr(api, "events", scripted.events)
    return scripted

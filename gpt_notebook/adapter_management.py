"""The public functions about adapters as files: another name, deletion, export for others.

The model kernel does it, since it knows what is in use; here it is asked, and before something is deleted so is whoever sits
before the screen.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt_notebook import adapter_places, arguments
from gpt_notebook.asking import agreed
from gpt_notebook.display import progress
from gpt_notebook.display.quantities import counted, size
from gpt_notebook.display.reports import Report, Table
from gpt_notebook.errors import InvalidRequest, JobInUse, ModelKernelError
from gpt_notebook.job_protocol import DeleteAdapterRequest, Exported, ExportRequest, RenameAdapterRequest
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import AdapterInfo, Progress
from gpt_notebook.session import Model, session

if TYPE_CHECKING:
    from gpt_notebook.job_protocol import JobInfo


def rename_adapter(name: str, new_name: str) -> str:
    """Give an adapter another name, and to the job that made it; so too a model that a job has made.

    Returns:
        The name that it has now.

    Raises:
        InvalidRequest: the new name is none, or is taken.
        ModelNotFound: there is no adapter of that name.
        ModelInUse: requests are using it.
        JobInUse: the job that made it runs or is queued.
    """
    request = RenameAdapterRequest(name=_name(name), new_name=arguments.string("new_name", new_name))
    session.ask(lambda client: client.rename_adapter(request))
    return request.new_name


def delete_adapter(name: str, step: int | None = None, *, force: bool = False) -> bool:
    """Delete an adapter with the job that made it, or one of its steps; so too a model that a job has made.

    Args:
        name: What it is called after the `+`.
        step: Only this step.
        force: Whether not to ask first.

    Returns:
        Whether it was deleted: False where the answer was no.

    Raises:
        InvalidRequest: nobody can be asked here, and `force` is off.
        ModelNotFound: there is none of that name, or not that step.
        ModelInUse: requests are using it.
        JobInUse: the job that made it runs or is queued, or would go on from the step.
    """
    name, step = _name_and_step(_name(name), step)
    if not arguments.true_or_false("force", force) and not agreed(_question(name, step), name):
        return False
    request = DeleteAdapterRequest(name=name, step=step)
    session.ask(lambda client: client.delete_adapter(request))
    return True


@dataclass(frozen=True, kw_only=True, repr=False)
class Export:
    """What was written for others."""

    directory: Path
    """On the machine of the model kernel."""
    files: tuple[str, ...]
    bytes: int

    def __repr__(self) -> str:
        return f"<Export {self.directory}: {', '.join(self.files)}, {size(self.bytes)}>"

    def __fspath__(self) -> str:
        return str(self.directory)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        table = Table(("",), [(name,) for name in self.files], str(self.directory))
        report = Report(
            (table,), f"{counted(len(self.files), 'file')}, {size(self.bytes)}; README.md tells how to load it"
        )
        return {"text/plain": report.text(), "text/html": report.html()}


def export(model: Model, directory: str | os.PathLike[str], *, merged: bool = False) -> Export:
    """Write an adapter, or a model that a job has made, for others to load.

    Args:
        model: A model string with an adapter, such as `storyteller+pip:best`; or a model that a job has made.
        directory: Where; nothing may be there, or an empty directory.
        merged: Whether to add the adapter to the weights, which makes a model of its own that transformers loads;
            otherwise the adapter is written as peft does.

    Raises:
        InvalidRequest: something is there, or can't be written there.
        ModelError: there is no such model or adapter, or it can't be merged.
        OutOfMemory: merging takes more than the machine has.
    """
    writing = exporting(model, directory, merged=merged)
    with progress.line() as show:
        try:
            while True:
                show(next(writing))
        except StopIteration as end:
            found: Exported = end.value
    return Export(directory=Path(found.directory), files=found.files, bytes=found.bytes)


def exporting(
    model: Model, directory: str | os.PathLike[str], *, merged: bool = False
) -> Generator[Progress, None, Exported]:
    """Yield how far an export is, and return what was written; see `export`."""
    request = ExportRequest(
        model=session.resolve(model), directory=_directory(directory), merged=arguments.true_or_false("merged", merged)
    )
    with contextlib.closing(session.stream(lambda client: client.export(request))) as events:
        for event in events:
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, Exported):
                return event
    message = "the model kernel exported the model but did not say so: is it of another version?"
    raise ModelKernelError(message)


def _directory(directory: str | os.PathLike[str]) -> str:
    """Return a directory as the model kernel understands it.

    Raises:
        InvalidRequest: it is relative to this process, and the model kernel is elsewhere.
    """
    if not isinstance(directory, str | os.PathLike) or not os.fspath(directory):
        message = f"directory is where to write, such as 'exports/pip', not {directory!r}"
        raise InvalidRequest(message, param="directory")
    given = Path(os.fspath(directory))
    url = session.settings.url
    if url is not None and not url.startswith("unix:") and not given.is_absolute():
        message = f"{given} would be written on the machine of {url}: give an absolute path there"
        raise InvalidRequest(message, param="directory")
    try:
        return str(given.expanduser().absolute())
    except RuntimeError:  # a home that nobody has
        message = f"{given} begins with the home of a user that this machine does not know: write the path out"
        raise InvalidRequest(message, param="directory") from None


# --- deletion -------------------------------------------------------------------------------------------------------


def _name(name: Any) -> str:
    """Return the name of an adapter, given as such or after a `+` as in a model string."""
    text = arguments.string("name", name)
    return adapter_places.split(text)[1] or text


def _name_and_step(name: str, step: Any) -> tuple[str, int | None]:
    """Return a name and a step, which may be given as `name:step`.

    Raises:
        InvalidRequest: the step is none.
    """
    base, colon, part = name.rpartition(":")
    if step is None and colon and part.isdigit():
        return base, int(part)
    if step is None and colon and part == adapter_places.BEST:
        message = f"{name} is deleted by its number: see gpt.adapters()"
        raise InvalidRequest(message, param="step")
    return name, None if step is None else arguments.positive("step", step)


def _question(name: str, step: int | None) -> str:
    """Return what to ask, with all that would be gone.

    Raises:
        JobInUse: the job that made it runs or is queued, so that a yes would be of no use.
    """
    if step is not None:
        return f"Delete step {step} of {name}?"
    info = session.ask(lambda client: next((each for each in client.adapters() if each.name == name), None))
    job = session.ask(lambda client: next((each for each in client.jobs() if each.name == name), None))
    if job is not None and job.state in ("running", "queued"):
        message = f"{name} is {job.state} and can't be deleted now: wait until it has ended, or stop it"
        raise JobInUse(message, next_action=NextAction("stop", name))
    return f"Delete {_what(name, info, job)}?"


def _what(name: str, info: AdapterInfo | None, job: JobInfo | None) -> str:
    kind = "the adapter" if info is not None or job is None or job.options.method == "lora" else "the model"
    steps = len(info.steps) if info is not None else 0
    parts = [f"its {counted(steps, 'step')}" if steps else "", "all that is known of its training" if job else ""]
    return " with ".join(filter(None, (f"{kind} {name}", " and ".join(filter(None, parts)))))

"""The public functions about models and about the model kernel; api.py has them beside those about text."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Any, get_args

from gpt_notebook import adapter_files, adapter_places, arguments, hub, launcher, saved_models
from gpt_notebook.errors import GptNotebookError, InvalidRequest, ModelKernelError
from gpt_notebook.protocol import (
    DEFAULT_MODEL,
    AdapterInfo,
    CancelRequest,
    Done,
    Dtype,
    Event,
    Loaded,
    LoadRequest,
    ModelInfo,
    Progress,
    Status,
    UnloadRequest,
)
from gpt_notebook.session import Model, Session, session


def models() -> list[ModelInfo]:
    """List the models that can be used without a download: loaded, saved from a notebook, or in the hub's cache.

    Starts no model kernel to find out.
    """
    kernel = launcher.running(session.settings)
    saved = {info.source: info for info in saved_models.listing(session.settings)}
    found: dict[str, ModelInfo] = {}
    for info in [*(kernel[0].models() if kernel else _at_hand()), *saved.values()]:
        if info.source not in found or (info.loaded and not found[info.source].loaded):
            found[info.source] = _named(info, saved.get(info.source))
    return list(found.values())


def _at_hand() -> list[ModelInfo]:
    """Return the models that a model kernel of this machine would find, beside the saved ones."""
    bundled = ModelInfo(name=DEFAULT_MODEL, source="comes with gpt_notebook", loaded=False)
    return [bundled, *hub.cached_models()]


def _named(info: ModelInfo, saved: ModelInfo | None) -> ModelInfo:
    """Return a model under the short name that it was saved under."""
    return info if saved is None else replace(info, name=saved.name)


def adapters() -> list[AdapterInfo]:
    """List the adapters that have a name, and those that are loaded from elsewhere; each goes after a `+` on a model.

    Starts no model kernel to find out.
    """
    kernel = launcher.running(session.settings)
    return kernel[0].adapters() if kernel else adapter_files.listing(session.settings.home_directory())


def load(
    model: Any,
    *,
    name: str | None = None,
    tokenizer: Any = None,
    dtype: Dtype | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> ModelInfo:
    """Load a model and keep it warm.

    Args:
        model: A model string, or a transformers model of this process, which is saved first.
        name: What a model object is called from then on, in any notebook; for a model string with an adapter, what a
            copy of the adapter is called.
        tokenizer: The tokenizer of a model object.
        dtype: None keeps the one that the weights are stored in.
        on_progress: Called with each `Progress`.
    """
    found = None
    for event in load_events(model, name=name, tokenizer=tokenizer, dtype=dtype):
        if isinstance(event, Loaded):
            found = event.model
        elif isinstance(event, Progress) and on_progress is not None:
            on_progress(event)
    if found is None:
        message = "the model kernel loaded the model but did not say so: is it of another version?"
        raise ModelKernelError(message)
    return found


def load_events(
    model: Any, *, name: str | None = None, tokenizer: Any = None, dtype: Dtype | None = None
) -> Generator[Event, None, None]:
    """Load a model as `load` does, as the protocol's events; a model object is saved before the first.

    An adapter that is to have a name is copied once it has been loaded.

    Raises:
        InvalidRequest: a name or tokenizer that has no use, or a model object for a model kernel that `url` names.
    """
    if dtype is not None:
        arguments.one_of("dtype", dtype, get_args(Dtype))
    if isinstance(model, (str, os.PathLike)):
        source = session.resolve(model)
        base, adapter = adapter_places.split(source)
        if tokenizer is not None or (name is not None and adapter is None):
            message = "name and tokenizer belong to a model object; a model string has its own"
            if adapter_places.holds(base, adapter_places.CONFIG):
                message = f"{base} holds an adapter: put its model before it, such as gpt.load('storyteller+{base}', name={name!r})"
            raise InvalidRequest(message, param="name")
        if name is not None and adapter is not None:
            _check_local("an adapter")
            return _keeping(base, adapter, name, dtype)
    else:
        _check_local("a model")
        source = str(saved_models.save(model, name, tokenizer, session.settings))
    return _loading(LoadRequest(model=source, dtype=dtype))


def _loading(request: LoadRequest) -> Generator[Event, None, None]:
    return session.stream(lambda client: client.load(request))


def _keeping(base: str, adapter: str, name: str, dtype: Dtype | None) -> Generator[Event, None, None]:
    """Load an adapter, which is looked at closely for that, and then a copy of it that has a name."""
    for event in _loading(LoadRequest(model=f"{base}+{adapter}", dtype=dtype)):
        if not isinstance(event, Loaded | Done):
            yield event
    saved_models.keep_adapter(adapter, name, session.settings)
    yield from _loading(LoadRequest(model=f"{base}+{name}", dtype=dtype))


def _check_local(what: str) -> None:
    """Refuse to give something of this machine to a model kernel elsewhere."""
    if (url := session.settings.url) is not None:
        message = f"{what} of this notebook cannot be sent to {url}: save it where that model kernel can read it, and load that path"
        raise InvalidRequest(message, param="model")


def unload(model: str | os.PathLike[str]) -> None:
    """Give a model's memory back, or that of the adapter after its `+`; nothing happens when no model kernel runs.

    Raises:
        ModelInUse: it has running requests.
    """
    request = UnloadRequest(model=session.resolve(model))
    found = launcher.running(session.settings)
    if found is not None:
        found[0].unload(request)


def use(model: Model) -> str:
    """Make a model the default of this process and return what it resolves to; None: the one of the settings again."""
    resolved = session.resolve(model) if model is not None else None
    session.use(resolved)
    return session.model


def status() -> Status:
    """Tell what the model kernel does; starts none, and says `stopped` when there is none."""
    found = launcher.running(session.settings)
    return found[1] if found else Status(state="stopped")


def connect(url: str | None = None, *, token: str | None = None) -> Status:
    """Use the model kernel at a URL from now on; None: the local one again.

    Args:
        url: Such as `https://gpu-machine:8642`; a `/v1` at its end makes no difference.
        token: Its secret; None takes GPT_NOTEBOOK_TOKEN, unless that belongs to the host of GPT_NOTEBOOK_URL.

    Raises:
        AuthenticationFailed: it asks for a token, or for another one.
        ModelKernelNotRunning: nothing answers there.
        GptNotebookError: whatever it is, the connection stays as it was.
    """
    if url is not None:
        attempt = Session()
        try:
            attempt.connect(arguments.string("url", url), token)
            launcher.ensure(attempt.settings)
        except GptNotebookError as error:
            message = f"{error.message}; calls still go to {session.place}"
            raise type(error)(message, param=error.param) from error
    session.connect(url, token)
    return status()


def cancel(ids: Iterable[str] | None = None) -> int:
    """Stop running requests, all or those with these ids; returns how many there were."""
    request = CancelRequest(ids=None if ids is None else tuple(arguments.strings("ids", ids) if ids else ()))
    found = launcher.running(session.settings)
    return found[0].cancel(request) if found else 0


def shutdown(*, force: bool = False) -> bool:
    """Stop the model kernel; False when there was none.

    Raises:
        ModelKernelBusy: `force` is off, and others use it, or it is one at a URL, which is there for others.
    """
    return launcher.stop(session.settings, force=force)

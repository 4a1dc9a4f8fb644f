"""The loaded models: found by name, loaded once, kept within a budget, the least recently used leaving first.

The budget is for weights, for their packed copies and for adapters. Copies are made where there is room for them, and
are the first to leave; no model leaves for one.

All of its state belongs to the event loop's thread; loading runs in a thread of its own, one model at a time, and
downloads in others.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import psutil
import torch

from gpt_notebook.adapter_places import NAME, split
from gpt_notebook.byte_sizes import size
from gpt_notebook.errors import ModelNotFound, OutOfMemory
from gpt_notebook.model_kernel import fetching, hub, linear, loading, model_config, weights
from gpt_notebook.model_kernel.adapters.adapters import Adapters
from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.in_use import refuse_in_use
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.model_config import GENERATING, Kinds
from gpt_notebook.protocol import DEFAULT_MODEL, Memory, ModelInfo, Progress
from gpt_notebook.settings import Settings
from gpt_notebook.template_process import TemplateProcess

if TYPE_CHECKING:
    from gpt_notebook.model_kernel.weights import Source

Left = Callable[[str], None]
"""Takes the fingerprint of a model, or of one with its adapter."""
Result = TypeVar("Result")
Held = TypeVar("Held", LoadedModel, LoadedModel | LoadedAdapter)
Key = tuple[str, str | None]
"""A model string and the dtype that was asked for."""

BUDGET_SHARE = 0.6
DOWNLOADS = 4
"""How many models are downloaded at once; none of them keeps another from being loaded."""
REPORTS_EVERY = 0.1
"""Seconds between two reports of a load's progress."""


@dataclass(eq=False)
class _Load:
    """One load in progress, which any number of requests may wait for."""

    progress: Progress
    kinds: Kinds
    """The kinds that one or another of those who wait can use."""
    task: asyncio.Task[LoadedModel] | None = None


def best_device(settings: Settings) -> torch.device:
    """Return the device that models run on."""
    if settings.device is not None:
        return torch.device(settings.device)
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_memory(device: torch.device) -> int:
    """Return how many bytes a device has."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return int(psutil.virtual_memory().total)


def give_back_freed(device: torch.device) -> None:
    """Give freed memory back to the device or the operating system."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    # Only glibc has this, and only there what was freed would stay with the process.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _in(executor: ThreadPoolExecutor, work: Callable[[], Result]) -> asyncio.Future[Result]:
    return asyncio.get_running_loop().run_in_executor(executor, work)


class Models:
    """The models of one device."""

    def __init__(self, settings: Settings, *, left: Left = lambda _: None) -> None:
        """Begin with none; `left` is told of what has been unloaded or replaced, not of what may come back when needed."""
        self.device = best_device(settings)
        self.budget = settings.memory_budget or int(device_memory(self.device) * BUDGET_SHARE)
        self._saved = settings.home_directory() / "models"
        self._left = left
        self._loaded: dict[Key, LoadedModel] = {}
        self._replaced: list[LoadedModel] = []
        """Models whose files have been saved again while streams run on them."""
        self._loads: dict[Key, _Load] = {}
        self._placing = asyncio.Lock()
        """Held from finding room for a model until it is counted, so that two can't take the same room."""
        self._templates = TemplateProcess()
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")
        self._downloader = ThreadPoolExecutor(max_workers=DOWNLOADS, thread_name_prefix="downloader")
        self.adapters = Adapters(settings.home_directory(), make_room=self._make_room, placing=self._placing, left=left)

    def name_of(self, model: str) -> str:
        """Return what to call a model: one that was saved by name goes by it, also when it is asked for by its path.

        The adapter of a model string is called likewise.

        Raises:
            InvalidRequest: the string has a `+`, and nothing before or after it.
        """
        base, adapter = split(model)
        path = Path(base)
        name = path.name if path.parent == self._saved and NAME.fullmatch(path.name) else base
        return name if adapter is None else f"{name}+{self.adapters.name_of(adapter)}"

    async def ready(
        self, name: str, *, dtype: str | None = None, hub_token: str | None = None, kinds: Kinds = GENERATING
    ) -> AsyncIterator[Progress | LoadedModel]:
        """Yield the progress of loading a model, if it has to be loaded, and last the model; without its adapter.

        A local directory that was saved again is a new model: running streams keep the old one until they end. A model
        of none of the `kinds` is refused by its config, and its weights are not read for that.

        Raises:
            ModelError: it can't be loaded; says why.
            OutOfMemory: the budget has no room for it.
        """
        name, _ = split(name)
        # Unless a dtype is asked for, the model as it is loaded will do, so that a `load` with a dtype holds.
        key = (name, dtype) if dtype is not None else next((k for k in self._loaded if k[0] == name), (name, None))
        if (loaded := self._loaded.get(key)) is not None and self._is_current(loaded):
            loaded.refuse_unless(kinds)
            loaded.last_used = time.monotonic()
            yield loaded
            return
        load = self._loads.get(key)
        if load is None or (load.task is not None and load.task.done()):
            load = self._start(key, hub_token, kinds)
        load.kinds |= kinds
        assert load.task is not None  # noqa: S101 - _start has just made it
        shown = None
        while not load.task.done():
            if load.progress is not shown:
                shown = load.progress
                yield shown
            await asyncio.wait({load.task}, timeout=REPORTS_EVERY)
        loaded = load.task.result()
        loaded.refuse_unless(kinds)
        yield loaded

    def _is_current(self, loaded: LoadedModel) -> bool:
        if loaded.source.commit is not None:
            return True
        try:
            return loaded.fingerprint.startswith(loaded.source.fingerprint())
        except OSError:
            return False

    def _start(self, key: Key, hub_token: str | None, kinds: Kinds) -> _Load:
        load = _Load(Progress(stage="reading", model=key[0]), kinds)
        load.task = asyncio.create_task(self._load(key, load, hub_token))
        self._loads[key] = load

        def finished(task: asyncio.Task[LoadedModel]) -> None:
            if self._loads.get(key) is load:
                del self._loads[key]
            if not task.cancelled():
                task.exception()  # Seen, even when everybody who waited has left.

        load.task.add_done_callback(finished)
        return load

    async def _load(self, key: Key, load: _Load, hub_token: str | None) -> LoadedModel:
        name, asked = key

        def report(stage: Literal["downloading", "reading"]) -> Callable[[int, int], None]:
            def reported(done: int, total: int) -> None:
                load.progress = Progress(stage=stage, model=name, done=done, total=total)

            return reported

        source = weights.local(name, self._saved)
        if source is None:
            source = await _in(
                self._downloader, lambda: fetching.fetch(name, self._saved.parent, hub_token, report("downloading"))
            )
        found: Source = source
        config = await _in(self._loader, lambda: weights.check(found))
        dtype = loading.dtype_for(config, asked, self.device)
        needed = loading.memory_needed(source, config, dtype)
        kind, described = await _in(self._loader, lambda: loading.describe(found, self.device))
        model_config.refuse(source.name, kind, described, load.kinds)
        async with self._placing:
            self._make_room(name, needed, instead_of=name)
            await _in(self._loader, lambda: weights.read_ahead(found, report("reading")))
            try:
                loaded = await _in(self._loader, lambda: loading.load(found, dtype, self.device, self._templates))
            except Exception as error:
                _let_go(error)
                self._give_back()
                raise
            if not loaded.is_small:
                # Before anybody uses it, so that it says the same from its first word on.
                room = self.budget - self._taken(without=name) - loaded.bytes
                loaded.packed_bytes = await _in(self._loader, lambda: linear.pack(loaded.module, room))
            for other in [k for k in self._loaded if k[0] == name]:
                self._replaced.append(self._loaded.pop(other))
            self._loaded[key] = loaded
            self._forget_adapters()
        return loaded

    def _held(self) -> list[LoadedModel]:
        """Return what takes memory: the loaded models, and replaced ones on which streams still run."""
        still = [model for model in self._replaced if model.in_use]
        if len(still) < len(self._replaced):
            for model in self._replaced:
                if not model.in_use:
                    self._gone(model)
            self._replaced = still
            self._forget_adapters()
        return [*self._loaded.values(), *self._replaced]

    def _taken(self, *, without: str | None = None) -> int:
        """Return the bytes of the budget that are taken, by others than idle versions of the model `without`."""
        held = [model for model in self._held() if model.in_use or model.source.name != without]
        return sum(model.bytes + model.packed_bytes for model in held) + self.adapters.bytes

    def _make_room(self, name: str, needed: int, *, instead_of: str | None = None) -> None:
        """Let go of what can be spared, until `needed` bytes fit.

        First the packed copies of idle models, then idle models and adapters, last the packed copies of models in use,
        which then become slower; of each kind the least recently used first.

        Args:
            name: what the room is for.
            needed: how many bytes.
            instead_of: a model whose idle versions leave for it, once it is there.

        Raises:
            OutOfMemory: those in use leave too little room; nothing has left.
        """
        held = self._held()
        idle = [model for model in held if not model.in_use and model.source.name != instead_of]
        excess = self._taken(without=instead_of) + needed - self.budget
        tenants: list[LoadedModel | LoadedAdapter] = [*self.adapters.idle(), *idle]
        spared: list[tuple[int, Callable[[], object]]] = [
            *((model.packed_bytes, model.unpack) for model in _oldest_first(idle)),
            *((each.bytes, self._leaving(each)) for each in _oldest_first(tenants)),
            *((model.packed_bytes, model.unpack) for model in _oldest_first(held) if model.in_use),
        ]
        leaving = []
        for spare, leave in spared:
            if excess <= 0:
                break
            if spare:
                leaving.append(leave)
                excess -= spare
        if needed > self.budget:
            message = (
                f"{name} needs {size(needed)}, more than the whole budget of {size(self.budget)}: choose a smaller one, "
                "or raise GPT_NOTEBOOK_MEMORY_BUDGET"
            )
            raise OutOfMemory(message)
        if excess > 0:
            message = (
                f"{name} needs {size(needed)}, and of the budget of {size(self.budget)} only "
                f"{size(max(0, needed - excess))} can be had, as those in use stay: wait or unload a model (%gpt unload), "
                "choose a smaller one, or raise GPT_NOTEBOOK_MEMORY_BUDGET"
            )
            raise OutOfMemory(message)
        for leave in leaving:
            leave()
        if leaving:
            self._give_back()

    def _leaving(self, each: LoadedModel | LoadedAdapter) -> Callable[[], None]:
        """Return what lets a model or an adapter go."""

        def leave() -> None:
            if isinstance(each, LoadedAdapter):
                self.adapters.drop(each)
                return
            self._loaded = {key: model for key, model in self._loaded.items() if model is not each}
            each.batch = None
            self._forget_adapters()

        return leave

    def _forget_adapters(self) -> None:
        """Let the adapters go whose models have gone."""
        self.adapters.keep({model.fingerprint for model in self._held()})

    def unload(self, name: str) -> None:
        """Give a model's memory back, or an adapter's where the name has one.

        Raises:
            ModelNotFound: it isn't loaded; names those that are.
            ModelInUse: requests are using it.
        """
        name, adapter = split(name)
        if adapter is not None:
            self.adapters.unload(name, adapter)
            self._give_back()
            return
        keys = [k for k in self._loaded if k[0] == name]
        if not keys:
            loaded = ", ".join(sorted({k[0] for k in self._loaded})) or "none"
            message = f"{name} is not loaded; loaded: {loaded}"
            raise ModelNotFound(message)
        self._unload(name, keys)

    def let_go_of(self, name: str, files: Path) -> None:
        """Give back the memory of what was read from below a directory, models and adapters: it is about to be changed.

        Raises:
            ModelInUse: requests are using it.
        """
        self.adapters.let_go_of(name, files)
        self._unload(name, [k for k, model in self._loaded.items() if model.source.directory.is_relative_to(files)])

    def _unload(self, name: str, keys: Sequence[Key]) -> None:
        refuse_in_use(name, [self._loaded[k] for k in keys])
        for k in keys:
            self._gone(self._loaded.pop(k))
        self._forget_adapters()
        self._give_back()

    def _gone(self, model: LoadedModel) -> None:
        """Let go of a model that has been unloaded or replaced, and tell."""
        model.batch = None
        model.gone = True
        self._left(model.fingerprint)

    def _give_back(self) -> None:
        gc.collect()
        give_back_freed(self.device)

    def loaded(self) -> list[ModelInfo]:
        """Return the loaded models."""
        return [model.info() for model in self._loaded.values()]

    def memory(self) -> Memory:
        """Return what the models take."""
        held = self._held()
        return Memory(
            device=str(self.device),
            budget=self.budget,
            weights=sum(model.bytes for model in held),
            packed=sum(model.packed_bytes for model in held),
            adapters=self.adapters.bytes,
            process=psutil.Process().memory_info().rss,
        )

    @property
    def loading(self) -> bool:
        """Whether a load is in progress."""
        return bool(self._loads)

    async def available(self) -> list[ModelInfo]:
        """Return every model that can be used without a download, the loaded ones first."""
        bundled = weights.local(DEFAULT_MODEL, self._saved)
        cached = await asyncio.to_thread(hub.cached_sources)
        sources = [*([bundled] if bundled else []), *weights.saved_sources(self._saved), *cached]
        loaded = self.loaded()
        names = {info.name for info in loaded}
        rest = [
            ModelInfo(name=s.name, source=str(s.directory) if s.commit is None else s.name, loaded=False, bytes=s.size)
            for s in sources
            if s.name not in names
        ]
        return loaded + rest

    def close(self) -> None:
        """Let everything go."""
        for executor in (self._loader, self._downloader):
            executor.shutdown(wait=False, cancel_futures=True)
        self._loaded.clear()
        self.adapters.clear()
        self._templates.close()


def _oldest_first(held: Sequence[Held]) -> list[Held]:
    return sorted(held, key=lambda each: each.last_used)


def _let_go(error: BaseException | None) -> None:
    """Make an error forget the half-made model that the frames of its traceback hold."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__

"""The loaded adapters: found by name or path, read once, let go with their model, when nobody uses them, or when told.

An adapter is the bytes that its files had when a request for it was let in. When they change, the next request gets
another adapter, and those that run keep theirs. All of the state belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import torch

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.errors import ModelNotFound, ModelUnsupported
from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.adapters.lora import Lora
from gpt_notebook.model_kernel.in_use import refuse_in_use
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.protocol import AdapterInfo

Key = tuple[str, str]
"""A model's fingerprint, and the digest of an adapter's files."""

MakeRoom = Callable[[str, int], None]
"""Makes room for something of this name and so many bytes in the budget, or raises `OutOfMemory`."""


class Adapters:
    """The adapters of the models of one device."""

    def __init__(
        self, home: Path, *, make_room: MakeRoom, placing: asyncio.Lock, left: Callable[[str], None] = lambda _: None
    ) -> None:
        """Begin with none.

        Args:
            home: where the adapters are that have a name.
            make_room: what knows the budget.
            placing: held from finding room until it is taken.
            left: told of the fingerprints of those that have been unloaded or replaced.
        """
        self._left = left
        self._home = home
        self._make_room = make_room
        self._placing = placing
        self._reading = asyncio.Lock()
        """Held while an adapter is read, so that those who ask for it at once read it once."""
        self._loaded: dict[Key, LoadedAdapter] = {}
        self._asked: dict[tuple[str, str], str] = {}
        """By a model's fingerprint and the name that was asked for: the digest that this was the last time."""
        self._digests: dict[Path, tuple[tuple[int, ...], str]] = {}
        """By directory: the stamp of its files, and their digest, while that is loaded."""

    # --- loading ----------------------------------------------------------------------------------------------------

    async def ready(self, model: LoadedModel, adapter: str) -> LoadedAdapter:
        """Return an adapter of a model, read from its files if they are not those that are loaded.

        Args:
            model: what it is added to.
            adapter: the part of a model string after the `+`.

        Raises:
            ModelNotFound: there is no such adapter.
            ModelUnsafe: its weights are pickled.
            ModelDamaged: its files are incomplete or corrupt.
            ModelUnsupported: it is for another model, or more than LoRA.
            OutOfMemory: the budget has no room for it.
        """
        name = self.name_of(adapter)
        if model.kind != "causal":
            message = (
                f"{model.source.name} is no causal language model, and only those take an adapter: leave +{name} out"
            )
            raise ModelUnsupported(message)
        with model.used():
            place = await asyncio.to_thread(adapter_places.locate, adapter, self._home)
            found = self._known(model, place, await asyncio.to_thread(adapter_files.stamp, place))
            if found is None:
                async with self._reading:
                    found = await self._read(model, name, place)
        self._asked[model.fingerprint, name] = found.digest
        self._sweep()
        found.last_used = time.monotonic()
        return found

    def _known(self, model: LoadedModel, place: Path, stamp: tuple[int, ...]) -> LoadedAdapter | None:
        before, digest = self._digests.get(place, ((), ""))
        return self._loaded.get((model.fingerprint, digest)) if before == stamp else None

    async def _read(self, model: LoadedModel, name: str, place: Path) -> LoadedAdapter:
        # Before the bytes, so that files which change in between are read again the next time.
        stamp = await asyncio.to_thread(adapter_files.stamp, place)
        if (found := self._known(model, place, stamp)) is not None:  # Somebody else has read it meanwhile.
            return found
        files = await asyncio.to_thread(adapter_files.read, place)
        key = (model.fingerprint, files.digest)
        if key not in self._loaded:
            lora = Lora(name, files)
            async with self._placing:
                self._make_room(f"the adapter {name}", lora.elements * torch.float32.itemsize)
                self._loaded[key] = await asyncio.to_thread(self._made, model, lora, files.directory, files.digest)
        self._digests[place] = (stamp, files.digest)
        return self._loaded[key]

    def _made(self, model: LoadedModel, lora: Lora, directory: Path, digest: str) -> LoadedAdapter:
        matrices = lora.matrices(model)
        tensors = [tensor for each in matrices.values() for tensor in (each.a, each.b)]
        return LoadedAdapter(
            name=lora.name,
            directory=directory,
            model=model.source.name,
            model_fingerprint=model.fingerprint,
            digest=digest,
            matrices=matrices,
            bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
            parameters=sum(tensor.numel() for tensor in tensors),
            rank=lora.rank,
            base=lora.base,
            by_row=not any("experts" in layer.split(".") for layer in matrices),
        )

    def name_of(self, adapter: str) -> str:
        """Return what to call an adapter: one that has a name goes by it, also when it is asked for by its path."""
        path = Path(adapter)
        return path.name if path.parent == adapter_places.directory(self._home) else adapter

    # --- letting go -------------------------------------------------------------------------------------------------

    def unload(self, model: str, adapter: str) -> None:
        """Give an adapter's memory back.

        Raises:
            ModelNotFound: it isn't loaded; names those that are.
            ModelInUse: requests are using it.
        """
        name = self.name_of(adapter)
        named = {(fingerprint, digest) for (fingerprint, asked), digest in self._asked.items() if asked == name}
        found = [each for key, each in self._loaded.items() if key in named and each.model == model]
        if not found:
            there = ", ".join(sorted(f"{each.model}+{each.name}" for each in self._loaded.values())) or "none"
            message = f"{model}+{name} is not loaded; loaded adapters: {there}"
            raise ModelNotFound(message)
        refuse_in_use(f"{model}+{name}", found)
        for each in found:
            self.drop(each)
            self._gone(each)

    def let_go_of(self, name: str, files: Path) -> None:
        """Give back the memory of what was read from below a directory, which is about to be changed.

        Raises:
            ModelInUse: requests are using it.
        """
        found = [each for each in self._loaded.values() if each.directory.resolve().is_relative_to(files)]
        refuse_in_use(name, found)
        for each in found:
            self.drop(each)
            self._gone(each)

    def idle(self) -> list[LoadedAdapter]:
        """Return those that nobody uses."""
        return [each for each in self._loaded.values() if not each.in_use]

    def drop(self, adapter: LoadedAdapter) -> None:
        """Let an adapter go."""
        self._loaded.pop((adapter.model_fingerprint, adapter.digest), None)
        self._sweep()

    def keep(self, fingerprints: Collection[str]) -> None:
        """Let those go that nobody uses and whose models are not among these."""
        for each in self.idle():
            if each.model_fingerprint not in fingerprints:
                self.drop(each)

    def _sweep(self) -> None:
        """Let those go that were read from files which are others now, and forget the names of those that are gone."""
        current = {(fingerprint, digest) for (fingerprint, _), digest in self._asked.items()}
        for each in self.idle():
            if (each.model_fingerprint, each.digest) not in current:
                self._gone(self._loaded.pop((each.model_fingerprint, each.digest)))
        self._asked = {place: digest for place, digest in self._asked.items() if (place[0], digest) in self._loaded}
        loaded = {digest for _, digest in self._loaded}
        self._digests = {place: known for place, known in self._digests.items() if known[1] in loaded}

    def _gone(self, adapter: LoadedAdapter) -> None:
        """Tell of an adapter that has been unloaded or replaced."""
        adapter.gone = True
        self._left(adapter.fingerprint)

    def clear(self) -> None:
        """Let everything go."""
        self._loaded.clear()
        self._asked.clear()
        self._digests.clear()

    # --- what there is ----------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """What they take together."""
        return sum(each.bytes for each in self._loaded.values())

    async def available(self) -> list[AdapterInfo]:
        """Return the adapters that have a name, and those that are loaded from somewhere else."""
        named = await asyncio.to_thread(adapter_files.listing, self._home)
        digests = {info.digest for info in named if info.digest}
        others: dict[str, list[LoadedAdapter]] = {}
        for each in self._loaded.values():
            if each.digest not in digests:
                others.setdefault(each.digest, []).append(each)
        return [
            *(
                _with_use(info, [each for each in self._loaded.values() if each.digest == info.digest])
                for info in named
            ),
            *(_with_use(loaded[0].info(), loaded) for loaded in others.values()),
        ]


def _with_use(info: AdapterInfo, loaded: list[LoadedAdapter]) -> AdapterInfo:
    """Return what is known of an adapter, and where it is loaded."""
    if not loaded:
        return info
    models = tuple(sorted({each.model for each in loaded}))
    size = sum(each.bytes for each in loaded)
    return replace(info, models=models, bytes=size, in_use=sum(each.in_use for each in loaded))

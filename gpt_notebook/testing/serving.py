"""The real server of the model kernel, in a thread, before an engine that may be a fake."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

if TYPE_CHECKING:
    from gpt_notebook.client import Client
    from gpt_notebook.model_kernel.app import ModelKernel
    from gpt_notebook.model_kernel.interface import EngineInterface


@dataclass(frozen=True)
class ServedModelKernel:
    """A model kernel that runs in a thread."""

    address: str
    """What `gpt_notebook.connect` and `GPT_NOTEBOOK_URL` take."""
    token: str = field(repr=False)
    kernel: ModelKernel
    thread: threading.Thread
    """Ends when it has been stopped."""

    def client(self) -> Client:
        """Return a client of it."""
        from gpt_notebook.client import Client

        return Client(self.address, self.token)


@contextlib.contextmanager
def serving(
    engine: EngineInterface, *, unix: bool = True, settings: Settings | None = None
) -> Iterator[ServedModelKernel]:
    """Run the real server in a thread, with an engine of your choice, until the block is left.

    Args:
        engine: a `FakeEngine`, or the real one.
        unix: whether over a Unix socket in a temporary directory, or over TCP on 127.0.0.1.
        settings: the limits of the server; its socket and token are in a temporary directory all the same.
    """
    import uvicorn  # noqa: F401 - says at once what is not installed

    from gpt_notebook.model_kernel import server as servers
    from gpt_notebook.model_kernel.app import ModelKernel

    loop = asyncio.new_event_loop()

    def leave() -> None:
        server.should_exit = True

    with tempfile.TemporaryDirectory(prefix="gpt-") as base:
        # A path that no socket can have makes the listener take TCP.
        place = Path(base) / ("run" if unix else "x" * 120)
        settings = replace(settings or Settings(home=Path(base) / "home"), runtime_dir=place)
        runtime = RuntimeDirectory.of(settings)
        runtime.create()
        with servers.local_listener(runtime) as (listener, address):
            kernel = ModelKernel(engine, settings, address, leave)
            server = servers.build(kernel, token=runtime.token(), hosts=servers.hosts_of(address))

            def run() -> None:
                with asyncio.Runner(loop_factory=lambda: loop) as runner:
                    runner.run(server.serve([listener]))

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            try:
                yield ServedModelKernel(address, runtime.token(), kernel, thread)
            finally:
                with contextlib.suppress(RuntimeError):  # It has been stopped before.
                    loop.call_soon_threadsafe(lambda: kernel.stop(force=True))
                thread.join()

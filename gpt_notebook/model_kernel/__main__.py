"""The process of the model kernel: one lock, one socket, one server, until it is stopped or has been idle for long.

    python -m gpt_notebook.model_kernel

The launcher starts it like this, in a process session of its own, so that interrupting a notebook never reaches it.
`gpt-notebook serve` runs the same in the foreground, also over TCP for other machines.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.handlers
import math
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_notebook import openmp
from gpt_notebook.errors import InvalidRequest, ModelKernelBusy, RuntimeDirectoryError
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import MIB, Settings

if TYPE_CHECKING:
    import uvicorn

    from gpt_notebook.model_kernel.app import ModelKernel

logger = logging.getLogger("gpt_notebook.model_kernel")

LOOPBACK = ("127.0.0.1", "::1", "localhost")
DEFAULT_PORT = 8642
LOOK_SECONDS = 2.0
"""How often an idle model kernel looks whether it is still needed."""
LOCK_SECONDS = 0.5
"""Longer than it takes a notebook to look whether the lock is held."""
SWITCH_INTERVAL = 0.001
"""Seconds; the server's thread must get the interpreter in time while a model computes or loads."""


def main() -> None:
    """Serve the local socket until nobody needs it; leave quietly when another model kernel has the lock."""
    settings = Settings.from_environment()
    runtime = RuntimeDirectory.of(settings)
    runtime.create()
    _log_to(runtime.log)
    try:
        serve(settings)
    except ModelKernelBusy:
        return
    except Exception:
        logger.exception("the model kernel could not run")
        raise
    # Python would wait for threads that still download or load, for people who have left.
    logging.shutdown()
    os._exit(0)


def serve(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    insecure: bool = False,
    allowed_hosts: tuple[str, ...] = (),
) -> None:
    """Serve in this process: the local socket of this user, or with a host or port TCP for whoever has the token.

    Args:
        settings: as for the notebook side; `token` is the secret to ask for, None one that is made and kept.
        host: the address to listen on; 127.0.0.1 when only a port is given.
        port: the port; 8642 when only a host is given, 0 for any free one.
        certfile: a TLS certificate, PEM.
        keyfile: its key, PEM.
        insecure: whether other machines may connect without TLS.
        allowed_hosts: further names that clients may call this machine by.

    Raises:
        ModelKernelBusy: another model kernel serves the local socket.
        InvalidRequest: other machines could listen in, as neither TLS nor `insecure` was asked for.
        RuntimeDirectoryError: there is no safe place for socket and token.
    """
    runtime = RuntimeDirectory.of(settings)
    runtime.create()
    if host is None and port is None:
        _serve_this_user(settings, runtime)
        return
    host, port = host or LOOPBACK[0], DEFAULT_PORT if port is None else port
    if host not in LOOPBACK and not certfile and not insecure:
        message = (
            f"--host {host} would send prompts and the token readable over the network: give --certfile and --keyfile, "
            "tunnel it over ssh, or accept it with --insecure"
        )
        raise InvalidRequest(message)
    tls = _tls(certfile, keyfile) if certfile else None
    with _tcp_listener(host, port) as listener:
        _import_everything_heavy()
        port = listener.getsockname()[1]
        address = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        names = {host, *allowed_hosts, socket.gethostname()}
        if host in (*LOOPBACK, "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            names |= {*LOOPBACK}
        hosts = {f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in names}
        if settings.token is None:
            print(f"token: {runtime.path / 'token'}", file=sys.stderr)  # noqa: T201 - for whoever started it
        print(f"serving on {address}  (GPT_NOTEBOOK_URL={address})", file=sys.stderr, flush=True)  # noqa: T201
        _run(settings, listener, address, settings.token or runtime.token(), hosts, tls=tls)


def _tls(certfile: str, keyfile: str | None) -> ssl.SSLContext:
    """Return the TLS side of a server.

    Raises:
        InvalidRequest: the files can't be read or don't belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certfile, keyfile)
    except OSError as error:
        message = f"--certfile {certfile} cannot be used ({error.strerror or error}): give a PEM certificate and its --keyfile"
        raise InvalidRequest(message) from None
    return context


def _tcp_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        InvalidRequest: the address isn't ours, or somebody else listens there.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        message = f"cannot listen on {host} port {port} ({error.strerror or error}): choose another --host or --port"
        raise InvalidRequest(message) from None
    except OverflowError:
        message = f"--port must be at most 65535, not {port}"
        raise InvalidRequest(message) from None


def _serve_this_user(settings: Settings, runtime: RuntimeDirectory) -> None:
    """Serve the socket where this user's notebooks look.

    Raises:
        ModelKernelBusy: another model kernel does.
    """
    with runtime.lock("server", wait=LOCK_SECONDS) as ours:
        if not ours:
            message = "a model kernel is running already: see  gpt-notebook status"
            raise ModelKernelBusy(message)
        runtime.write_pid()
        _import_everything_heavy()
        from gpt_notebook.model_kernel.server import hosts_of, local_listener

        with local_listener(runtime) as (listener, address):
            runtime.write_address(address)
            token = runtime.token()
            way_in = runtime.way_in()

            def findable() -> bool:
                try:
                    return runtime.way_in() == way_in
                except (OSError, RuntimeDirectoryError):
                    return False

            _run(settings, listener, address, token, hosts_of(address), findable=findable)


def _import_everything_heavy() -> None:
    """Import what a request needs, before anybody can connect: an import holds the interpreter for hundreds of ms."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    with openmp.configured(begin_with_one=True):
        import torch
    import transformers
    from transformers.models.auto import modeling_auto, tokenization_auto  # noqa: F401
    from transformers.models.gpt2 import modeling_gpt2  # noqa: F401

    from gpt_notebook.model_kernel import engine, server  # noqa: F401

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_grad_enabled(mode=False)
    # A collection that also walks through these libraries' objects holds the interpreter for 250 ms.
    gc.collect()
    gc.freeze()


def _run(
    settings: Settings,
    listener: socket.socket,
    address: str,
    token: str,
    hosts: set[str] | None,
    *,
    tls: ssl.SSLContext | None = None,
    findable: Callable[[], bool] = lambda: True,
) -> None:
    """Serve until it is stopped, unneeded, or no longer `findable` by those who would need it."""
    from gpt_notebook.model_kernel import server as servers
    from gpt_notebook.model_kernel.app import ModelKernel
    from gpt_notebook.model_kernel.engine import Engine

    def leave() -> None:
        server.should_exit = True

    kernel = ModelKernel(Engine(settings), settings, address, leave)
    server = servers.build(kernel, token=token, hosts=hosts, tls=tls)
    logger.info("serving on %s, pid %d", address, os.getpid())
    asyncio.run(_serve(server, listener, _leave_when_unneeded(kernel, findable)))
    logger.info("left")


async def _serve(server: uvicorn.Server, listener: socket.socket, watch: Coroutine[None, None, None]) -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, server.handle_exit, signal_number, None)
    watching = asyncio.create_task(watch)
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()


async def _leave_when_unneeded(kernel: ModelKernel, findable: Callable[[], bool]) -> None:
    """Stop a model kernel that has been idle for long, or whose socket, address or token somebody has deleted.

    While a fine-tuning job runs or is queued it is not idle. One that nobody can find leaves all the same: jobs go on by
    themselves, and whoever needs a model kernel next starts one that finds them.
    """
    timeout = kernel.settings.idle_timeout or math.inf
    last_seen = 0.0
    while not kernel.stopping:
        now = time.monotonic()
        last_seen = now if kernel.engine.busy or kernel.engine.jobs.current() else last_seen
        idle = now - max(kernel.engine.last_active, last_seen)
        if idle >= timeout or (not kernel.engine.busy and not findable()):
            logger.info("idle for %.0f s", idle) if idle >= timeout else logger.info("nobody can find it any more")
            kernel.stop(force=False)
            return
        await asyncio.sleep(min(max(timeout - idle, 0.05), LOOK_SECONDS))


class _PrivateLog(logging.handlers.RotatingFileHandler):
    """A log that is turned over at 1 MiB, and whose files only this user can read."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(open(descriptor, "ab"), encoding="utf-8", line_buffering=True)


def _log_to(path: Path) -> None:
    """Log to a file; what people wrote never goes in."""
    handler = _PrivateLog(path, maxBytes=MIB, backupCount=2)
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


if __name__ == "__main__":
    main()

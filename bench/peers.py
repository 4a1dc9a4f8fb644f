"""What the engine is measured beside: `transformers.generate` in a process that stays warm, and `transformers serve`.

Both have loaded the same files as the model kernel, in the dtype that they are stored in, and do nothing until asked: a
`transformers serve` is stopped in between, since with continuous batching it keeps a processor busy without any request.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

START_SECONDS = 120
ANSWER_SECONDS = 600


class Stream(NamedTuple):
    """How a stream of tokens went, on the clock of `time.perf_counter`."""

    began: float
    times: tuple[float, ...]
    """When each token came; several may have come at once."""

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return self.times[0] - self.began

    @property
    def speed(self) -> float:
        """Tokens per second, the wait for the first included."""
        return len(self.times) / (self.times[-1] - self.began)


class Generate:
    """`transformers.generate` in a process of its own."""

    def __init__(self, connection: Connection) -> None:
        """Take the way to it."""
        self._connection = connection

    def seconds(self, batches: Sequence[Sequence[str]], new_tokens: int) -> float:
        """Return how long it takes to go on from prompts: all of a batch at once, one batch after the other.

        The prompts of a batch have equally many tokens, so that nothing is padded.
        """
        self._connection.send((batches, new_tokens))
        return float(self._connection.recv())


@contextlib.contextmanager
def generate_process(model: str, *, threads: int) -> Iterator[Generate]:
    """Have a process that has loaded a model, for as long as the block lasts."""
    fresh = multiprocessing.get_context("spawn")
    here, there = fresh.Pipe()
    process = fresh.Process(target=_generating, args=(model, threads, there), daemon=True)
    process.start()
    there.close()  # the process has its own end, and when it fails this one must say so
    assert here.recv() == "ready"
    try:
        yield Generate(here)
    finally:
        here.close()
        process.join()


def _generating(model: str, threads: int, connection: Connection) -> None:
    """Go on from prompts, each token the most probable one, until nobody asks any more."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(model, dtype="auto", attn_implementation="sdpa")
    connection.send("ready")
    with contextlib.suppress(EOFError):
        while True:
            batches, new_tokens = connection.recv()
            began = time.perf_counter()
            for batch in batches:
                inputs = tokenizer(batch, return_tensors="pt")
                out = loaded.generate(**inputs, max_new_tokens=new_tokens, do_sample=False, pad_token_id=0)
                assert out.shape[1] == inputs["input_ids"].shape[1] + new_tokens
            connection.send(time.perf_counter() - began)


class NotServedError(Exception):
    """`transformers serve` did not start here, or not do what it was asked; says why."""


class Serve:
    """`transformers serve` with a model; answers while it is awake."""

    def __init__(self, model: str, port: int, process: subprocess.Popen[bytes]) -> None:
        """Take where it listens, and let it sleep."""
        self._model = model
        self._port = port
        self._process = process
        process.send_signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run for as long as the block lasts."""
        self._process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGSTOP)

    def complete(self, prompt: str, new_tokens: int) -> Stream:
        """Go on from a prompt, each token the most probable one."""
        return self._stream("/v1/completions", {"prompt": prompt}, new_tokens)

    def chat(self, messages: Sequence[dict[str, str]], new_tokens: int) -> Stream:
        """Answer a conversation."""
        return self._stream("/v1/chat/completions", {"messages": messages}, new_tokens)

    def _stream(self, path: str, asked: dict[str, Any], new_tokens: int) -> Stream:
        body = {"model": self._model, "max_tokens": new_tokens, "temperature": 0, "stream": True, **asked}
        began = time.perf_counter()
        times: list[float] = []
        counted = 0
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            for line in connection.getresponse():
                if line.startswith(b"data: {"):
                    chunk = json.loads(line.removeprefix(b"data: "))
                    choice = next(iter(chunk.get("choices", ())), {})
                    if choice.get("text") or choice.get("delta", {}).get("content"):
                        times.append(time.perf_counter())
                    counted = (chunk.get("usage") or {}).get("completion_tokens", counted)
        if counted != new_tokens or not times:
            message = f"{path} gave {counted} tokens in {len(times)} pieces instead of {new_tokens} tokens"
            raise NotServedError(message)
        # A piece of text may be several tokens.
        times += times[-1:] * (new_tokens - len(times))
        return Stream(began, tuple(times))


@contextlib.contextmanager
def serve_process(model: str, *, threads: int, options: Sequence[str] = ()) -> Iterator[Serve]:
    """Have `transformers serve` with a model, for as long as the block lasts.

    Raises:
        NotServedError: it does not start here.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    command = [program, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", *options]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile("w+"))
        try:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        except OSError as error:
            raise NotServedError(str(error)) from error
        stack.enter_context(process)
        stack.callback(process.kill)  # which also ends one that sleeps
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise NotServedError((log.read().strip().splitlines() or ["it says nothing"])[-1])
            time.sleep(0.1)
        yield Serve(model, port, process)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False

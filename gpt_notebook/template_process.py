"""A process of its own for chat templates, which are programs of whoever made the model; the model kernel and jobs each have one.

    python -m gpt_notebook.template_process

Jinja's sandbox keeps them from files and attributes, but neither from looping nor from filling the memory; the operating
system does, in a process that can be ended without harm. It reads one line of JSON for each conversation and writes one
with the text, and it imports transformers' own rendering but not torch.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from gpt_notebook.errors import GptNotebookError, InvalidRequest, ModelUnsafe
from gpt_notebook.settings import MIB

START_SECONDS = 60.0
RENDER_SECONDS = 2.0
MAX_CHARACTERS = 16 * MIB
MEMORY = 1024 * MIB
READ_BYTES = 65536

Message = dict[str, str]


class TemplateProcess:
    """Renders chat templates; starts its process when that is needed and ends it when a template hangs."""

    def __init__(self) -> None:
        """Begin without a process."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> None:
        """Start the process, if it doesn't run, without waiting until it is ready."""
        with self._lock:
            self._running()

    def render(
        self, template: str, messages: Sequence[Message], variables: dict[str, Any], *, asks: bool = True
    ) -> str:
        """Return the text of a conversation, with the beginning of the assistant's turn.

        Args:
            template: Jinja's source.
            messages: the conversation.
            variables: what else the template may read, such as the tokenizer's special tokens.
            asks: whether the assistant's turn comes next; without, the conversation is whole.

        Raises:
            InvalidRequest: the template refuses this conversation; gives its reason.
            ModelUnsafe: it takes too long, too much memory, or makes too much text.
            GptNotebookError: the process did not start.
        """
        asked = {"template": template, "messages": list(messages), "variables": variables, "asks": asks}
        line = json.dumps(asked)
        with self._lock:
            process = self._started()
            try:
                answer = _asked(process, line.encode() + b"\n")
            except TimeoutError:
                self._end()
                message = f"the model's chat template ran for more than {RENDER_SECONDS:g} s and was stopped: go without it, by --complete or with the option chat off"
                raise ModelUnsafe(message) from None
            except (EOFError, BrokenPipeError):
                self._end()
                answer = {"excess": "memory"}
        if "excess" in answer:
            message = f"the model's chat template takes too much {answer['excess']} for this conversation: go without it, by --complete or with the option chat off"
            raise ModelUnsafe(message)
        if "error" in answer:
            message = f"the model's chat template refuses this conversation: {answer['error']}"
            raise InvalidRequest(message, param="messages")
        return str(answer["text"])

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-P", "-m", __spec__.name]
            # What it has to say goes into its answers; transformers' notes about a missing torch go nowhere.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the process when it is ready.

        Raises:
            GptNotebookError: it did not start.
        """
        process = self._running()
        if not self._ready:
            try:
                _read_line(process, START_SECONDS)
            except (TimeoutError, EOFError) as error:
                self._end()
                why = "ended at once" if isinstance(error, EOFError) else f"was not ready after {START_SECONDS:g} s"
                message = (
                    f"the process for chat templates did not start (it {why}): see what `{sys.executable} -m {__spec__.name}` "
                    "says, or go without the template, by --complete or with the option chat off"
                )
                raise GptNotebookError(message) from None
            self._ready = True
        return process

    def _end(self) -> None:
        if self._process is None:
            return
        process, self._process, self._ready = self._process, None, False
        process.kill()
        with process:
            pass


def _asked(process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
    """Return what the process answers to a line; raises as `_read_line` does."""
    assert process.stdin is not None  # noqa: S101 - it has pipes
    process.stdin.write(line)
    answer: dict[str, Any] = json.loads(_read_line(process, RENDER_SECONDS))
    return answer


def _read_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return what the process writes up to the end of a line.

    Raises:
        TimeoutError: it takes too long.
        EOFError: it has ended.
    """
    assert process.stdout is not None  # noqa: S101 - it has pipes
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        if not (chunk := process.stdout.read(READ_BYTES)):
            raise EOFError
        line += chunk
    return line


def main() -> None:
    """Answer line by line until nobody asks any more."""
    from transformers.utils.chat_template_utils import render_jinja_template

    with contextlib.suppress(ValueError, OSError):  # Not every system lets a process bound itself.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print("ready", flush=True)  # noqa: T201 - a pipe to whoever asks
    for line in sys.stdin:
        # Whoever asks may have been killed, and cannot stop us any more.
        signal.alarm(math.ceil(RENDER_SECONDS) + 1)
        answer = _answer(render_jinja_template, json.loads(line))
        signal.alarm(0)
        print(json.dumps(answer), flush=True)  # noqa: T201


def _answer(render: Any, asked: dict[str, Any]) -> dict[str, str]:
    try:
        (text,), _ = render(
            [asked["messages"]],
            chat_template=asked["template"],
            add_generation_prompt=asked.get("asks", True),
            **asked["variables"],
        )
    except MemoryError:
        return {"excess": "memory"}
    except Exception as error:  # noqa: BLE001 - a template can raise anything
        lines = str(error).splitlines()
        return {"error": lines[0][:300] if lines else type(error).__name__}
    return {"excess": "text"} if len(text) > MAX_CHARACTERS else {"text": text}


if __name__ == "__main__":
    main()

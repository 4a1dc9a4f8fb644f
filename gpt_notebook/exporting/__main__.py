"""The process of one export.

    python -m gpt_notebook.exporting          reads one line of JSON, an `Order`, from its standard input

Merging loads a model anew and changes its weights, which must never happen to the one that is being served; and when that
takes too much memory, this process ends and no other. It writes a line of JSON for each `Progress`, and last `done` or
`error`, to its standard output.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from gpt_notebook.errors import GptNotebookError, ModelUnsupported, OutOfMemory
from gpt_notebook.exporting.export import Order, write
from gpt_notebook.shortage import is_out_of_memory


def main() -> int:
    """Do what one line of standard input asks for."""

    def say(kind: str, data: dict[str, Any]) -> None:
        print(json.dumps({"kind": kind, **data}), flush=True)  # noqa: T201 - a pipe to the model kernel

    order = Order(**json.loads(sys.stdin.readline()))
    try:
        write(order, lambda progress: say("progress", {"progress": asdict(progress)}))
    except Exception as error:  # noqa: BLE001 - transformers and peft can fail in any way
        say("error", {"error": _known(order, error).to_json()})
        return 1
    say("done", {})
    return 0


def _known(order: Order, error: Exception) -> GptNotebookError:
    """Return an error of ours for whatever went wrong."""
    if isinstance(error, GptNotebookError):
        return error
    if is_out_of_memory(error):
        return OutOfMemory(
            f"no room to merge {order.model}: stop what else takes memory, or export it without merged=True"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return GptNotebookError(f"{order.model} cannot be written ({error.strerror}): choose another directory")
    reason = next(iter(str(error).splitlines()), "")[:300]
    return ModelUnsupported(f"{order.model} cannot be exported ({type(error).__name__}: {reason})")


if __name__ == "__main__":
    sys.exit(main())

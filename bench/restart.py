"""From a restarted notebook to its first token: `%%gpt` on a warm model kernel, beside transformers in the notebook itself.

    python bench/restart.py [--rounds 5]

Each round starts a fresh notebook kernel for each of the two, waits until it is idle, and takes the time from sending
`%load_ext gpt_notebook` (or `import transformers`) to the first generated token arriving as an output. The two take
turns, every other round the other way round, so that a machine whose speed drifts is fair to both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fair_rounds import fair_rounds
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PROMPT = "Once upon a time there was a little fox"

OURS = ["%load_ext gpt_notebook", f"%%gpt --seed 1 --max 40\n{PROMPT}"]
PEER = [
    "from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer",
    """
from gpt_notebook import storyteller
model = AutoModelForCausalLM.from_pretrained(storyteller.path())
tokenizer = AutoTokenizer.from_pretrained(storyteller.path())
""",
    f"""
class Printing(TextStreamer):
    def on_finalized_text(self, text, stream_end=False):
        print(text, end="", flush=True)

ids = tokenizer({PROMPT!r}, return_tensors="pt")
_ = model.generate(**ids, max_new_tokens=40, do_sample=True, streamer=Printing(tokenizer, skip_prompt=True))
""",
]


@contextmanager
def notebook_kernel() -> Iterator[BlockingKernelClient]:
    """Yield the client of a fresh notebook kernel that is idle."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def seconds_to_first_token(cells: list[str]) -> tuple[float, float]:
    """Return the seconds of the first cell, and those until the last cell's first output that has text."""
    with notebook_kernel() as client:
        started = time.perf_counter()
        sent = [client.execute(cell) for cell in cells]
        first_cell = 0.0
        while True:
            message = client.get_iopub_msg(timeout=120)
            parent, content = message["parent_header"].get("msg_id"), message["content"]
            now = time.perf_counter() - started
            if message["msg_type"] == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            if parent == sent[0] and content.get("execution_state") == "idle":
                first_cell = now
            text = content.get("text") or content.get("data", {}).get("text/plain", "")
            if parent == sent[-1] and text.strip():
                return first_cell, now


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    of_ours: list[tuple[float, float]] = []
    of_peer: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="gnb-") as directory:
        os.environ["GPT_NOTEBOOK_RUNTIME_DIR"] = directory
        import gpt_notebook as gpt

        gpt.generate(PROMPT, max_new_tokens=40)
        try:
            for order in fair_rounds(((OURS, of_ours), (PEER, of_peer)), rounds):
                for cells, seconds in order:
                    seconds.append(seconds_to_first_token(cells))
        finally:
            gpt.shutdown(force=True)
    ours, peer = ([whole * 1e3 for _, whole in seconds] for seconds in (of_ours, of_peer))
    loads = [first_cell * 1e3 for first_cell, _ in of_ours]
    print(f"restart to first token, storyteller, {os.cpu_count()} cores, median of {rounds} (smallest to largest), ms")
    for name, values in (("%%gpt, warm model kernel", ours), ("transformers in the notebook", peer)):
        print(f"  {name:30} {statistics.median(values):8.0f}   ({min(values):.0f} to {max(values):.0f})")
    print(
        f"  {'of it %load_ext gpt_notebook':30} {statistics.median(loads):8.0f}   ({min(loads):.0f} to {max(loads):.0f})"
    )
    print(f"  ratio {statistics.median(p / o for o, p in zip(ours, peer, strict=True)):.1f}")


if __name__ == "__main__":
    main()

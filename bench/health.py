"""How soon the model kernel answers `/health` while it is idle, loads a model, and generates.

    python bench/health.py [--seconds 5] [--layers 12 --width 768]

Starts a model kernel of its own on a model of GPT-2's shape with random weights (124 M parameters), with a tokenizer
trained here; nothing is downloaded. The promise: 95 of 100 answers within 20 ms, and none later than 300 ms.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gpt_notebook.client import Client
from gpt_notebook.errors import GptNotebookError
from gpt_notebook.protocol import GenerateRequest, LoadRequest, SamplingOptions, UnloadRequest
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

PROMISED_P95, PROMISED_MAX = 20.0, 300.0
"""Milliseconds."""
PAUSE = 0.005
"""Seconds between two questions."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to ask while idle and generating")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpt-") as base:
        model = str(Path(base) / "model")
        make_model(model, options.layers, options.width)
        settings = Settings(runtime_dir=Path(base) / "run", home=Path(base) / "home")
        environment = {
            **os.environ,
            "GPT_NOTEBOOK_RUNTIME_DIR": str(settings.runtime_dir),
            "GPT_NOTEBOOK_HOME": str(settings.home),
        }
        with subprocess.Popen([sys.executable, "-m", "gpt_notebook.model_kernel"], env=environment) as process:
            try:
                measure(connect(settings), model, options.seconds)
            finally:
                process.terminate()


def make_model(directory: str, layers: int, width: int) -> None:
    """Save random weights, in a process of its own so that this one stays small."""
    code = f"""
import tokenizers, transformers
backend = tokenizers.Tokenizer(tokenizers.models.BPE())
backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
backend.decoder = tokenizers.decoders.ByteLevel()
trainer = tokenizers.trainers.BpeTrainer(
    special_tokens=["<|endoftext|>"], initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
)
backend.train_from_iterator(["once upon a time there was a fox"], trainer)
transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>").save_pretrained({directory!r})
config = transformers.GPT2Config(n_layer={layers}, n_embd={width}, n_head={width // 64})
transformers.GPT2LMHeadModel(config).save_pretrained({directory!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def connect(settings: Settings) -> Client:
    """Return a client once the model kernel answers."""
    runtime = RuntimeDirectory.of(settings)
    while True:
        try:
            if address := runtime.read_address():
                client = Client(address, runtime.token())
                client.status()
                return client
        except GptNotebookError:
            pass
        time.sleep(0.05)


def measure(client: Client, model: str, seconds: float) -> None:
    """Ask in each of the situations, and print what came."""
    print(f"{'':>16} {'answers':>8} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8}")
    deadline = time.monotonic() + seconds
    report("idle", ask_while(client, lambda: time.monotonic() < deadline))
    report("first load", ask_during(client, lambda: list(client.load(LoadRequest(model=model)))))

    def load_again() -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            client.unload(UnloadRequest(model=model))
            list(client.load(LoadRequest(model=model)))

    report("loading", ask_during(client, load_again))

    def generate() -> None:
        until = time.monotonic() + seconds
        options = SamplingOptions(max_new_tokens=200, logprobs=5)
        while time.monotonic() < until:
            for _ in client.generate(GenerateRequest(model=model, prompt="once upon a time " * 50, options=options)):
                if time.monotonic() > until:
                    break

    report("generating", ask_during(client, generate))
    report("storyteller", ask_during(client, lambda: two_at_once(client, seconds)))


def two_at_once(client: Client, seconds: float) -> None:
    """Generate twice at the same time with the small bundled model, whose steps leave the least room."""

    def one() -> None:
        until = time.monotonic() + seconds
        options = SamplingOptions(max_new_tokens=1000, n=4)
        while time.monotonic() < until:
            for _ in client.generate(GenerateRequest(prompt="Once upon a time", options=options)):
                if time.monotonic() > until:
                    break

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ask_during(client: Client, work: Callable[[], object]) -> list[float]:
    """Ask for as long as some work takes."""
    thread = threading.Thread(target=work)
    thread.start()
    return ask_while(client, thread.is_alive)


def ask_while(client: Client, condition: Callable[[], bool]) -> list[float]:
    """Return how many milliseconds each answer took."""
    taken = []
    while condition():
        begun = time.perf_counter()
        client.status()
        taken.append((time.perf_counter() - begun) * 1000)
        time.sleep(PAUSE)
    return taken


def report(situation: str, taken: list[float]) -> None:
    """Print a row, and a mark where a promise is not held."""
    taken.sort()
    p50, p95, worst = (taken[int((len(taken) - 1) * share)] for share in (0.5, 0.95, 1.0))
    mark = "" if p95 <= PROMISED_P95 and worst <= PROMISED_MAX else "  more than promised"
    print(f"{situation:>16} {len(taken):8} {p50:8.1f} {p95:8.1f} {worst:8.1f}{mark}")


if __name__ == "__main__":
    main()

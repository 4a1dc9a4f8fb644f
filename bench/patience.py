"""How fast a generation runs alone, and beside a long computation that is patient.

    python bench/patience.py [--rounds 5] [--tokens 100] [--threads 2]

Uses the step scheduler with a model of GPT-2's shape with random weights (124 M parameters); nothing is downloaded.
The long computation makes attention maps without end. A generation alone and one beside it take turns, so that a
machine whose speed drifts is fair to both. The promise: it keeps 80 % of its speed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time

import torch
import transformers

from gpt_notebook.model_kernel.scheduler import Scheduler, Work

PROMPT_LENGTH = 32
MAP_LENGTH = 512
PROMISED = 0.8


class Generation(Work):
    """Reads a random prompt, and then so many tokens, each the most probable one."""

    def __init__(self, model: torch.nn.Module, tokens: int) -> None:
        """Begin before the prompt."""
        super().__init__()
        self._model, self._remaining = model, tokens
        self._ids = torch.randint(model.config.vocab_size, (1, PROMPT_LENGTH))  # (1, token)
        self._cache = None
        self.times: list[float] = []
        """When each token was there, the first after the prompt included, in seconds."""

    @torch.inference_mode()
    def step(self) -> bool:
        """Read what is new, and choose the next token."""
        out = self._model(input_ids=self._ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        self._ids, self._cache = out.logits[:, -1:].argmax(-1), out.past_key_values
        self.times.append(time.perf_counter())
        self._remaining -= 1
        return self._remaining >= 0


class Maps(Work):
    """Computes one attention map after another until it is cancelled."""

    patient = True

    def __init__(self) -> None:
        """Make a query and a key for each position."""
        super().__init__()
        self._query, self._key = torch.randn(2, MAP_LENGTH, 64)  # (token, dimension)
        self.seconds_taken = 0.0

    @torch.inference_mode()
    def step(self) -> bool:
        """Compute maps for about as many seconds as there are."""
        if self.cancelled:
            return False
        began = time.perf_counter()
        while time.perf_counter() - began < self.seconds:
            (self._query @ self._key.T).softmax(-1)  # (query, key)
        self.seconds_taken += time.perf_counter() - began
        return True


def run(scheduler: Scheduler, work: Work) -> threading.Event:
    """Hand work over, and return what is set when it has ended."""
    ended = threading.Event()
    work.threads = torch.get_num_threads()
    work.emit = lambda _: ended.set()
    scheduler.submit(work)
    return ended


def tokens_per_second(scheduler: Scheduler, model: torch.nn.Module, tokens: int) -> float:
    """Generate, and return the speed after the first token."""
    generation = Generation(model, tokens)
    run(scheduler, generation).wait()
    return tokens / (generation.times[-1] - generation.times[0])


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=100, help="how many each generation takes after its first")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    scheduler = Scheduler("bench")
    tokens_per_second(scheduler, model, 10)
    alone, beside, shares = [], [], []
    for _ in range(options.rounds):
        alone.append(tokens_per_second(scheduler, model, options.tokens))
        maps = Maps()
        ended = run(scheduler, maps)
        before = maps.seconds_taken
        beside.append(tokens_per_second(scheduler, model, options.tokens))
        shares.append((maps.seconds_taken - before) * beside[-1] / options.tokens)
        maps.cancelled = True
        ended.wait()
    scheduler.close()
    print(f"GPT-2 124M, {os.cpu_count()} cores, median of {options.rounds} (smallest to largest), tokens/s")
    for name, speeds in (("alone", alone), ("beside a long computation", beside)):
        print(f"  {name:28} {statistics.median(speeds):6.1f}   ({min(speeds):.1f} to {max(speeds):.1f})")
    ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
    print(f"  ratio {ratio:.2f}{'' if ratio >= PROMISED else '  less than promised'}")
    print(f"  the long computation had {statistics.median(shares):.0%} of the time")


if __name__ == "__main__":
    main()

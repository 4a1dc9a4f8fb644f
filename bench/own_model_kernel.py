"""What the benchmarks share: a model kernel of their own, random models, the memory of a process.

Nothing is downloaded, and the model kernel of the user who measures is left alone. Memory is read from Linux's /proc.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gpt_notebook as gpt

GPT2 = {"model_type": "gpt2", "n_positions": 4096}
"""GPT-2's 124 M shape with a longer context: 12 layers of 12 heads of 64 dimensions."""

SAVING = """
import json, string, sys, tokenizers, torch, transformers
given = json.loads(sys.argv[1])
config = transformers.AutoConfig.for_model(**given["config"], bos_token_id=None, eos_token_id=None)
pieces = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
words = sorted(pieces.alphabet())
words += [f"<{i}>" for i in range(len(words), config.vocab_size)]
backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
backend.pre_tokenizer, backend.decoder = pieces, tokenizers.decoders.ByteLevel()
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=given["template"])
tokenizer.save_pretrained(given["directory"])
torch.manual_seed(0)
model = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, given["dtype"]))
if given["template"]:
    silent = [i for i, word in enumerate(words) if word not in string.ascii_letters]
    model.get_output_embeddings().weight.data[silent] = 0
model.save_pretrained(given["directory"])
"""
"""Each byte of a text is a token; the other tokens have names, so that whatever a model says can be shown at once."""

TEMPLATE = "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}[assistant]"
"""A conversation as a model reads it."""


def save_random_model(
    directory: Path, config: dict[str, Any], *, dtype: str = "float32", template: str | None = None
) -> str:
    """Save random weights and a tokenizer, in a process of its own; return the path.

    Args:
        directory: where.
        config: of which kind and shape.
        dtype: torch's name for that of the weights.
        template: its chat template. Such a model says letters only, which the next turn reads as the tokens they were.
    """
    given = {"directory": str(directory), "config": config, "dtype": dtype, "template": template}
    subprocess.run([sys.executable, "-c", SAVING, json.dumps(given)], check=True, stderr=subprocess.DEVNULL)
    return str(directory)


def random_text(length: int, seed: int = 0) -> str:
    """Return letters, each of which is one token."""
    choices = random.Random(seed).choices(string.ascii_letters + " ", k=length)  # noqa: S311 - nothing secret
    return "".join(choices)


@contextlib.contextmanager
def own_model_kernel(*, threads: int | None = None) -> Iterator[None]:
    """Let `gpt` use a model kernel in a directory of its own, which starts at the first call and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="gpt-") as directory:
        os.environ["GPT_NOTEBOOK_RUNTIME_DIR"] = f"{directory}/run"
        os.environ["GPT_NOTEBOOK_HOME"] = f"{directory}/home"
        os.environ["GPT_NOTEBOOK_THREADS"] = "" if threads is None else str(threads)
        try:
            yield
        finally:
            gpt.shutdown(force=True)


class Memory(NamedTuple):
    """The memory of a process, in bytes."""

    resident: int
    anonymous: int
    """What no file stands behind: all but mapped weights and code."""
    peak: int
    """The most that was resident since `forget_peak`."""


def memory(process_id: int | str) -> Memory:
    """Read the memory of a process; "self" is this one."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    return Memory(*(int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon", "VmHWM")))


def forget_peak(process_id: int | str) -> None:
    """Let the peak of a process begin again at what it has now."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5")

"""Make the storyteller: write its stories, learn its alphabet, train it, and weigh the result.

Run `python -m gpt_notebook.storyteller.train` to make the bundled model again. All random choices have fixed seeds, and
one thread does the work, so the same machine makes the same model. The memory settings of the C library matter more than
one would think: with `MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592` in the environment, freed
tensors are used again instead of being handed back to the system, and training is a third faster.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from gpt_notebook import storyteller
from gpt_notebook.storyteller.characters import ALL_SORTS_OF_NAMES, MOSTLY_KNOWN_NAMES, SYLLABLE_NAMES, Naming
from gpt_notebook.storyteller.evaluate import documents, report, stories

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

END_OF_TEXT = "<|endoftext|>"
VOCABULARY_SIZE = 2048
LONGEST = 512

TOKENIZER_SEED = "storyteller: tokenizer"
TOKENIZER_STORIES = 20_000

LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.1
WARM_UP_STEPS = 100
FULL_RATE_STEPS_LEFT = 5400
LARGEST_GRADIENT = 1.0
REPORT_EVERY = 50


@dataclass(frozen=True)
class Stage:
    """A part of the training, with rows of one length and names of one sort."""

    seed: str
    name_for: Naming
    steps: int
    rows: int
    length: int
    steps_left: int
    """In how many steps, counted from the beginning of the stage, the learning rate would reach zero."""


# Short rows teach most of the language at half the price of attention, and names of syllables teach how to copy. Long
# rows then teach the later positions, and names without a rule teach to copy letter by letter. In the end the model
# hears mostly known names, so that it calls its own heroes Pip or Clara again.
STAGES = (
    Stage("storyteller: training", SYLLABLE_NAMES, steps=4000, rows=16, length=256, steps_left=5500),
    Stage("storyteller: names", ALL_SORTS_OF_NAMES, steps=1500, rows=6, length=512, steps_left=1500),
    Stage("storyteller: polish", MOSTLY_KNOWN_NAMES, steps=500, rows=6, length=512, steps_left=500),
)


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE from stories; its alphabet holds all bytes, and so it can write any text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(islice(stories(TOKENIZER_SEED, SYLLABLE_NAMES), TOKENIZER_STORIES), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
        model_max_length=LONGEST,
    )


def rows(documents: Iterator[list[int]], length: int) -> Iterator[list[int]]:
    """Fill rows of `length` tokens, and one more to predict; each row begins with a new document, as a prompt does."""
    for document in documents:
        row = document
        while len(row) <= length:
            row = row + next(documents)
        yield row[: length + 1]


def new_model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """Make an untrained model."""
    config = GPT2Config(
        vocab_size=VOCABULARY_SIZE,
        n_positions=LONGEST,
        n_embd=192,
        n_layer=6,
        n_head=8,
        # Every story is seen only once: there is nothing to overfit to.
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        # With heads this small, plain matrix products beat the fused attention on a CPU.
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def new_optimizer(model: GPT2LMHeadModel) -> torch.optim.AdamW:
    """Make the optimizer, which decays matrices but leaves norms and biases alone."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), fused=True)


def rate_at(step: int, stage: Stage) -> float:
    """Compute the learning rate at a step of a stage: first it rises, and then it falls with the steps that are left."""
    warm_up = (step + 1) / WARM_UP_STEPS
    return LEARNING_RATE * min(warm_up, (stage.steps_left - step) / FULL_RATE_STEPS_LEFT, 1.0)


def loss_of(model: GPT2LMHeadModel, batch: torch.Tensor) -> torch.Tensor:
    """Compute how surprised the model is by the next tokens of a batch [rows, length + 1], in nats per token."""
    logits = model(batch[:, :-1], use_cache=False).logits  # [rows, length, vocabulary]
    return cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def train_stage(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, stage: Stage) -> None:
    """Train a model through one stage, with an optimizer that knows nothing of the stages before."""
    compiled_loss_of = torch.compile(loss_of, dynamic=False)
    optimizer = new_optimizer(model)
    stage_rows = rows(documents(tokenizer, stories(stage.seed, stage.name_for)), stage.length)
    start = time.monotonic()
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, stage)
        batch = torch.tensor(list(islice(stage_rows, stage.rows)))  # [rows, length + 1]
        with torch.autocast("cpu", torch.bfloat16):
            loss = compiled_loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % REPORT_EVERY == 0:
            logger.info("step %5d   loss %.4f   seconds %5.0f", step + 1, loss.item(), time.monotonic() - start)


def save(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write the files of the model, each in one move, so that whoever has an old one open can go on reading it."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for file in Path(folder).iterdir():
            # The weights are born readable for their owner only.
            file.chmod(0o644)
            file.replace(output / file.name)


def main() -> None:
    """Make the model from nothing."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=storyteller.path(), help="the folder that receives the model")
    output = parser.parse_args().output
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    tokenizer = train_tokenizer()
    model = new_model(tokenizer)
    for stage in STAGES:
        logger.info("%s: %d steps", stage.seed, stage.steps)
        train_stage(model, tokenizer, stage)
    save(model, tokenizer, output)
    report(model.eval(), tokenizer)


if __name__ == "__main__":
    main()

"""How good the storyteller is: how well it foresees new stories, and how well it remembers a name.

Run `python -m gpt_notebook.storyteller.evaluate` to measure the bundled model, or name another folder.
"""

from __future__ import annotations

import argparse
import logging
import math
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel

from gpt_notebook import storyteller
from gpt_notebook.storyteller.characters import MOSTLY_KNOWN_NAMES, Naming, syllable_name
from gpt_notebook.storyteller.stories import story

logger = logging.getLogger(__name__)

HELD_OUT_SEED = "storyteller: held out"
HELD_OUT_STORIES = 500

KNOWN_NAMES = ("Pip", "Nora", "Tom", "Bramble", "Anna", "Ravi", "Momo", "Clara", "Hugo", "Juniper")
FOREIGN_NAMES = (
    "Guillermo", "Siobhan", "Xochitl", "Wojciech", "Nguyen", "Bartholomew", "Aoife", "Oluwaseun", "Sphinx", "Hjördis",
)  # fmt: skip
# Built as in training; nearly all of them are new all the same.
MADE_UP_NAMES = tuple(syllable_name(Random(f"storyteller: name {number}")) for number in range(10))
KINDS = ("fox", "girl", "robot", "king", "whale")

WORD = re.compile(r"\w+")
HOW_CLOSE_IS_MISSPELT = 0.7


def stories(seed: str, name_for: Naming = MOSTLY_KNOWN_NAMES) -> Iterator[str]:
    """Tell stories without end, the same ones for the same seed."""
    random = Random(seed)
    while True:
        yield story(random, name_for)


def documents(tokenizer: Any, stories: Iterable[str]) -> Iterator[list[int]]:
    """Turn stories into token ids, each with the end of text behind it."""
    for text in stories:
        yield [*tokenizer.encode(text), tokenizer.eos_token_id]


@torch.inference_mode()
def perplexity(model: GPT2LMHeadModel, documents: Iterable[list[int]]) -> float:
    """Measure the perplexity per token, where each document stands alone."""
    surprise, predictions = 0.0, 0
    for document in documents:
        tokens = torch.tensor(document)  # [length]
        logits = model(tokens[None, :-1]).logits[0]  # [length - 1, vocabulary]
        surprise += cross_entropy(logits, tokens[1:], reduction="sum").item()
        predictions += len(tokens) - 1
    return math.exp(surprise / predictions)


@torch.inference_mode()
def continuation(model: GPT2LMHeadModel, tokenizer: Any, opening: str, **options: Any) -> str:
    """Let the model go on from an opening, greedily unless the options say otherwise."""
    prompt = torch.tensor([tokenizer.encode(opening)])  # [1, length]
    output = model.generate(prompt, max_new_tokens=300, **options)  # [1, length + new]
    return str(tokenizer.decode(output[0, prompt.shape[1] :], skip_special_tokens=True))


def keeps_name(text: str, name: str) -> bool:
    """Tell whether a text still uses a name in its second half, and never misspells it."""
    capitalized = {word for word in WORD.findall(text) if word.istitle()}
    similar = get_close_matches(name, capitalized, cutoff=HOW_CLOSE_IS_MISSPELT)
    return name in text[len(text) // 2 :] and set(similar) == {name}


def kept_names(model: GPT2LMHeadModel, tokenizer: Any, names: Iterable[str]) -> tuple[int, int]:
    """Sample stories about heroes of all kinds; count those that keep the name, and all of them."""
    torch.manual_seed(0)
    kept = [
        keeps_name(continuation(model, tokenizer, opening, do_sample=True, temperature=0.8, top_p=0.95), name)
        for name in names
        for opening in (f"Once upon a time there was a {kind} named {name}." for kind in KINDS)
    ]
    return sum(kept), len(kept)


def report(model: GPT2LMHeadModel, tokenizer: Any) -> None:
    """Measure everything that the model card states."""
    held_out = islice(documents(tokenizer, stories(HELD_OUT_SEED)), HELD_OUT_STORIES)
    logger.info("perplexity on %d held-out stories: %.3f", HELD_OUT_STORIES, perplexity(model, held_out))
    for description, names in (("known", KNOWN_NAMES), ("made up", MADE_UP_NAMES), ("foreign", FOREIGN_NAMES)):
        kept, count = kept_names(model, tokenizer, names)
        logger.info("names kept, %s: %d of %d", description, kept, count)


def main() -> None:
    """Measure a model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=storyteller.path(), help="the folder of the model")
    folder = parser.parse_args().folder
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    report(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))


if __name__ == "__main__":
    main()

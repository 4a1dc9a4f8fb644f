"""A small language model that tells children's stories, made from nothing by this package.

The folder is the model: `AutoModelForCausalLM.from_pretrained(storyteller.path())` loads it. `README.md` is its model
card, `stories.py` makes up the stories it was trained on, and `train.py` makes it again.
"""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """Return the folder of the model."""
    return Path(__file__).parent

"""What can be typed after `gpt-notebook finetune` and `gpt-notebook jobs`."""

from __future__ import annotations

import argparse
import json
from typing import Any, get_args

from gpt_notebook.job_protocol import COLUMNS, Method, Schedule, TooLong
from gpt_notebook.protocol import Dtype

COMMANDS = ("pause", "resume", "stop", "cancel", "wait", "delete")
"""What a job can be told here."""

NUMBERS: dict[str, tuple[type, str]] = {
    "epochs": (float, "how often the data are gone through"),
    "max-steps": (int, "how many steps at most; wins over --epochs"),
    "learning-rate": (float, "the highest learning rate"),
    "warmup-steps": (int, "steps in which it rises"),
    "batch-size": (int, "samples a step"),
    "micro-batch-size": (int, "of these, samples that are computed together"),
    "max-length": (int, "tokens of a sample"),
    "validate-every": (int, "steps between two validations"),
    "early-stopping": (int, "end after so many validations without a better one"),
    "save-every": (int, "steps between two checkpoints"),
    "keep-last": (int, "how many of the newest checkpoints can be resumed from"),
    "keep-best": (int, "how many of the best besides"),
    "probe-every": (int, "steps between two rounds of probes"),
    "probe-tokens": (int, "tokens of what follows a probe"),
    "seed": (int, "the random seed"),
}
CHOICES: dict[str, tuple[tuple[str, ...], str]] = {
    "method": (get_args(Method), "lora makes an adapter, full a model"),
    "schedule": (get_args(Schedule), "how the learning rate falls"),
    "too-long": (get_args(TooLong), "what becomes of rows that are too long"),
    "dtype": (get_args(Dtype), "the dtype of the matrix products (autocast)"),
}
LORA: dict[str, tuple[type, str]] = {
    "rank": (int, "the adapter's rank"),
    "alpha": (float, "its output is scaled by alpha / rank"),
    "dropout": (float, "the share of its inputs that is left out at random"),
}


def finetune(parser: argparse.ArgumentParser) -> None:
    """Add what `finetune` takes; an option that isn't given leaves no trace."""
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument("data", nargs="+", help="the data: .jsonl, .json, .csv, .tsv, .parquet or .txt, also several")
    parser.add_argument("-m", "--model", help="what to begin with (default: GPT_NOTEBOOK_MODEL, else storyteller)")
    parser.add_argument("--name", help="what the job and its adapter are called")
    parser.add_argument("--validation", metavar="FILE|SHARE", help="data for validation, or a share such as 0.1")
    for column in COLUMNS:
        template = "" if column == "messages" else ", or a template such as 'Review: {text}'"
        parser.add_argument(f"--{column}", metavar="COLUMN", help=f"the column of the {column}{template}")
    for name, (values, about) in CHOICES.items():
        parser.add_argument(f"--{name}", choices=values, help=f"{about}: {', '.join(values)}")
    for name, (kind, about) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=kind, metavar="N" if kind is int else "X", help=about)
    for name, (kind, about) in LORA.items():
        parser.add_argument(f"--lora-{name}", type=kind, metavar="N" if kind is int else "X", help=about)
    parser.add_argument(
        "--lora-target",
        dest="lora_targets",
        action="append",
        metavar="NAME",
        help="a layer that gets one; can be given several times",
    )
    parser.add_argument(
        "--probe",
        dest="probes",
        action="append",
        metavar="TEXT",
        help="a prompt that is completed before step 1 and every --probe-every steps; can be given several times",
    )
    parser.add_argument(
        "--chat", action=argparse.BooleanOptionalAction, help="whether prompts are put to the model as a user's turns"
    )
    parser.add_argument("--packing", action=argparse.BooleanOptionalAction, help="whether samples are laid end to end")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument(
        "--training-argument",
        dest="training_arguments",
        action="append",
        type=_argument,
        metavar="NAME=VALUE",
        help="anything else that transformers.TrainingArguments takes; can be given several times",
    )
    parser.add_argument("--force", action="store_true", help="go on with a job that has other data or options")
    parser.add_argument("--preview", action="store_true", help="show what the model would see, and train nothing")
    parser.add_argument("--wait", action="store_true", help="wait for the end; an interrupt ends the waiting only")


def jobs(parser: argparse.ArgumentParser) -> None:
    """Add what `jobs` takes."""
    parser.add_argument("job", nargs="?", help="the name of one job, to see more of it")
    parser.add_argument("action", nargs="?", choices=COMMANDS, metavar="|".join(COMMANDS), help="what to tell it")
    parser.add_argument("--force", action="store_true", help="delete it without asking")


def _argument(text: str) -> tuple[str, Any]:
    """Read `name=value`, the value as JSON where it is some."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise ValueError
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


_argument.__name__ = "name=value"

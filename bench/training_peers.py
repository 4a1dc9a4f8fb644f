"""What jobs are measured beside: a loop in plain PyTorch, transformers' Trainer, and TRL's SFTTrainer.

    python bench/training_peers.py GIVEN.json

Each is this program in a process of its own. It trains the model of `GIVEN.json` on its texts, in their order, and writes a
line for each step when it has been done. All have the same first weights, settings and optimizer, and the weights that
change are float32: bfloat16 is what products are computed in, and what frozen weights are stored in.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PACKAGES = {"bare": ("peft",), "trainer": ("peft",), "trl": ("peft", "trl", "datasets")}
PACKAGES["trl-default"] = PACKAGES["trl"]
"""What each of them needs besides torch and transformers."""

Tell = Callable[[float], None]
"""Takes the loss of a step that has been done."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What to train, and how."""

    peer: str
    model: str
    method: str
    dtype: str
    rank: int
    learning_rate: float
    threads: int
    niceness: int
    steps: Sequence[Sequence[str]]
    """The texts of each step, all of the same length."""
    lines: str
    """The file for what is told: a line of JSON a step, with its `time`, in seconds since 1970, `loss` and `tokens`."""


def missing(peer: str) -> list[str]:
    """Return the packages that a peer needs and that aren't there."""
    return [each for each in PACKAGES[peer] if importlib.util.find_spec(each) is None]


def write(path: Path, given: Given) -> None:
    """Write what the program is to be given."""
    path.write_text(json.dumps(asdict(given)))


def main() -> None:
    """Train."""
    given = Given(**json.loads(Path(sys.argv[1]).read_text()))
    os.nice(given.niceness)
    os.environ.update(HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1", TOKENIZERS_PARALLELISM="false")
    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(given.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(given.model)
    data = [tokenizer(list(texts))["input_ids"] for texts in given.steps]
    tokens = sum(map(len, data[0]))
    with Path(given.lines).open("a", buffering=1) as lines:

        def tell(loss: float) -> None:
            print(json.dumps({"time": time.time(), "loss": loss, "tokens": tokens}), file=lines)

        train = {"bare": bare, "trainer": trainer, "trl": trl, "trl-default": trl}[given.peer]
        train(given, prepared(given), data, tell)


def prepared(given: Given) -> Any:
    """Return the model, with its adapter if it gets one."""
    import torch
    import transformers

    stored_in = torch.bfloat16 if given.method == "lora" and given.dtype == "bfloat16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(given.model, dtype=stored_in)
    transformers.set_seed(0)
    if given.method == "full":
        return model.train()
    import peft

    config = peft.LoraConfig(
        r=given.rank,
        lora_alpha=2 * given.rank,
        target_modules="all-linear",
        fan_in_fan_out=True,
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, config).train()


def bare(given: Given, model: Any, data: Sequence[Sequence[list[int]]], tell: Tell) -> None:
    """Train in a loop as one writes it by hand, nothing in it that could be left out."""
    import torch
    import transformers

    changing = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(changing, given.learning_rate, weight_decay=0.0, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, len(data))
    for rows in data:
        ids = torch.tensor(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=given.dtype == "bfloat16"):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(changing, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        tell(loss.item())


def trainer(given: Given, model: Any, data: Sequence[Sequence[list[int]]], tell: Tell) -> None:
    """Train with transformers' Trainer."""
    import transformers

    rows = [labelled(ids) for step in data for ids in step]
    args = transformers.TrainingArguments(gradient_checkpointing=False, **arguments(given, data))
    transformers.Trainer(model, args, train_dataset=rows, callbacks=[teller(tell)]).train()


def trl(given: Given, model: Any, data: Sequence[Sequence[list[int]]], tell: Tell) -> None:
    """Train with TRL's SFTTrainer; as `trl-default` with its own choice of gradient checkpointing."""
    import datasets
    import transformers
    import trl

    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_list([labelled(ids) for step in data for ids in step])
    tokenizer = transformers.AutoTokenizer.from_pretrained(given.model)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)  # it must have one, though nothing is padded
    own = {} if given.peer == "trl-default" else {"gradient_checkpointing": False}
    args = trl.SFTConfig(max_length=None, **own, **arguments(given, data))
    trl.SFTTrainer(model, args, train_dataset=rows, processing_class=tokenizer, callbacks=[teller(tell)]).train()


def labelled(ids: Sequence[int]) -> dict[str, list[int]]:
    """Return a row of both trainers, who would count the first token, too, when they divide the sum of the losses."""
    return {"input_ids": [*ids], "labels": [-100, *ids[1:]]}


def arguments(given: Given, data: Sequence[Sequence[list[int]]]) -> dict[str, Any]:
    """Return the arguments of both trainers."""
    return {
        "output_dir": str(Path(given.lines).with_suffix(".output")),
        "per_device_train_batch_size": len(data[0]),
        "max_steps": len(data),
        "learning_rate": given.learning_rate,
        "lr_scheduler_type": "linear",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "train_sampling_strategy": "sequential",
        "bf16": given.dtype == "bfloat16",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    }


def teller(tell: Tell) -> Any:
    """Return a callback that tells of each step."""
    import transformers

    class Teller(transformers.TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: Mapping[str, float], **__: Any) -> None:
            if "loss" in logs:
                tell(float(logs["loss"]))

    return Teller()


if __name__ == "__main__":
    main()

"""What jobs are measured beside: a loop in plain PyTorch, transformers' Trainer, and TRL's SFTTrainer.

    python bench/training_peers.py CONFIG.json

Each is this program in a process of its own. It trains the model of `CONFIG.json` on its texts, in their order, and writes a
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

ReportStep = Callable[[float], None]
"""Takes the loss of a step that has been done."""


@dataclass(frozen=True, kw_only=True)
class PeerConfig:
    """What to train, and how."""

    peer: str
    model: str
    method: str
    dtype: str
    rank: int
    alpha: float
    learning_rate: float
    threads: int
    niceness: int
    steps: Sequence[Sequence[str]]
    """The texts of each step, all of the same length."""
    report: str
    """The file for the steps that are done: a line of JSON each, with its `time`, in seconds since 1970, `loss` and `tokens`."""


def missing(peer: str) -> list[str]:
    """Return the packages that a peer needs and that aren't there."""
    return [each for each in PACKAGES[peer] if importlib.util.find_spec(each) is None]


def write(path: Path, config: PeerConfig) -> None:
    """Write what the program reads."""
    path.write_text(json.dumps(asdict(config)))


def main() -> None:
    """Train."""
    config = PeerConfig(**json.loads(Path(sys.argv[1]).read_text()))
    os.nice(config.niceness)
    os.environ.update(HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1", TOKENIZERS_PARALLELISM="false")
    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(config.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(config.model)
    data = [tokenizer(list(texts))["input_ids"] for texts in config.steps]
    tokens = sum(map(len, data[0]))
    with Path(config.report).open("a", buffering=1) as report:

        def report_step(loss: float) -> None:
            print(json.dumps({"time": time.time(), "loss": loss, "tokens": tokens}), file=report)

        train = {"bare": bare, "trainer": trainer, "trl": trl, "trl-default": trl}[config.peer]
        train(config, prepared(config), data, report_step)


def prepared(config: PeerConfig) -> Any:
    """Return the model, with its adapter if it gets one."""
    import torch
    import transformers

    stored_in = torch.bfloat16 if config.method == "lora" and config.dtype == "bfloat16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(config.model, dtype=stored_in)
    transformers.set_seed(0)
    if config.method == "full":
        return model.train()
    import peft

    adapter = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules="all-linear",
        fan_in_fan_out=True,
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, adapter).train()


def bare(config: PeerConfig, model: Any, data: Sequence[Sequence[list[int]]], report_step: ReportStep) -> None:
    """Train in a loop as one writes it by hand, nothing in it that could be left out."""
    import torch
    import transformers

    changing = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(changing, config.learning_rate, weight_decay=0.0, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, len(data))
    for rows in data:
        ids = torch.tensor(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.dtype == "bfloat16"):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(changing, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        report_step(loss.item())


def trainer(config: PeerConfig, model: Any, data: Sequence[Sequence[list[int]]], report_step: ReportStep) -> None:
    """Train with transformers' Trainer."""
    import transformers

    rows = [labelled(ids) for step in data for ids in step]
    args = transformers.TrainingArguments(gradient_checkpointing=False, **arguments(config, data))
    transformers.Trainer(model, args, train_dataset=rows, callbacks=[step_reporter(report_step)]).train()


def trl(config: PeerConfig, model: Any, data: Sequence[Sequence[list[int]]], report_step: ReportStep) -> None:
    """Train with TRL's SFTTrainer; as `trl-default` with its own choice of gradient checkpointing."""
    import datasets
    import transformers
    import trl

    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_list([labelled(ids) for step in data for ids in step])
    tokenizer = transformers.AutoTokenizer.from_pretrained(config.model)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)  # it must have one, though nothing is padded
    own = {} if config.peer == "trl-default" else {"gradient_checkpointing": False}
    args = trl.SFTConfig(max_length=None, **own, **arguments(config, data))
    trl.SFTTrainer(
        model, args, train_dataset=rows, processing_class=tokenizer, callbacks=[step_reporter(report_step)]
    ).train()


def labelled(ids: Sequence[int]) -> dict[str, list[int]]:
    """Return a row of both trainers, who would count the first token, too, when they divide the sum of the losses."""
    return {"input_ids": [*ids], "labels": [-100, *ids[1:]]}


def arguments(config: PeerConfig, data: Sequence[Sequence[list[int]]]) -> dict[str, Any]:
    """Return the arguments of both trainers."""
    return {
        "output_dir": str(Path(config.report).with_suffix(".output")),
        "per_device_train_batch_size": len(data[0]),
        "max_steps": len(data),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "linear",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "train_sampling_strategy": "sequential",
        "bf16": config.dtype == "bfloat16",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    }


def step_reporter(report_step: ReportStep) -> Any:
    """Return a callback of both trainers that reports each step."""
    import transformers

    class StepReporter(transformers.TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: Mapping[str, float], **__: Any) -> None:
            if "loss" in logs:
                report_step(float(logs["loss"]))

    return StepReporter()


if __name__ == "__main__":
    main()

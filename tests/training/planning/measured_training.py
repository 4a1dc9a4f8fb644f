"""A few steps of training in a process of its own, and the most memory that it had: `measured_training MODEL METHOD`."""

from __future__ import annotations

import sys
import warnings

import peft
import torch
import transformers

from gpt_notebook.training import loss as losses
from gpt_notebook.training import memory

SHAPE = (4, 128)


def main() -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1])
    if sys.argv[2] == "lora":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = peft.get_peft_model(model, peft.LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    model.train()
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad])
    ids = torch.randint(0, model.config.vocab_size, SHAPE)
    places = torch.arange(ids.numel() - 1)
    for _ in range(2):
        logits = losses.logits_at(model, {"input_ids": ids}, places)
        torch.nn.functional.cross_entropy(logits, ids.flatten()[1:]).backward()
        optimizer.step()
        optimizer.zero_grad()
    sys.stdout.write(str(memory.peak(torch.device("cpu"))))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

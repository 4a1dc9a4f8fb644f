"""Writes a model, its adapter, or both as one, so that others can load it.

An adapter that is exported as it is, or a whole model, needs no torch.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_notebook import adapter_files, storyteller
from gpt_notebook.adapter_places import CONFIG, WEIGHTS
from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.exporting import model_card
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.protocol import DEFAULT_MODEL, Progress

CARD = "README.md"
MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""What of a model's directory is the model."""
NOT_THE_MODEL = ("manifest.json", "trainer_state.json", "resume*.json", "job.json")
"""What a checkpoint holds besides."""
PROBED_TOKENS = 32
"""How many tokens the merged model and its parts are compared on."""
MOST_APART = 1e-3
"""How far logits may be apart after a merge, as a share of the largest: float32 sums in another order give some 1e-6, and a
merge that went wrong differs in the first digit."""

_HUB_CACHE = re.compile(r"/models--(?P<repository>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})/?$")

Report = Callable[[Progress], object]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be written, and where."""

    model: str
    """The model string, for messages."""
    name: str
    """What the export is called on its page."""
    target: str
    """An empty directory."""
    base: str
    """The base's model string; or that of the model itself, where there is no adapter."""
    source: str | None = None
    """Its directory, which the export of an adapter alone does without."""
    adapter: str | None = None
    """The adapter's directory."""
    merged: bool = False


def write(order: Order, report: Report = lambda _: None) -> None:
    """Write an export.

    Raises:
        GptNotebookError: it can't be done; says why.
    """
    target = Path(order.target)
    if order.adapter is None:
        subject = _whole_model(order, target, report)
    elif order.merged:
        subject = _merged(order, target, report)
    else:
        subject = _adapter(order, target)
    (target / CARD).write_text(model_card.page(subject), "utf-8")


def _adapter(order: Order, target: Path) -> model_card.Subject:
    """Write an adapter as peft does, with a base in its config that others can find."""
    config = _write_adapter(order, target)
    base, revision = public_name(order.base)
    return model_card.Subject(
        name=order.name,
        base=base,
        revision=revision,
        rank=config.get("r"),
        training=_training(str(order.adapter)),
    )


def _write_adapter(order: Order, target: Path) -> dict[str, Any]:
    """Write an adapter's two files, read at once so that they belong together, and return its config."""
    files = adapter_files.read(Path(str(order.adapter)))
    config = adapter_files.read_config(files.config)
    base, revision = public_name(order.base)
    config |= {"base_model_name_or_path": base, "revision": revision, "inference_mode": True}
    (target / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    (target / WEIGHTS).write_bytes(files.weights)
    return config


def _whole_model(order: Order, target: Path, report: Report) -> model_card.Subject:
    """Copy a model that is one already."""
    source = Path(str(order.source))
    paths = sorted(
        path
        for pattern in MODEL_FILES
        for path in source.glob(pattern)
        if path.is_file() and not any(path.match(other) for other in NOT_THE_MODEL)
    )
    total, done = sum(path.stat().st_size for path in paths), 0
    for path in paths:
        shutil.copyfile(path, target / path.name)
        done += path.stat().st_size
        report(Progress(stage="reading", model=order.model, done=done, total=total))
    config = json.loads((target / "config.json").read_text("utf-8"))
    training = _training(str(source))
    base, revision = ("", None) if training is None else public_name(training.request.model)
    return model_card.Subject(
        name=order.name,
        base=base,
        revision=revision,
        adapter=False,
        dtype=config.get("dtype") or config.get("torch_dtype"),
        training=training,
    )


def _merged(order: Order, target: Path, report: Report) -> model_card.Subject:
    """Write the base with the adapter added to its weights, checked to say what the two say apart."""
    import peft
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    report(Progress(stage="reading", model=order.model))
    parts = target / ".adapter"
    parts.mkdir()
    rank = _write_adapter(order, parts).get("r")
    stored = transformers.AutoConfig.from_pretrained(str(order.source), local_files_only=True).dtype or torch.float32
    base = transformers.AutoModelForCausalLM.from_pretrained(
        str(order.source), dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(order.source), local_files_only=True)
    # Ids drawn for this alone: any text would leave most of a vocabulary out.
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, base.get_input_embeddings().num_embeddings, (1, PROBED_TOKENS), generator=generator)
    adapted = peft.PeftModel.from_pretrained(base, str(parts)).eval()
    report(Progress(stage="computing", model=order.model, done=0, total=3))
    with torch.inference_mode():
        apart = adapted(ids, use_cache=False).logits  # (1, token, vocabulary)
    merged = adapted.merge_and_unload(safe_merge=True)
    report(Progress(stage="computing", model=order.model, done=1, total=3))
    with torch.inference_mode():
        together = merged(ids, use_cache=False).logits
    difference = float((together - apart).abs().max() / apart.abs().max())
    if not difference <= MOST_APART:
        message = (
            f"{order.model} says something else once it is merged (its logits differ by {difference:.1g} of the largest): "
            "export it without merged=True"
        )
        raise ModelUnsupported(message)
    report(Progress(stage="computing", model=order.model, done=2, total=3))
    shutil.rmtree(parts)
    merged.to(stored).save_pretrained(target)
    tokenizer.save_pretrained(target)
    name, revision = public_name(order.base)
    return model_card.Subject(
        name=order.name,
        base=name,
        revision=revision,
        adapter=False,
        merged=True,
        rank=rank,
        dtype=str(stored).removeprefix("torch."),
        training=_training(str(order.adapter)),
    )


def public_name(base: str) -> tuple[str, str | None]:
    """Return what others may call a model, and its revision: paths of this machine mean nothing elsewhere."""
    path = Path(base)
    if not path.is_absolute():
        name, _, revision = base.partition("@")
        return name, revision or None
    if path.resolve() == storyteller.path().resolve():
        return DEFAULT_MODEL, None
    if found := _HUB_CACHE.search(str(path)):
        return found["repository"].replace("--", "/"), found["commit"]
    return path.name, None


def _training(checkpoint: str) -> model_card.Training | None:
    """Return what is known of how a checkpoint was made: it lies in its job's directory."""
    place = Path(checkpoint).resolve()
    if place.parent.name != "checkpoints":
        return None
    return model_card.training_of(JobDirectory(place.parent.parent), int(place.name) if place.name.isdigit() else None)

"""What a job is to begin from: a model's files, and perhaps an adapter's, judged before anything is begun.

No weights are read, only what their headers, the config and the adapter's files say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.errors import InvalidRequest, JobError, ModelUnsupported
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.model_kernel import fetching, loading, model_config, weights
from gpt_notebook.model_kernel.jobs.base import Base, refuse_elsewhere
from gpt_notebook.model_kernel.model_config import GENERATING
from gpt_notebook.model_kernel.weights import Source
from gpt_notebook.training.planning import arguments, choices, config_sizes, lora_layers

NEEDED = ("peft", "accelerate")
"""What trains, and is needed for nothing else."""


class Bases:
    """Finds them."""

    def __init__(self, home: Path, device: torch.device, name_of: Callable[[str], str]) -> None:
        """Look below a home; `name_of` is what the model kernel calls a model."""
        self._home = home
        self._device = device
        self.name_of = name_of

    async def find(self, model: str, options: JobOptions, *, hub_token: str | None = None) -> Base:
        """Return what a model string stands for; a model of the hub is downloaded.

        Raises:
            InvalidRequest: the model is served elsewhere, or an option can't be for it.
            ModelError: it isn't there, or can't be trained; says why.
            JobError: nothing can be trained here, as a package is missing.
        """
        refuse_elsewhere(model, self._home)
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            message = f"fine-tuning needs {' and '.join(missing)} beside the model kernel: run  pip install 'gpt-notebook[local]'"
            raise JobError(message)
        model = self.name_of(model)
        name, adapter = adapter_places.split(model)
        if adapter is not None and options.method == "full":
            message = f"{model} has an adapter, and the method full trains the model itself: leave +{adapter} out, or export it merged and train that"
            raise InvalidRequest(message, param="model")
        source = await asyncio.to_thread(weights.local, name, self._home / "models")
        if source is None:
            source = await asyncio.to_thread(fetching.fetch, name, self._home, hub_token)
        await asyncio.to_thread(self._judge, source, options)
        base = Base(model=model, source=str(source.directory), fingerprint=source.fingerprint())
        return base if adapter is None else await asyncio.to_thread(self._with, base, adapter)

    def _judge(self, source: Source, options: JobOptions) -> None:
        weights.check(source)
        kind, config = loading.describe(source, self._device)
        if kind not in GENERATING:
            message = f"{source.name} cannot be fine-tuned: {model_config.refusal(source.name, kind, config).message}"
            raise ModelUnsupported(message)
        choices.max_length(options, config_sizes.context_length(config))
        arguments.check(options.training_arguments)
        if options.method == "lora" and options.lora.targets is not None:
            lora_layers.check_targets(lora_layers.of_config(config), options.lora.targets)

    def _with(self, base: Base, adapter: str) -> Base:
        place = adapter_places.locate(adapter, self._home)
        digest = adapter_files.read(place).digest
        return replace(base, adapter=str(place.resolve()), adapter_digest=digest)

"""A model that can run, and what the engine has to know of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from gpt_notebook.model_kernel import linear, model_config
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.in_use import InUse
from gpt_notebook.model_kernel.model_config import Kind, Kinds
from gpt_notebook.model_kernel.text import Vocabulary
from gpt_notebook.model_kernel.weights import Source
from gpt_notebook.protocol import ModelInfo
from gpt_notebook.template_process import TemplateProcess

SMALL = 30_000_000
"""Below this many parameters a second thread costs more than it brings."""


@dataclass(eq=False)
class LoadedModel(InUse):
    """Weights in memory, their tokenizer, and who uses them."""

    source: Source
    fingerprint: str
    kind: Kind
    module: Any
    tokenizer: Any
    vocabulary: Vocabulary
    device: torch.device
    dtype: torch.dtype
    parameters: int
    bytes: int
    context_length: int
    """The most tokens that prompt and completion may have together; 0: no limit is known."""
    end_ids: frozenset[int]
    """The tokens that end a completion."""
    keeps_logits: bool
    """Whether `forward` can be told to compute the last position's logits only."""
    templates: TemplateProcess
    """Renders its chat template."""
    packed_bytes: int = 0
    """What the packed copies of its weights take."""
    layout: Layout | None = None
    """How its attention can be seen, once somebody has asked."""
    batch: Any = None
    """The `Batch` of its generations, once there has been one; it refers back, so who lets the model go empties this."""

    @property
    def is_small(self) -> bool:
        """Whether one thread runs it fastest."""
        return self.parameters < SMALL

    def unpack(self) -> None:
        """Let the packed copies of its weights go."""
        linear.unpack(self.module)
        self.packed_bytes = 0

    def refuse_unless(self, kinds: Kinds) -> None:
        """Refuse to be used for what only models of these kinds can do.

        Raises:
            ModelUnsupported: says what it is instead.
        """
        model_config.refuse(self.source.name, self.kind, self.module.config, kinds)

    def info(self) -> ModelInfo:
        """Return what people want to know of it."""
        config = self.module.config
        return ModelInfo(
            name=self.source.name,
            source=str(self.source.directory) if self.source.commit is None else self.source.name,
            loaded=True,
            fingerprint=self.fingerprint,
            architecture=type(self.module).__name__,
            dtype=str(self.dtype).removeprefix("torch."),
            device=str(self.device),
            parameters=self.parameters,
            bytes=self.bytes,
            context_length=self.context_length,
            n_layers=model_config.number_of_layers(config),
            n_heads=model_config.number_of_heads(config),
            vocabulary=len(self.tokenizer),
            chat_template=bool(getattr(self.tokenizer, "chat_template", None)),
            in_use=self.in_use,
            idle_seconds=0.0 if self.in_use else time.monotonic() - self.last_used,
        )

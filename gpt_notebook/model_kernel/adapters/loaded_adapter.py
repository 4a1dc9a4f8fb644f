"""An adapter that can be used, and who uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from gpt_notebook.model_kernel.in_use import InUse
from gpt_notebook.protocol import AdapterInfo


class Matrices(NamedTuple):
    """What an adapter adds to a linear layer: `scaling * x @ a.T @ b.T` to each row x."""

    a: torch.Tensor
    """Shape (rank, input feature)."""
    b: torch.Tensor
    """Shape (output feature, rank)."""
    scaling: float


@dataclass(eq=False)
class LoadedAdapter(InUse):
    """LoRA weights in memory; nothing that happens to their files changes them."""

    name: str
    """As it was asked for when it was loaded."""
    directory: Path
    model: str
    """The name of the model beside which it is loaded."""
    model_fingerprint: str
    digest: str
    """sha256 over its files."""
    matrices: Mapping[str, Matrices]
    """By the name of the linear layer in its model."""
    bytes: int
    parameters: int
    rank: int
    """The config's; some layers may have another."""
    base: str
    """The model that it was trained on, as its config names it."""
    by_row: bool
    """Whether all of its layers read the rows of a pass as they are. The experts of a mixture read some of them, so that
    nobody knows which are whose; such an adapter can only be added to all rows."""

    @property
    def fingerprint(self) -> str:
        """Which model exactly that is, base and adapter."""
        return f"{self.model_fingerprint}+{self.digest}"

    def info(self) -> AdapterInfo:
        """Return what people want to know of it."""
        return AdapterInfo(
            name=self.name,
            source=str(self.directory),
            base=self.base,
            rank=self.rank,
            parameters=self.parameters,
            bytes=self.bytes,
            digest=self.digest,
            models=(self.model,),
            in_use=self.in_use,
        )

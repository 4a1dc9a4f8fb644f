"""What a job begins from, as it is written down with the job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gpt_notebook import adapter_places
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_files import publishing

_ELSEWHERE = re.compile(r"[a-z][a-z0-9_-]*:.*|.*://.*", re.IGNORECASE | re.DOTALL)
"""`endpoint:model`, or a URL."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A model that can be trained, and the adapter that is gone on from."""

    model: str
    """The model string, as the model kernel has it."""
    source: str
    """The directory of the model's files."""
    fingerprint: str
    adapter: str | None = None
    """The directory of the adapter's files."""
    adapter_digest: str | None = None


def refuse_elsewhere(model: str, home: Path) -> None:
    """Refuse a model that somebody else serves.

    Raises:
        InvalidRequest: says what fine-tuning needs.
        ModelNotFound: it is a step of a model of ours, and isn't there.
    """
    base = model.partition("+")[0]
    if (
        publishing.checkpoint(base, home) is None
        and _ELSEWHERE.fullmatch(base)
        and not adapter_places.is_directory(model)
    ):
        message = (
            f"{model[:80]!r} is served elsewhere, and fine-tuning needs the weights on the machine of the model kernel: "
            "give a directory, an id of the Hugging Face hub, or storyteller"
        )
        raise InvalidRequest(message, param="model")

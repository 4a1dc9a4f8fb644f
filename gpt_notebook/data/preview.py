"""What a model would see of data, shown: the exact strings, their tokens, and which of them count in the loss."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from gpt_notebook import job_protocol
from gpt_notebook.display import preview_html


class Preview(job_protocol.Preview):
    """What a model would see of data; shows itself, and has the numbers as attributes."""

    @classmethod
    def of(cls, found: job_protocol.Preview) -> Self:
        """Return the answer of a model kernel as one that can be looked at."""
        return cls(**{each.name: getattr(found, each.name) for each in dataclasses.fields(found)})

    def __str__(self) -> str:
        return preview_html.text(self)

    def __repr__(self) -> str:
        return f"<Preview of {self.rows:,} rows: {self.tokens:,} tokens, {self.counted:,} count in the loss>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        return {"text/plain": preview_html.text(self), "text/html": preview_html.html(self)}

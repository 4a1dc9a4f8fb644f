"""Whether rows can be made of other data as they were for a training."""

from __future__ import annotations

from typing import Any

from gpt_notebook.data import columns
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobInfo
from gpt_notebook.visible_text import shortened

MOST_SHOWN = 60
"""Characters of a template in a message."""


def refuse_others(info: JobInfo, data: Any) -> None:
    """Refuse data without the columns of a training.

    Raises:
        InvalidRequest: says what the training was given.
    """
    names = Dataset(data).names()
    try:
        columns.choose(names, info.columns)
    except InvalidRequest as error:
        given = " and ".join(f"{field}={shortened(value, MOST_SHOWN)!r}" for field, value in info.columns.items())
        there = f"have {', '.join(map(repr, names))}" if names else "have no column"
        alone = next((field for field in ("text", "messages") if field in info.columns), None)
        instead = f"{alone}=" if alone else "prompt= and completion="
        message = f"{info.name} was trained with {given}, and these data {there}: give {instead} for these data"
        raise InvalidRequest(message, param="data") from error

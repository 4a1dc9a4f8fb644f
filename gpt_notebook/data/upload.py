"""Sending data to the model kernel, and saying what was taken for granted about them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gpt_notebook.data.dataset import Dataset
from gpt_notebook.display import progress
from gpt_notebook.session import session

if TYPE_CHECKING:
    from gpt_notebook.job_protocol import DataInfo


def send(data: Dataset, *, warn: bool = True) -> DataInfo:
    """Send data and return what they are known by from then on; the same data are kept once.

    Args:
        data: What to send.
        warn: Whether to say what is probably not meant, too.

    Raises:
        InvalidRequest: a row can't be learnt from, which is named.
        PayloadTooLarge: they are more than the model kernel takes.
    """
    with contextlib.closing(progress.bar("reading the data: rows")) as bar:
        info = session.ask(lambda client: client.upload(_shown(data, bar)))
    if said := [*data.notes, *(data.warnings if warn else ())]:
        progress.note("; ".join(said))
    return info


def _shown(data: Dataset, bar: progress.Bar) -> Iterator[bytes]:
    """Yield the lines of data, and show how far they are where that is known."""
    total = data.length
    for piece in data.lines():
        if total:
            bar(data.done, total)
        yield piece

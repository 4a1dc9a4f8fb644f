"""What the fake engine makes of data: a row is its words, of which a completion's or an assistant's count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpt_notebook.job_protocol import Evaluated, Preview, PreviewedSample, PreviewRequest
from gpt_notebook.testing.fake_training import ESTIMATE
from gpt_notebook.testing.fake_vocabulary import FakeVocabulary, words

LENGTH = 1024
"""Words of a sample, where nothing else is asked for."""
LOSS = 1.0
"""Of every word that counts; every second one is guessed."""


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of data."""
    for line in path.read_bytes().splitlines():
        yield json.loads(line)


def parts(row: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return the words of a row, and whether each counts."""
    if "messages" in row:
        texts = [(f"{each['role']}: {each['content']}\n", each["role"] == "assistant") for each in row["messages"]]
    elif "prompt" in row:
        texts = [(row["prompt"], False), (row["completion"], True)]
    else:
        texts = [(row["text"], True)]
    return [(word, counts) for text, counts in texts for word in words(text)]


def preview(path: Path, request: PreviewRequest, vocabulary: FakeVocabulary) -> Preview:
    """Return what the fake model would see."""
    limit = request.options.max_length or LENGTH
    samples = [parts(row) for row in rows(path)]
    lengths = sorted(len(each) for each in samples)
    shown = tuple(
        PreviewedSample(
            row=number,
            text="".join(word for word, _ in each[:limit]),
            tokens=tuple(vocabulary.token(word) for word, _ in each[:limit]),
            counted=tuple(counts for _, counts in each[:limit]),
            cut=max(0, len(each) - limit),
        )
        for number, each in enumerate(samples[: request.samples])
    )
    return Preview(
        rows=len(samples),
        samples=len(samples),
        tokens=sum(min(length, limit) for length in lengths),
        counted=sum(counts for each in samples for _, counts in each[:limit]),
        max_length=limit,
        lengths=tuple(lengths[round(part * (len(lengths) - 1) / 4)] for part in range(5)),
        cut=sum(length > limit for length in lengths),
        dropped=0,
        validation_samples=round(request.options.validation_share * len(samples)),
        shown=shown,
        estimate=ESTIMATE,
    )


def evaluated(path: Path) -> Iterator[Evaluated]:
    """Yield what the fake model makes of each row."""
    for number, row in enumerate(rows(path)):
        counted = sum(counts for _, counts in parts(row))
        yield Evaluated(row=number, loss=LOSS * counted, tokens=counted, correct=counted // 2)

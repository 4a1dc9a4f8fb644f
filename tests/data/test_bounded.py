"""Whatever a file becomes when it is unpacked: what is too long is refused with its place, and memory stays as it was."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from gpt_notebook.data import bounded
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.errors import InvalidRequest

MB = 10**6


@pytest.fixture(autouse=True)
def _short_rows(monkeypatch):
    monkeypatch.setattr(bounded, "MOST_ROW", 2 * MB)
    monkeypatch.setattr(bounded, "MOST_WHOLE", 3 * MB)


def refusal_and_peak(path):
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest) as caught:
            for _ in Dataset(path, text="text").lines():
                pass
        return caught.value.message, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl.gz", b'{"text": "x"}\n{"text": "' + b"x" * 60 * MB, "a.jsonl.gz, line 2: this row is larger than 2 MB: cut it up"),
        ("a.txt.gz", b"x\n" + b"x" * 60 * MB, "a.txt.gz, line 2: this row is larger than 2 MB"),
        ("paragraph.txt.gz", b"x\n\n" + (b"x" * 999 + b"\n") * 60_000, "paragraph.txt.gz, line 3: this row is larger than 2 MB"),
        ("a.csv.gz", b"text\nx\n" + b"x" * 60 * MB, "a.csv.gz, line 3: this row is larger than 2 MB"),
        ("cells.csv.gz", b"text\nx\n" + (b'"' + b"x" * 9999 + b'\n",') * 6_000, "cells.csv.gz, line 3: this row is larger than 2 MB"),
        ("a.json.gz", b'["' + b"x" * 60 * MB, "a.json.gz holds more than 3 MB, and JSON has to be held whole: save it as JSON lines (.jsonl)"),
    ],
)  # fmt: skip
def test_what_unpacks_to_more_than_a_row_may_be_is_refused_before_it_is_held(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content, compresslevel=1))
    del content
    message, peak = refusal_and_peak(path)
    assert message.startswith(said)
    assert peak < 25 * MB


def test_rows_up_to_the_limit_are_read_from_every_kind_of_file(tmp_path):
    text = "x" * 1_900_000
    contents = {
        "a.jsonl": f'"{text}"',
        "a.json": f'["{text}"]',
        "a.csv": f"text\n{text}\n{text}\n",
        "a.txt": f"{text}\n\n{text}",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        assert {row["text"] for row in Dataset(tmp_path / name, text="text").rows()} == {text}

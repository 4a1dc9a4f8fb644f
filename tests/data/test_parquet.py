"""Parquet files with wide cells: no more of them is held than a few rows, however small the file is."""

from __future__ import annotations

import json

import pytest

from gpt_notebook.data import bounded, parquet
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.errors import InvalidRequest

arrow = pytest.importorskip("pyarrow")
files = pytest.importorskip("pyarrow.parquet")
MB = 10**6


@pytest.fixture
def file(tmp_path):
    def write(texts, **options):
        path = tmp_path / "a.parquet"
        files.write_table(arrow.table({"text": texts}), path, **options)
        return path

    return write


def repeated(text, times):
    """Return a column that has its one text only once."""
    return arrow.DictionaryArray.from_arrays(arrow.array([0] * times, arrow.int32()), arrow.array([text]))


def rows(path):
    return (record for _, record in parquet.records(path))


def held(path):
    """Read a file, and return the most bytes that Arrow held meanwhile of what it did not hold before."""
    pool = arrow.default_memory_pool()
    before = most = pool.bytes_allocated()
    for _ in rows(path):
        most = max(most, pool.bytes_allocated())
    return most - before


def test_a_long_text_that_many_rows_have_is_not_unpacked_for_all_of_them_at_once(file):
    path = file(repeated("x" * MB, 400), compression="zstd")
    assert path.stat().st_size < 10_000
    assert held(path) < 10 * MB
    assert [len(row["text"]) for row in rows(path)] == [MB] * 400


def test_nor_is_it_where_the_file_is_not_compressed(file, monkeypatch):
    monkeypatch.setattr(parquet, "PIECE_BYTES", MB)
    assert held(file(repeated("x" * MB, 400), compression="none", dictionary_pagesize_limit=10 * MB)) < 100 * MB


def test_rows_are_counted_through_all_row_groups(file):
    texts = [str(number) for number in range(5000)]
    path = file(texts, row_group_size=1500)
    assert [where for where, _ in parquet.records(path)] == [f"row {number}" for number in range(5000)]
    assert [json.loads(line)["text"] for line in b"".join(Dataset(path).lines()).splitlines()] == texts


def test_a_row_that_is_too_long_is_named(file, monkeypatch):
    monkeypatch.setattr(bounded, "MOST_ROW", MB)
    path = file(["x", "y" * 900_000, "z" * 900_000, "w" * (MB + 1)])
    found = rows(path)
    assert [len(next(found)["text"]) for _ in range(3)] == [1, 900_000, 900_000]
    with pytest.raises(InvalidRequest, match=r"^a\.parquet, row 3: this row is larger than 1 MB: cut it up$"):
        next(found)


def test_ordinary_rows_are_read_many_at_once_and_long_ones_few(file):
    def together(texts):
        return parquet._rows_together(files.ParquetFile(file(texts)).metadata.row_group(0))

    assert together([f"a text of its own, {number}" for number in range(3000)]) == parquet.MOST_ROWS
    numbers = "".join(map(str, range(400_000)))
    assert together([numbers[start:] for start in range(20)]) == bounded.MOST_ROW // len(numbers)


def test_memory_that_does_not_suffice_is_said_so(file, monkeypatch):
    def fail(*_arguments):
        raise arrow.ArrowMemoryError

    path = file(["x"])
    monkeypatch.setattr(parquet, "_rows", fail)
    with pytest.raises(InvalidRequest, match="don't fit into this machine's memory: cut them up"):
        list(Dataset(path).rows())

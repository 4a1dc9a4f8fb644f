"""Rows of Parquet files, a few at a time: so many that reading is fast, and so few that wide cells don't fill the memory.

A text that many rows have is there once in the file, and each row that is read gets its own. How many bytes a row becomes
stands nowhere in the file; but no cell is longer than the row group that it is in.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt_notebook.data import bounded
from gpt_notebook.errors import InvalidRequest

if TYPE_CHECKING:
    from pyarrow.parquet import RowGroupMetaData

MOST_ROWS = 1024
"""That are held at once."""
FEWEST_ROWS = 64
"""Fewer are slow to read, and are held only where rows are known to be long, or may be because of `MOST_SQUEEZED`."""
MOST_SQUEEZED = 100
"""How many bytes of texts become one in a file at the very most."""
PIECE_BYTES = 1 << 28
"""That are held at once where each row is as long as all of its row group."""
READ_BYTES = 1 << 20
"""Of a column that are read from the file at once; Arrow would read all of a row group's."""


def records(path: Path) -> Generator[tuple[str, dict[str, Any]], None, None]:
    """Yield the rows of a file, and where each is.

    Raises:
        InvalidRequest: it can't be read, or a row is too long; says what to do.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        message = f"reading {path.name} needs pyarrow: run  pip install pyarrow"
        raise InvalidRequest(message, param="data") from None
    row = 0
    try:
        with parquet.ParquetFile(path, buffer_size=READ_BYTES) as file:
            for group in range(file.num_row_groups):
                together = _rows_together(file.metadata.row_group(group))
                for batch in file.iter_batches(batch_size=together, row_groups=[group]):
                    for record in _rows(batch, path, row):
                        yield f"row {row}", record
                        row += 1
    except MemoryError:  # of Arrow's own, which is an ArrowException, too
        raise
    except ArrowException as error:
        message = f"{path.name} is no whole Parquet file ({str(error).splitlines()[0]}): save it again"
        raise InvalidRequest(message, param="data") from None


def _rows_together(group: RowGroupMetaData) -> int:
    """Return how many rows of a row group can be held at once."""
    in_file = sum(group.column(index).total_compressed_size for index in range(group.num_columns))
    unpacked = max(1, int(group.total_byte_size))
    if unpacked > MOST_SQUEEZED * max(1, in_file):
        return 1
    rows = max(FEWEST_ROWS, min(MOST_ROWS, PIECE_BYTES // unpacked))
    return max(1, min(rows, bounded.MOST_ROW * int(group.num_rows) // unpacked))


def _rows(batch: Any, path: Path, first: int) -> Generator[dict[str, Any], None, None]:
    """Yield the rows of a batch; where they are many bytes, one by one.

    Raises:
        InvalidRequest: a row is too long.
    """
    if batch.nbytes <= bounded.MOST_ROW:
        yield from batch.to_pylist()
        return
    for index in range(batch.num_rows):
        row = batch.slice(index, 1)
        if row.nbytes > bounded.MOST_ROW:
            raise bounded.too_long(path, f"row {first + index}")
        yield from row.to_pylist()

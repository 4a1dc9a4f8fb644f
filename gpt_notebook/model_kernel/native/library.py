"""The functions of `decode.c` as Python calls them, once they have been built.

`prepare` begins to build, and returns at once; `library` waits for it. Whoever loads a model asks before its first step, so
that all steps of a process are done in the same way.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_double, c_float, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpt_notebook.model_kernel.native.building import build

if TYPE_CHECKING:
    import numpy.typing as npt

    from gpt_notebook.model_kernel.attention.calls import AttentionCall

logger = logging.getLogger(__name__)

DTYPES = (torch.float32, torch.bfloat16)
SOURCE = Path(__file__).with_name("decode.c")


class _Attention(ctypes.Structure):
    """`Attention` in `decode.c`."""

    _fields_ = (
        *((name, c_void_p) for name in ("query", "keys", "values", "output", "lengths", "sinks")),
        *((name, c_int64) for name in ("query_head_stride", "query_row_stride", "rows", "heads", "key_heads")),
        *((name, c_int64) for name in ("key_capacity", "value_capacity", "dimension", "value_dimension", "window")),
        *((name, c_float) for name in ("scaling", "softcap")),
        ("is_half", c_int32),
    )


class Library:
    """The functions. Tensors are on the CPU, of float32 or bfloat16."""

    def __init__(self, path: Path | str) -> None:
        """Load what was built.

        Raises:
            OSError: it can't be loaded.
        """
        # Other threads may run during what takes long; for what doesn't, letting them would take longer than the work.
        free, held = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
        self._attend = _function(free, "attend", c_int32, POINTER(_Attention))
        self._store = _function(held, "store", None, c_void_p, c_void_p, c_void_p, *[c_int64] * 6)
        self._best_and_sum = _function(held, "best_and_sum", c_int64, c_void_p, c_int64, POINTER(c_double))

    def attend(
        self, call: AttentionCall, keys: torch.Tensor, values: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Return what one query of each row attends to.

        Args:
            call: with the query (1, head, row, dimension), of which its own numbers lie side by side.
            keys: (slot, key head, capacity, dimension), contiguous.
            values: (slot, key head, capacity, value dimension), contiguous; of slots and capacity it may have more or fewer.
            lengths: (row,), int64: the place of each row's newest key, below both capacities.

        Returns:
            (1, row, head, value dimension).

        Raises:
            ValueError: the tensors don't go together.
            MemoryError: there is none left.
        """
        query, sinks = call.query, call.sinks
        _check(query, keys, lengths)
        _check(query, values, lengths)
        if (
            query.shape[1] % keys.shape[1]
            or query.shape[3] != keys.shape[3]
            or values.shape[1] != keys.shape[1]
            or (sinks is not None and len(sinks) != query.shape[1])
        ):
            message = (
                f"queries {tuple(query.shape)} don't fit keys {tuple(keys.shape)} and values {tuple(values.shape)}"
            )
            raise ValueError(message)
        if query.stride(3) != 1:
            query = query.contiguous()
        if sinks is not None:
            sinks = sinks.float().contiguous()
        _, heads, rows, dimension = query.shape
        output = query.new_empty(1, rows, heads, values.shape[3])
        asked = _Attention(
            query.data_ptr(), keys.data_ptr(), values.data_ptr(), output.data_ptr(), lengths.data_ptr(),
            None if sinks is None else sinks.data_ptr(),
            query.stride(1), query.stride(2), rows, heads, keys.shape[1],
            keys.shape[2], values.shape[2], dimension, values.shape[3], call.window or 0,
            1.0 if call.scaling is None else call.scaling, call.softcap or 0.0, query.element_size() == 2,  # noqa: PLR2004
        )  # fmt: skip
        if self._attend(byref(asked)):
            raise MemoryError
        return output

    def store(self, table: torch.Tensor, new: torch.Tensor, lengths: torch.Tensor) -> None:
        """Write each row's new keys or values (1, key head, row, dimension) into its slot of a contiguous table.

        Raises:
            ValueError: the tensors don't go together.
        """
        _check(new, table, lengths)
        if new.shape[1::2] != table.shape[1::2]:
            message = f"what is new {tuple(new.shape)} doesn't fit a table {tuple(table.shape)}"
            raise ValueError(message)
        if new.stride(3) != 1:
            new = new.contiguous()
        _, heads, rows, dimension = new.shape
        size = new.element_size()
        self._store(
            table.data_ptr(), new.data_ptr(), lengths.data_ptr(), rows, heads, table.shape[2],
            dimension * size, new.stride(1) * size, new.stride(2) * size,
        )  # fmt: skip

    def best_and_sum(self, row: npt.NDArray[np.float32]) -> tuple[int, float]:
        """Return the place of the largest of some logits, and the logarithm of the sum of their exponentials.

        The second is NaN where one of them is no finite number; a logit may be minus infinity.
        """
        row = np.ascontiguousarray(row, np.float32)
        log_sum = c_double()
        best = self._best_and_sum(row.ctypes.data, len(row), byref(log_sum))
        return best, log_sum.value


def _check(of_rows: torch.Tensor, table: torch.Tensor, lengths: torch.Tensor) -> None:
    """Refuse what C would read or write beside: it looks at no sizes itself."""
    one, _, rows, _ = of_rows.shape
    fits = one == 1 and rows == len(lengths) <= len(table) and lengths.dtype == torch.int64
    if not fits or of_rows.dtype != table.dtype or not (table.is_contiguous() and lengths.is_contiguous()):
        message = f"{rows} rows of {of_rows.dtype} don't fit a table {tuple(table.shape)} of {table.dtype}"
        raise ValueError(message)


def _function(library: ctypes.CDLL, name: str, result: type | None, *arguments: type) -> Callable[..., int]:
    found = getattr(library, name)
    found.restype, found.argtypes = result, arguments
    return found  # type: ignore[no-any-return]


class _Preparation:
    """One build, in a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self._library: Library | None = None
        self._said = ""
        self._thread = threading.Thread(target=self._build, args=(directory,), name="gpt-notebook-build", daemon=True)
        self._thread.start()

    def _build(self, directory: Path) -> None:
        built = build(SOURCE, directory, load=Library)
        self._said = built.said
        if built.path is not None:
            try:
                self._library = Library(built.path)
            except OSError as error:
                self._said = str(error)
        if self._library is None:
            logger.warning("decode steps do without C: %s", self._said)

    @property
    def result(self) -> tuple[Library | None, str]:
        """The library, and how it was built or why there is none."""
        self._thread.join()
        return self._library, self._said


_preparation: _Preparation | None = None


def prepare(directory: Path) -> None:
    """Begin to build, unless this process has; `directory` is where builds are kept."""
    global _preparation  # noqa: PLW0603 - a process needs one
    if _preparation is None:
        _preparation = _Preparation(directory)


def library() -> Library | None:
    """Return the functions, once they have been built; None: there are none, and torch does it all."""
    return None if _preparation is None else _preparation.result[0]


def for_tensors(tensors: Sequence[torch.Tensor]) -> Library | None:
    """Return the functions if there are any, and they know tensors like these."""
    if any(each.device.type != "cpu" or each.dtype not in DTYPES for each in tensors):
        return None
    return library()


def said() -> str:
    """Return how they were built, or why there are none."""
    return "nobody has asked for it" if _preparation is None else _preparation.result[1]

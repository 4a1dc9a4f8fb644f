"""The attention of a pass: of the next token of every running row, or of pieces of texts that are being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import scaled_dot_product_attention

from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.attention import tiled
from gpt_notebook.model_kernel.attention.calls import AttentionCall, Observer
from gpt_notebook.model_kernel.batching.cache import SequenceCache
from gpt_notebook.model_kernel.batching.slots import Slots
from gpt_notebook.model_kernel.native import library
from gpt_notebook.model_kernel.threads import many

WASTE = 4.0
"""How many times the keys that are needed may be read when all rows are computed together, which saves calls and copies;
beyond it each row is computed by itself."""
WIDTH = 64
"""Keys by which what is computed together grows: that width stays for so many steps, whoever comes and leaves."""
SLOWER = 3
"""How much longer it takes to read keys or values, many small matrices, than one of weights."""


@dataclass
class Piece:
    """A piece of a text, and where its keys and values go."""

    token_ids: Sequence[int]
    cache: SequenceCache
    observer: Observer | None = None
    adapter: LoadedAdapter | None = None

    @property
    def start(self) -> int:
        """The position of its first token."""
        return len(self.cache)


class Reading:
    """Attention of pieces of texts, one after the other."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Take pieces, of each text one."""
        self._pieces = pieces
        self._masks: dict[tuple[int, int | None], torch.Tensor | None] = {}

    def keep(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write each piece's keys and values behind those of its text."""
        first = 0
        for piece in self._pieces:
            start, count = piece.start, len(piece.token_ids)
            piece.cache.keys[layer][:, start : start + count] = keys[0, :, first : first + count]
            piece.cache.values[layer][:, start : start + count] = values[0, :, first : first + count]
            first += count

    def attend(self, layer: int, call: AttentionCall) -> torch.Tensor:
        """Return the output (1, token, head, value dimension)."""
        outputs, first, window = [], 0, call.window
        for number, piece in enumerate(self._pieces):
            start, count = piece.start, len(piece.token_ids)
            own = replace(
                call,
                query=call.query[:, :, first : first + count],
                key=piece.cache.keys[layer][None, :, : start + count],
                value=piece.cache.values[layer][None, :, : start + count],
                mask=self._mask(number, window),
                causal=count > 1 and start == 0 and (window is None or count <= window),
            )
            own.output = _output(own)
            outputs.append(_told(own, piece.observer))
            first += count
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)

    def _mask(self, number: int, window: int | None) -> torch.Tensor | None:
        """Return which keys each query of a piece sees (1, 1, query, key), None if "causal" says it all."""
        if (number, window) not in self._masks:
            piece = self._pieces[number]
            start, stop = piece.start, piece.start + len(piece.token_ids)
            seen = None
            if not _sees_all_before(start, stop, window):
                device = piece.cache.shape.device
                queries = torch.arange(start, stop, device=device)[:, None]
                keys = torch.arange(stop, device=device)
                seen = keys <= queries
                if window is not None:
                    seen &= keys > queries - window
                seen = seen[None, None]
            self._masks[number, window] = seen
        return self._masks[number, window]

    def done(self) -> None:
        """Say that the pieces have been read."""
        for piece in self._pieces:
            piece.cache.token_ids.extend(piece.token_ids)


def _sees_all_before(start: int, stop: int, window: int | None) -> bool:
    """Whether the queries need no mask: one query that sees every key, or a text from its first token on."""
    return (start == 0 or stop - start == 1) and (window is None or stop <= window)


def _width(longest: int, capacity: int) -> int:
    """Return how many keys of each slot are read when rows are computed together."""
    return min(-(-longest // WIDTH) * WIDTH, capacity)


class Stepping:
    """Attention of the next token of every running row."""

    def __init__(self, slots: Slots, observers: Sequence[Observer | None]) -> None:
        """Take the slots, and who watches each row."""
        self._slots = slots
        self._observers = observers
        self._lengths = torch.tensor(slots.lengths, device=slots.shape.device)  # (row,)
        self._width = _width(max(slots.lengths) + 1, slots.capacity)
        needed = sum(slots.lengths) + len(slots)
        # For one row the sums must not depend on how much room others have needed.
        self._together = len(slots) > 1 and self._width * len(slots) <= WASTE * needed
        self._in_c = library.for_tensors(slots.keys)
        if max(slots.lengths) >= slots.capacity:
            message = f"a row of {max(slots.lengths)} tokens has no room for one more in a slot of {slots.capacity}"
            raise IndexError(message)  # before C writes beside it
        self._places: dict[tuple[int, int], torch.Tensor] = {}
        self._masks: dict[int | None, torch.Tensor] = {}

    def keep(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write each row's key and value behind those that it has."""
        for table, new in ((self._slots.keys[layer], keys), (self._slots.values[layer], values)):
            if self._in_c is not None:
                self._in_c.store(table, new, self._lengths)
                continue
            rows = new[0].transpose(0, 1).flatten(0, 1)  # (row and key head, dimension)
            places = self._places_for(table.shape[1], table.shape[2])
            table.view(-1, table.shape[-1]).index_copy_(0, places, rows)

    def _places_for(self, n_heads: int, capacity: int) -> torch.Tensor:
        """Return where each row and key head has its next token when a table is seen as one of (place, dimension)."""
        if (n_heads, capacity) not in self._places:
            rows = torch.arange(len(self._slots), device=self._lengths.device)
            heads = torch.arange(n_heads, device=self._lengths.device)
            of_head = rows[:, None] * n_heads + heads  # (row, key head)
            self._places[n_heads, capacity] = (of_head * capacity + self._lengths[:, None]).flatten()
        return self._places[n_heads, capacity]

    def attend(self, layer: int, call: AttentionCall) -> torch.Tensor:
        """Return the output (1, token, head, value dimension)."""
        keys, values = self._slots.keys[layer], self._slots.values[layer]
        together = None
        if self._in_c is not None:
            seen = [min(length + 1, call.window or length + 1) for length in self._slots.lengths]
            read = sum(seen) * (keys[0, :, 0].nbytes + values[0, :, 0].nbytes)
            with many(SLOWER * read):
                together = self._in_c.attend(call, keys, values, self._lengths)
        elif self._together:
            query = call.query[0].transpose(0, 1)[:, :, None]  # (row, head, 1, dimension)
            count, width = len(self._slots), self._width
            weighed = _weighed(query, keys[:count, :, :width], values[:count, :, :width], call, self._mask(call.window))
            together = weighed[:, :, 0][None]  # (1, row, head, value dimension)
        if together is not None and not any(self._observers):
            return together
        outputs = []
        for row, (length, observer) in enumerate(zip(self._slots.lengths, self._observers, strict=True)):
            first = 0 if call.window is None else max(0, length + 1 - call.window)
            own = replace(
                call,
                query=call.query[:, :, row : row + 1],
                key=keys[row : row + 1, :, first : length + 1],
                value=values[row : row + 1, :, first : length + 1],
                mask=None,
                causal=False,
            )
            own.output = _output(own) if together is None else together[:, row : row + 1]
            outputs.append(_told(own, observer))
        return torch.cat(outputs, 1)

    def _mask(self, window: int | None) -> torch.Tensor:
        """Return which keys each row sees (row, 1, 1, key)."""
        if window not in self._masks:
            keys = torch.arange(self._width, device=self._lengths.device)
            lengths = self._lengths[:, None]
            seen = keys <= lengths
            if window is not None:
                seen &= keys > lengths - window
            self._masks[window] = seen[:, None, None]
        return self._masks[window]

    def done(self) -> None:
        """Say that the tokens have been read."""
        self._slots.lengths[:] = [length + 1 for length in self._slots.lengths]


def _told(call: AttentionCall, observer: Observer | None) -> torch.Tensor:
    """Tell who watches of a call, and return the output to go on with."""
    changed = observer.attended(call) if observer is not None else None
    return call.output if changed is None else changed


def _output(call: AttentionCall) -> torch.Tensor:
    """Return the output (1, query, head, value dimension) of a call of one sequence."""
    if call.query.shape[2] == 1:
        return _weighed(call.query, call.key, call.value, call, call.mask).transpose(1, 2)
    if call.softcap is not None or call.sinks is not None:
        return tiled.attend(call)
    return scaled_dot_product_attention(
        call.query,
        call.key,
        call.value,
        attn_mask=call.mask,
        is_causal=call.causal,
        scale=call.scaling,
        enable_gqa=call.query.shape[1] != call.key.shape[1],
    ).transpose(1, 2)


def _weighed(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, call: AttentionCall, mask: torch.Tensor | None
) -> torch.Tensor:
    """Return the values weighed for one query a row (row, head, 1, value dimension).

    Two products of matrices: for a single query torch's own function is several times slower, in bfloat16 above all. The
    keys stand on the left, where a part of a slot is read in place; on the right it would be copied first.
    """
    groups = keys.shape[1]
    grouped = torch.unflatten(query[:, :, 0], 1, (groups, -1))  # (row, key head, group, dimension)
    with many(SLOWER * keys.numel() * keys.element_size()):
        scores = keys @ grouped.transpose(-1, -2)  # (row, key head, key, group)
    scores = scores.transpose(-1, -2).float()  # (row, key head, group, key)
    if call.scaling is not None:
        scores = scores * call.scaling
    if call.softcap is not None:
        scores = torch.tanh(scores / call.softcap) * call.softcap
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    if call.sinks is None:
        weights = scores.softmax(-1)
    else:
        sinks = torch.unflatten(call.sinks.float(), 0, (groups, -1))[None, :, :, None].expand(*scores.shape[:-1], 1)
        weights = torch.cat([scores, sinks], -1).softmax(-1)[..., :-1]
    weights = weights.to(values.dtype)
    with many(SLOWER * values.numel() * values.element_size()):
        weighed: torch.Tensor = weights @ values  # (row, key head, group, value dimension)
    return weighed.flatten(1, 2)[:, :, None]

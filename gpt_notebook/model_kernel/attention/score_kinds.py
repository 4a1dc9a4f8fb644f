"""What each kind of score says of a row of weights; the score is the mean over the rows that count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gpt_notebook.attention_protocol import Part, ScoreKind
from gpt_notebook.model_kernel.attention.capture import Text


class Rows:
    """The text that the rows of a kind of attention are of, and the positions that somebody asked for."""

    def __init__(self, text: Text, part: Part, queries: Sequence[int] = (), keys: Sequence[int] = ()) -> None:
        """Take positions that are there."""
        self.n_queries = text.length(part, keys=False)
        self.n_keys = text.length(part, keys=True)
        self.token_ids = text.target_ids if text.target_ids and part != "encoder" else text.token_ids
        """The tokens that are the queries."""
        self.first = 0 if part == "cross" else 1
        """The first query that says something of habits: where it can only see itself, it says nothing."""
        self.asked = torch.zeros(self.n_queries, dtype=torch.bool)
        """(query,): whether it is one of those that somebody asked for."""
        self.asked[list(queries)] = True
        self.keys = sorted(set(keys))

    @property
    def repeats(self) -> int:
        """How many tokens have come before."""
        return len(self.token_ids) - len(set(self.token_ids))


@dataclass(frozen=True)
class Kind:
    """One kind of score."""

    counted: Callable[[Rows], int]
    """Returns over how many queries the mean goes."""
    summed: Callable[[Rows, torch.Tensor, int], torch.Tensor]
    """Returns what the weights (head, query, key) of the queries from a position on add to the sum of each (head,)."""
    across: bool = False
    """Whether it makes sense where queries and keys are of different texts."""


def _after_first(rows: Rows) -> int:
    return rows.n_queries - rows.first


def _all(rows: Rows) -> int:
    return rows.n_queries


def _previous_token(_rows: Rows, weights: torch.Tensor, start: int) -> torch.Tensor:
    return weights.diagonal(start - 1, 1, 2).sum(-1)


def _sink(rows: Rows, weights: torch.Tensor, start: int) -> torch.Tensor:
    return weights[:, max(0, rows.first - start) :, 0].sum(-1)


def _entropy(_rows: Rows, weights: torch.Tensor, _start: int) -> torch.Tensor:
    entropies: torch.Tensor = torch.special.entr(weights)
    return entropies.sum((1, 2))


def _distance(rows: Rows, weights: torch.Tensor, start: int) -> torch.Tensor:
    queries = torch.arange(start, start + weights.shape[1], device=weights.device)[:, None]
    keys = torch.arange(rows.n_keys, device=weights.device)
    return (weights * (queries - keys).abs()).sum((1, 2))


def _induction(rows: Rows, weights: torch.Tensor, start: int) -> torch.Tensor:
    """Olsson et al. 2022, In-context Learning and Induction Heads: attention on what followed an earlier same token."""
    ids = torch.tensor(rows.token_ids)
    followers = torch.zeros(weights.shape[1], len(ids), dtype=torch.bool)  # (query, key)
    followers[:, 1:] = ids[start : start + weights.shape[1], None] == ids[None, :-1]
    return (weights * followers.tril(start).to(weights.device)).sum((1, 2))


def _from_to(rows: Rows, weights: torch.Tensor, start: int) -> torch.Tensor:
    asked = rows.asked[start : start + weights.shape[1]].to(weights.device)
    return weights[:, asked][..., rows.keys].sum((1, 2))


KINDS: dict[ScoreKind, Kind] = {
    "previous-token": Kind(_after_first, _previous_token),
    "induction": Kind(lambda rows: rows.repeats, _induction),
    "sink": Kind(_after_first, _sink, across=True),
    "entropy": Kind(_all, _entropy, across=True),
    "distance": Kind(_all, _distance),
    "from-to": Kind(lambda rows: int(rows.asked.sum()), _from_to, across=True),
}

"""Calls that bypass transformers' interface are seen by what torch is made to do."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.attention.tap import Tap
from model_kernel.attention.computing import Observer

SHAPE = 1, 2, 5, 3
"""(batch, head, token, dimension)"""


def tap(observer):
    return Tap(observer, "decoder")


def attention(query, key, value):
    return torch.softmax(query @ key.transpose(-1, -2), -1) @ value


@pytest.fixture
def qkv():
    return tuple(torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0)))


def test_a_call_is_a_product_a_softmax_and_a_product(qkv):
    query, key, value = qkv
    observer = Observer()
    with tap(observer):
        result = attention(*qkv)
    (call,) = observer.calls
    assert call.layer == 0
    assert (call.query == query).all()
    assert (call.key == key).all()
    assert (call.value == value).all()
    assert (call.weights == (query @ key.transpose(-1, -2)).softmax(-1)).all()
    assert (call.scores == query @ key.transpose(-1, -2)).all()
    assert (call.output.transpose(1, 2) == result).all()


@pytest.mark.parametrize("fold", ["bmm", "baddbmm", "baddbmm by name"])
def test_heads_folded_into_the_batch_are_unfolded(fold, qkv):
    query, key, value = (tensor[0] for tensor in qkv)
    nothing = torch.zeros(2, 5, 5)
    observer = Observer()
    with tap(observer):
        if fold == "bmm":
            scores = torch.bmm(query, key.transpose(1, 2))
        elif fold == "baddbmm":
            scores = nothing.baddbmm(query, key.transpose(1, 2))
        else:
            scores = nothing.baddbmm(batch1=query, batch2=key.transpose(1, 2), beta=1.0, alpha=1.0)
        torch.bmm(scores.softmax(-1), value)
    (call,) = observer.calls
    for name, expected in zip(("query", "key", "value"), qkv, strict=True):
        assert (getattr(call, name) == expected).all()
    assert call.weights.shape == (1, 2, 5, 5)


def test_layers_are_counted(qkv):
    observer = Observer()
    with tap(observer):
        for _ in range(3):
            attention(*qkv)
    assert [call.layer for call in observer.calls] == [0, 1, 2]


def test_a_softmax_for_something_else_is_no_attention(qkv):
    """A mixture's router: its softmax chooses, and what is multiplied next is something else."""
    hidden, router = torch.randn(5, 6), torch.randn(6, 4)
    observer = Observer()
    with tap(observer):
        attention(*qkv)
        chosen = torch.softmax(hidden @ router, -1).topk(2)
        hidden @ torch.randn(6, 6) * chosen.values[:, :1]
        attention(*qkv)
    assert [call.layer for call in observer.calls] == [0, 1]
    assert all(call.weights.shape == (1, 2, 5, 5) for call in observer.calls)


def test_the_models_own_call_of_torchs_function_is_seen(qkv):
    mask = torch.ones(5, 5).tril().bool()
    observer = Observer()
    with tap(observer):
        torch.nn.functional.scaled_dot_product_attention(*qkv, mask)
        torch.nn.functional.scaled_dot_product_attention(*qkv, is_causal=True, scale=0.5)
    first, second = observer.calls
    assert (first.mask is mask, first.causal, first.scaling) == (True, False, pytest.approx(3**-0.5))
    assert (second.mask, second.causal, second.scaling) == (None, True, 0.5)


@pytest.mark.parametrize("how", [attention, torch.nn.functional.scaled_dot_product_attention])
def test_an_observers_answer_takes_the_place_of_the_result(how, qkv):
    answer = torch.randn(1, 5, 2, 3)  # (batch, query, head, dimension)
    with tap(Observer(answer)):
        result = how(*qkv)
    assert (result == answer.transpose(1, 2)).all()

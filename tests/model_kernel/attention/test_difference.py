"""How much two attentions differ: the Jensen-Shannon divergence of their rows, head by head."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gpt_notebook.attention_protocol import HeadScores
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention import source as map_source
from gpt_notebook.model_kernel.attention.difference import Difference, jensen_shannon
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.served import Served
from model_kernel.attention.computing import capture_of, random_ids, run, whole_maps

N_TOKENS = 20


@pytest.fixture
def source(loaded):
    """Returns the attention of a random text in a family's model."""

    def make(family="gpt2", *, text=1, n_tokens=N_TOKENS, target=(), **options):
        model = loaded(family, **options)
        return MapSource(capture_of(model, random_ids(n_tokens, seed=text), target), Served(model))

    return make


def difference(one, other, part="decoder"):
    """(layer, head), as nested tuples."""
    *_, found = run(Difference(one, other, part))
    assert isinstance(found, HeadScores)
    (table,) = found.values
    return table


def in_numpy(p, q):
    """(head,), from weights (head, query, key)."""
    p, q = p.astype(np.float64), q.astype(np.float64)
    middle = (p + q) / 2

    def relative(a):
        return np.where(a > 0, a * np.log(np.where(a > 0, a, 1) / np.where(a > 0, middle, 1)), 0)

    return (relative(p) + relative(q)).sum(2).mean(1) / 2


@pytest.mark.parametrize("elements", [1, 500, 2**30], ids=["a row", "a head", "all"])
@pytest.mark.parametrize("family", ["gpt2", "mistral", "gpt_neo"])
def test_two_texts_differ_by_the_divergence_of_their_maps(family, elements, source, monkeypatch):
    one, other = source(family), source(family, text=2)
    pairs = list(zip(whole_maps(one).values(), whole_maps(other).values(), strict=True))
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", elements)
    np.testing.assert_allclose(difference(one, other), [in_numpy(*pair) for pair in pairs], rtol=1e-5)


def test_two_models_differ_on_one_text(source):
    one, other = source(), source(seed=1)
    pairs = zip(whole_maps(one).values(), whole_maps(other).values(), strict=True)
    np.testing.assert_allclose(difference(one, other), [in_numpy(*pair) for pair in pairs], rtol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "gpt_oss"])
def test_an_attention_does_not_differ_from_itself(family, source):
    assert difference(source(family), source(family)) == ((0.0,) * 4,) * 2


def test_a_difference_is_the_same_both_ways_and_at_most_the_logarithm_of_two(source):
    one, other = source(), source(text=2)
    there, back = difference(one, other), difference(other, one)
    assert there == back
    assert all(0 < value <= math.log(2) for row in there for value in row)


def test_rows_that_share_nothing_differ_by_the_logarithm_of_two():
    p, q = torch.eye(3), torch.eye(3).roll(1, 0)
    assert jensen_shannon(p, q).tolist() == pytest.approx([math.log(2)] * 3)


def test_rounding_makes_no_difference_negative():
    p = torch.randn(500, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(-1)
    assert jensen_shannon(p, p + 1e-12).min() >= 0


def test_each_part_of_an_encoder_decoder_is_compared_by_itself(source):
    one, other = (source("bart", text=text, target=random_ids(7, seed=text)) for text in (1, 2))
    for part in ("encoder", "decoder", "cross"):
        pairs = zip(whole_maps(one, part).values(), whole_maps(other, part).values(), strict=True)
        np.testing.assert_allclose(difference(one, other, part), [in_numpy(*pair) for pair in pairs], rtol=1e-5)


@pytest.mark.parametrize(
    ("other", "shape"),
    [
        ({"n_tokens": 21}, "21 by 21 tokens in 2 layers of 4 heads"),
        ({"n_layer": 3}, "20 by 20 tokens in 3 layers of 4 heads"),
        ({"n_head": 2}, "20 by 20 tokens in 2 layers of 2 heads"),
    ],
)
def test_another_shape_is_refused_with_both(other, shape, source):
    with pytest.raises(InvalidRequest, match=rf"20 by 20 tokens in 2 layers of 4 heads and {shape}"):
        Difference(source(), source(**other), "decoder")


def test_attention_in_other_layers_is_refused_with_both(source):
    layers = ["conv", "full_attention", "conv"], ["conv", "conv", "full_attention"]
    one, other = (source("lfm2", num_hidden_layers=3, layer_types=types) for types in layers)
    with pytest.raises(InvalidRequest, match=r"layer 1\) and .*layer 2\)"):
        Difference(one, other, "decoder")


def test_layers_without_attention_have_empty_rows(source):
    assert [len(row) for row in difference(source("lfm2"), source("lfm2", text=2))] == [0, 4]

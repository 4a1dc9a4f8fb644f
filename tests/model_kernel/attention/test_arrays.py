"""A rectangle of a map is cut from it, a small picture of it reduces it, and a tensor is what the model multiplied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpt_notebook.model_kernel.attention import source as map_source
from gpt_notebook.model_kernel.attention.arrays import Blocks, Map, Overview, Tensor
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.served import Served
from model_kernel.attention.computing import array_of, capture_of, random_ids, run, whole_maps

N_TOKENS = 24
FAMILIES = ["gpt2", "mistral", "gemma2", "gpt_neo"]
"""One that is plain, two with a window, one of them with other things too, and one that can't be recorded."""


@pytest.fixture(scope="module")
def source(loaded):
    """Returns the attention of a text in a family's model."""

    def make(family, n_tokens=N_TOKENS, target=()):
        model = loaded(family)
        return MapSource(capture_of(model, random_ids(n_tokens), target), Served(model))

    return make


def intervals(length):
    return st.tuples(st.integers(0, length), st.integers(0, length)).filter(lambda ends: ends[0] != ends[1]).map(sorted)


def reduced(weights, size, how):
    """(head, row, column) from (head, query, key), block by block."""

    def bounds(length):
        count = min(size, length)
        return [(i * length // count, (i + 1) * length // count) for i in range(count)]

    _, n_queries, n_keys = weights.shape
    return np.stack(
        [
            np.stack([how(weights[:, i:j, k:m], axis=(1, 2)) for k, m in bounds(n_keys)], 1)
            for i, j in bounds(n_queries)
        ],
        1,
    )


def without_sink(weights):
    """(…, query, key) without the first key, rows divided by what is left of them."""
    rest = weights.astype(np.float64)
    rest[..., 0] = 0
    left = rest.sum(-1, keepdims=True)
    return rest / np.where(left == 0, 1, left)


# --- rectangles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", ["weights", "raw_scores"])
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_rectangle_is_cut_from_the_whole_map(family, values, source, monkeypatch, data):
    whole = whole_maps(source(family), values=values)
    layer, head = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 3))
    queries, keys = data.draw(intervals(N_TOKENS)), data.draw(intervals(N_TOKENS))
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", data.draw(st.sampled_from([1, 5 * N_TOKENS, 2**30])))
    work = Map(source(family), ("decoder", layer), head, queries=queries, keys=keys, values=values)
    expected = whole[layer][head, slice(*queries), slice(*keys)]
    np.testing.assert_allclose(array_of(work, seconds=data.draw(st.sampled_from([0.0, 10.0]))), expected, atol=2e-6)


@pytest.mark.parametrize(("queries", "keys"), [((7, 8), (0, N_TOKENS)), ((0, N_TOKENS), (7, 8))], ids=["row", "column"])
def test_a_row_and_a_column_are_rectangles(queries, keys, source):
    expected = whole_maps(source("gpt2"))[1][2, slice(*queries), slice(*keys)]
    found = array_of(Map(source("gpt2"), ("decoder", 1), 2, queries=queries, keys=keys))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_the_mask_forbids_is_minus_infinity_before_the_softmax_and_zero_after(source):
    everything = {"queries": (0, N_TOKENS), "keys": (0, N_TOKENS)}
    later = np.triu(np.ones((N_TOKENS, N_TOKENS), bool), 1)
    for family in FAMILIES:
        weights = array_of(Map(source(family), ("decoder", 0), 0, **everything))
        scores = array_of(Map(source(family), ("decoder", 0), 0, **everything, values="raw_scores"))
        assert (weights[later] == 0).all()
        assert (scores[later] == -np.inf).all()
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_cross_attention_is_as_wide_as_the_text_and_as_high_as_the_target(source):
    t5 = source("t5", 20, (0, 5, 6))
    found = array_of(Map(t5, ("cross", 2), 3, queries=(0, 3), keys=(4, 19)))
    np.testing.assert_allclose(found, whole_maps(t5, "cross")[2][3, :, 4:19], atol=1e-6)


@pytest.mark.parametrize("family", [*FAMILIES, "gpt_oss"])
def test_without_the_sink_the_rest_of_a_row_is_divided_by_what_is_left(family, source):
    whole = whole_maps(source(family))
    for layer, head in ((0, 1), (1, 3), (0, 1)):  # the third: hiding it leaves nothing changed
        work = Map(source(family), ("decoder", layer), head, queries=(3, 20), keys=(0, 9), hide_sink=True)
        np.testing.assert_allclose(array_of(work), without_sink(whole[layer])[head, 3:20, :9], atol=2e-6)
        plain = Map(source(family), ("decoder", layer), head, queries=(3, 20), keys=(0, 9))
        np.testing.assert_allclose(array_of(plain), whole[layer][head, 3:20, :9], atol=2e-6)


def test_a_row_that_sees_only_the_sink_is_zero_without_it(source):
    everything = {"queries": (0, N_TOKENS), "keys": (0, N_TOKENS)}
    found = array_of(Map(source("gpt2"), ("decoder", 0), 0, **everything, hide_sink=True))
    assert (found[0] == 0).all()
    assert (found[:, 0] == 0).all()
    np.testing.assert_allclose(found[1:].sum(1), 1, atol=1e-6)


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elements", [1, 700, 2**30], ids=["a row", "a head", "all"])
@pytest.mark.parametrize("reduction", ["mean", "max"])
@pytest.mark.parametrize("size", [1, 6, 7, 23, 24, 64])
def test_a_picture_is_the_map_reduced_block_by_block(size, reduction, elements, source, monkeypatch):
    gpt2, how = source("gpt2"), getattr(np, reduction)
    expected = [reduced(weights, size, how) for weights in whole_maps(gpt2).values()]
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", elements)
    found = array_of(Overview(gpt2, "decoder", (0, 1), size=size, reduction=reduction), seconds=0.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_of_the_layers_asked_for_in_their_order(family, source):
    asked = source(family)
    whole = whole_maps(asked)
    found = array_of(Overview(asked, "decoder", (1, 0, 1), size=5))
    np.testing.assert_allclose(found, [reduced(whole[layer], 5, np.mean) for layer in (1, 0, 1)], atol=1e-6)


def test_a_picture_of_cross_attention_is_no_square(source):
    t5 = source("t5", 20, (0, 5, 6, 7))
    found = array_of(Overview(t5, "cross", (0, 1, 2), size=6, reduction="max"))
    assert found.shape == (3, 4, 4, 6)
    np.testing.assert_allclose(
        found, [reduced(each, 6, np.max) for each in whole_maps(t5, "cross").values()], atol=1e-6
    )


def test_a_layer_without_attention_is_nan(source):
    lfm2 = source("lfm2")
    found = array_of(Overview(lfm2, "decoder", (0, 1), size=6))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], reduced(whole_maps(lfm2)[1], 6, np.mean), atol=1e-6)


def test_layers_without_attention_alone_have_no_pictures(source):
    assert array_of(Overview(source("lfm2"), "decoder", (0,), size=6)).shape == (1, 0, 6, 6)


@pytest.mark.parametrize("reduction", ["mean", "max"])
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_picture_of_a_rectangle_and_of_some_heads_is_the_same_as_of_the_map(
    family, reduction, source, monkeypatch, data
):
    asked = source(family)
    heads = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    queries, keys = data.draw(intervals(N_TOKENS)), data.draw(intervals(N_TOKENS))
    size, hide_sink = data.draw(st.integers(1, N_TOKENS + 1)), data.draw(st.booleans())
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", data.draw(st.sampled_from([1, 5 * N_TOKENS, 2**30])))
    work = Overview(
        asked, "decoder", (1,), size=size, reduction=reduction, heads=heads,
        queries=queries, keys=keys, hide_sink=hide_sink,
    )  # fmt: skip
    whole = whole_maps(asked)[1]
    shown = without_sink(whole) if hide_sink else whole
    expected = reduced(shown[heads, slice(*queries), slice(*keys)], size, getattr(np, reduction))
    np.testing.assert_allclose(array_of(work, seconds=data.draw(st.sampled_from([0.0, 10.0])))[0], expected, atol=2e-6)


@given(length=st.integers(1, 200), size=st.integers(1, 200))
def test_blocks_are_nearly_equal_and_cover_everything(length, size):
    blocks = Blocks(length, size)
    sizes = blocks.sizes().tolist()
    assert sum(sizes) == length
    assert len(sizes) == blocks.count == min(length, size)
    assert max(sizes) - min(sizes) <= 1


# --- tensors --------------------------------------------------------------------------------------------------------


def tensor_of(source, name, head, place=("decoder", 1)):
    return array_of(Tensor(source.capture, source.model, place, name, head))


@pytest.mark.parametrize("family", ["llama", "deepseek_v3", "gpt_neo", "bart"])
def test_a_head_is_softmax_of_query_times_key_times_value(family, source):
    target = (0, 9, 8, 7, 6) if family == "bart" else ()
    asked, place = source(family, target=target), ("decoder", 0)
    n_tokens = len(target) or N_TOKENS
    scaling = asked.capture.layout.parts["decoder"].scaling[0] or 1.0  # gpt_neo doesn't scale
    for head, expected in enumerate(whole_maps(asked)[0]):
        query, key, value, output = (
            tensor_of(asked, name, head, place) for name in ("query", "key", "value", "output")
        )
        scores = query @ key.T * scaling + np.triu(np.full((n_tokens, n_tokens), -np.inf), 1)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        np.testing.assert_allclose(weights, expected, atol=1e-5)
        np.testing.assert_allclose(weights @ value, output, atol=1e-5)


@pytest.mark.parametrize("name", ["key", "value"])
def test_heads_of_a_group_share_their_keys_and_values(name, source):
    llama = source("llama")
    first, second, third = (tensor_of(llama, name, head) for head in (0, 1, 2))
    assert (first == second).all()
    assert (second != third).any()


@pytest.mark.parametrize("place", [("decoder", 1), ("cross", 2), ("encoder", 0)])
def test_tensors_have_as_many_rows_as_there_are_queries_or_keys(place, source):
    t5 = source("t5", 20, (0, 5, 6))
    for name in ("query", "output"):
        assert tensor_of(t5, name, 0, place).shape == (t5.n_queries(place[0]), 8)
    for name in ("key", "value"):
        assert tensor_of(t5, name, 0, place).shape == (t5.n_keys(place[0]), 8)


@pytest.mark.parametrize(("name", "passes"), [("query", 0), ("key", 0), ("value", 1), ("output", 1)])
def test_a_second_question_reads_nothing(name, passes, source, monkeypatch):
    asked, forwards = source("gpt2"), []
    before = asked.capture.bytes
    real = asked.model.module.forward
    monkeypatch.setattr(asked.model.module, "forward", lambda **options: forwards.append(1) or real(**options))
    first, again, other = (tensor_of(asked, name, head, ("decoder", layer)) for head, layer in ((0, 1), (0, 1), (3, 0)))
    assert len(forwards) == passes
    assert (first == again).all()
    assert first.shape == other.shape
    assert asked.capture.bytes - before == passes * 2 * 32 * N_TOKENS * 4


def test_half_precision_is_sent_as_float32(loaded):
    model = loaded("llama", dtype=torch.bfloat16)
    asked = MapSource(capture_of(model, random_ids(9)), Served(model))
    found = tensor_of(asked, "query", 1)
    assert found.dtype == np.float32
    assert (found == asked.capture.layers["decoder", 1].tensors["query"][1].float().numpy()).all()


def test_the_shape_comes_first_and_then_the_elements_piece_by_piece(source, monkeypatch):
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", 4 * N_TOKENS)
    work = Map(source("gpt2"), ("decoder", 0), 0, queries=(0, 10), keys=(3, 9))
    shape, *pieces = run(work)
    assert shape == (10, 6)
    assert [len(piece) for piece in pieces] == [4 * 6 * 4, 4 * 6 * 4, 2 * 6 * 4]

"""What is kept of an attention is queries and keys, once, and nothing that they were cut from."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.attention import pieces, reading
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.recorder import Recorder, Visibility, bytes_of
from gpt_notebook.model_kernel.sequence import Sequence
from model_kernel.attention.computing import capture_of, random_ids
from model_kernel.families import WINDOW

N_TOKENS = 30


def storage_of(tensor):
    return tensor.untyped_storage().nbytes()


def size_of(tensor):
    return tensor.numel() * tensor.element_size()


def call(n_queries, n_keys=None, **options):
    """A call with two heads that share their keys; every number tells its token."""
    n_keys = n_queries if n_keys is None else n_keys
    query, key = torch.zeros(1, 2, n_queries, 3), torch.zeros(1, 1, n_keys, 3)
    return AttentionCall("decoder", 0, query, key, value=key, output=query.transpose(1, 2), **options)


@pytest.mark.parametrize(
    ("family", "dtype", "heads"),
    [
        ("gpt2", torch.float32, 4 + 4),
        ("gpt_neox", torch.float32, 4 + 4),
        ("phi3", torch.float32, 4 + 2),
        ("llama", torch.bfloat16, 4 + 2),
        ("gpt2", torch.bfloat16, 4 + 4),
    ],
)
def test_an_attention_takes_its_queries_and_keys_and_no_more(family, dtype, heads, loaded):
    capture = capture_of(loaded(family, dtype=dtype), random_ids(N_TOKENS))
    assert capture.bytes == 2 * heads * 8 * N_TOKENS * dtype.itemsize
    assert all(set(layer.tensors) == {"query", "key"} for layer in capture.layers.values())


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "phi3", "falcon", "mistral"])
def test_nothing_is_a_view_of_something_larger(family, loaded):
    for layer in capture_of(loaded(family), random_ids(N_TOKENS)).layers.values():
        for tensor in layer.tensors.values():
            assert storage_of(tensor) == size_of(tensor)


def test_nothing_recorded_is_part_of_the_models_cache(loaded):
    recorder = Recorder(N_TOKENS)
    sequence = Sequence(loaded("gpt2"), recorder)
    sequence.read(random_ids(10))
    before = recorder.layers["decoder", 0].tensors["key"][:, :10].clone()
    with torch.inference_mode():
        for layer in sequence._cache["past_key_values"].layers:
            layer.keys.zero_()
    assert before.any()
    assert (recorder.layers["decoder", 0].tensors["key"][:, :10] == before).all()


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_mask_that_all_layers_share_is_counted_once(in_pieces, loaded, monkeypatch):
    if in_pieces:
        monkeypatch.setattr(reading, "FIRST_TOKENS", 7)
        monkeypatch.setattr(reading, "LEAST_TOKENS", 7)
        monkeypatch.setattr(reading, "LEAST_ALONE", 7)
        monkeypatch.setattr(pieces, "GROWTH", 1.0)
    capture = capture_of(loaded("mistral"), random_ids(N_TOKENS))
    masks = [block.mask for layer in capture.layers.values() for block in layer.blocks if block.mask is not None]
    once = {mask.untyped_storage().data_ptr(): storage_of(mask) for mask in masks}
    assert len(masks) == 2 * len(once) > 0
    tensors = [tensor for layer in capture.layers.values() for tensor in layer.tensors.values()]
    assert capture.bytes == sum(once.values()) + sum(map(size_of, tensors))
    assert sum(once.values()) <= N_TOKENS * N_TOKENS


def test_a_mask_that_says_no_more_than_causal_is_not_kept():
    recorder = Recorder(6)
    mask = torch.ones(4, 6, dtype=torch.bool).tril(2)[None, None]
    recorder.attended(call(2, causal=True))
    recorder.attended(call(4, 6, mask=mask))
    (layer,) = recorder.layers.values()
    assert layer.blocks == [Visibility(0, 6, 0, 6, causal=True)]
    assert bytes_of([layer]) == 6 * 3 * (2 + 1) * 4


def test_a_mask_that_says_more_is_kept():
    recorder = Recorder(4)
    mask = torch.ones(4, 4, dtype=torch.bool).tril().triu(-1)[None, None]
    recorder.attended(call(4, mask=mask))
    (layer,) = recorder.layers.values()
    assert (layer.blocks[0].mask == mask[0]).all()
    assert not layer.blocks[0].causal


def test_a_cache_of_the_last_keys_only_adds_the_new_ones():
    recorder = Recorder(5)
    recorder.attended(call(4, causal=True))
    one = call(1, 3)
    one.key[0, 0, :, 0] = torch.tensor([2.0, 3.0, 4.0])
    recorder.attended(one)
    (layer,) = recorder.layers.values()
    assert layer.tensors["key"][0, :, 0].tolist() == [0, 0, 0, 0, 4]
    assert layer.blocks == [Visibility(0, 4, 0, 4, causal=True), Visibility(4, 5, 2, 5, causal=True)]


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_cutting_leaves_nothing_longer_behind(family, loaded):
    model, ids = loaded(family), random_ids(N_TOKENS)
    sequence = Sequence(model, Recorder(10 * N_TOKENS))
    sequence.read(ids[:12])
    for token_id in ids[12:]:
        sequence.read([token_id])

    layers = sequence.recorder.cut(N_TOKENS - 5)

    for layer in layers.values():
        assert layer.blocks[-1].stop == N_TOKENS - 5
        assert {tensor.shape[1] for tensor in layer.tensors.values()} == {N_TOKENS - 5}
        assert all(storage_of(tensor) == size_of(tensor) for tensor in layer.tensors.values())
        assert all(block.stop <= N_TOKENS - 5 and block.end_key <= N_TOKENS - 5 for block in layer.blocks)
    masks = bytes_of(layers.values()) - sum(
        size_of(each) for layer in layers.values() for each in layer.tensors.values()
    )
    assert masks <= 12 * 12 + 2 * (N_TOKENS - 12) * WINDOW


def test_cutting_where_a_block_ends_or_within_it():
    mask = torch.ones(1, 4, 9)
    block = Visibility(5, 9, 0, 9, causal=False, mask=mask)
    assert block.cut(5) is None
    assert block.cut(9).mask.shape == (1, 4, 9)
    cut = block.cut(7)
    assert (cut.start, cut.stop, cut.first_key, cut.end_key) == (5, 7, 0, 7)
    assert cut.mask.shape == (1, 2, 7)
    assert block.mask is mask


def test_a_fork_goes_its_own_way(loaded):
    model, ids = loaded("gpt2"), random_ids(10)
    sequence = Sequence(model, Recorder(20))
    sequence.read(ids)
    other = sequence.fork()
    sequence.read([5, 6])
    other.read([7])
    ours, theirs = sequence.recorder.cut(12), other.recorder.cut(11)
    for made, text in ((ours, [*ids, 5, 6]), (theirs, [*ids, 7])):
        expected = capture_of(model, text).layers
        for place, layer in made.items():
            torch.testing.assert_close(layer.tensors["query"], expected[place].tensors["query"])
            torch.testing.assert_close(layer.tensors["key"], expected[place].tensors["key"])

"""Scores are what their definitions say of the full maps, computed here in plain NumPy."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpt_notebook.attention_protocol import HeadScores
from gpt_notebook.errors import InvalidRequest, ModelUnsupported, RequestCancelled
from gpt_notebook.model_kernel.attention import source as map_source
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.layout import Heads, Layout
from gpt_notebook.model_kernel.attention.scores import Scores, repeated_sequence
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.protocol import Progress
from model_kernel.attention.computing import capture_of, random_ids, run, whole_maps

IDS = [7, 40, 3, 7, 9, 40, 40, 11, 3, 7, 200, 9, 7, 15, 60, 3, 8, 9, 120, 40]
"""Tokens that come again, some of them beside themselves."""
KINDS = ("previous-token", "sink", "entropy", "distance", "induction", "from-to")
QUERIES, KEYS = (2, 5, 9, 19), (4, 7)
"""The first query comes before both keys, the second between them."""


class GivenMaps(MapSource):
    """Attention that no model computed."""

    def __init__(self, maps, token_ids):
        layout = Layout(
            names=None,
            parts={"decoder": Heads(count={0: len(maps)}, key_count={0: len(maps)})},
            n_layers=1,
            tapped=False,
            in_pieces=True,
            recordable=True,
        )
        self.maps = torch.as_tensor(maps, dtype=torch.float32)
        capture = SimpleNamespace(text=Text(tuple(token_ids)), layout=layout, model="given")
        super().__init__(capture, SimpleNamespace(model=SimpleNamespace(device=torch.device("cpu"))))

    def rows(self, place, heads, start, stop, values="weights"):
        return self.maps[slice(None) if heads is None else heads, start:stop]


def in_numpy(kind, weights, ids, queries=QUERIES, keys=KEYS):
    """(head,), from weights (head, query, key)."""
    weights = weights.astype(np.float64)
    n_queries, n_keys = weights.shape[1:]
    if kind == "previous-token":
        return np.mean([weights[:, i, i - 1] for i in range(1, n_queries)], 0)
    if kind == "sink":
        return weights[:, 1:, 0].mean(1)
    if kind == "entropy":
        logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
        return -(weights * logs).sum(2).mean(1)
    if kind == "distance":
        return (weights * np.abs(np.arange(n_queries)[:, None] - np.arange(n_keys))).sum(2).mean(1)
    if kind == "from-to":
        return np.mean([weights[:, i, list(keys)].sum(1) for i in queries if i >= min(keys)], 0)
    followers = {i: [j + 1 for j in range(i) if ids[j] == ids[i]] for i in range(n_queries)}
    return np.mean([weights[:, i, after].sum(1) for i, after in followers.items() if after], 0)


def scores(source, kinds, part="decoder", queries=QUERIES, keys=KEYS, *, seconds=0.1):
    """(kind, layer, head), as nested tuples."""
    *_, found = run(Scores(source, part, kinds, queries, keys), seconds=seconds)
    assert isinstance(found, HeadScores)
    return found.values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["gpt2", "mistral", "gpt_oss", "gptj"])
def test_each_kind_is_what_its_definition_says_of_the_map(family, kind, loaded):
    model = loaded(family)
    source = MapSource(capture_of(model, IDS), Served(model))
    expected = [in_numpy(kind, weights, IDS) for weights in whole_maps(source).values()]
    np.testing.assert_allclose(scores(source, (kind,))[0], expected, rtol=1e-5)


@pytest.mark.parametrize("seconds", [0.0, 10.0])
@pytest.mark.parametrize("elements", [1, 100, 500, 2**30], ids=["a row", "5 rows", "a head", "all"])
def test_scores_do_not_depend_on_how_the_work_is_cut(elements, seconds, loaded, monkeypatch):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, IDS), Served(model))
    expected = [[in_numpy(kind, each, IDS) for each in whole_maps(source).values()] for kind in KINDS]
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", elements)
    np.testing.assert_allclose(scores(source, KINDS, seconds=seconds), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "attended", "others"),
    [
        ("previous-token", lambda i, _: max(i - 1, 0), {"sink": 1 / 7, "distance": 7 / 8, "induction": 0}),
        ("sink", lambda _, __: 0, {"previous-token": 1 / 7, "distance": 28 / 8, "induction": 0}),
        ("induction", lambda i, ids: ids.index(ids[i]) + 1 if ids.index(ids[i]) < i else i, {"distance": 3 * 4 / 8}),
    ],
)
def test_a_head_that_does_nothing_else_scores_one(kind, attended, others, monkeypatch):
    ids = [5, 6, 7, 8, 5, 6, 7, 8]
    weights = np.zeros((1, 8, 8))
    for query in range(8):
        weights[0, query, attended(query, ids)] = 1
    source = GivenMaps(weights, ids)
    assert scores(source, (kind,)) == (((1.0,),),)
    assert scores(source, ("entropy",)) == (((0.0,),),)
    for other, value in others.items():
        assert scores(source, (other,))[0][0][0] == pytest.approx(value)


def test_a_head_that_attends_to_all_alike_has_the_largest_entropy():
    weights = np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, None]
    (((entropy,),),) = scores(GivenMaps(weights[None], [1, 2, 3, 4, 5, 6]), ("entropy",))
    assert entropy == pytest.approx(np.mean(np.log(np.arange(1, 7))))


def test_from_to_leaves_out_queries_that_come_before_all_keys(loaded):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, IDS), Served(model))
    early, late = (scores(source, ("from-to",), queries=queries, keys=(4,)) for queries in ((1, 3, 9), (9,)))
    assert early == late


def test_a_key_named_twice_counts_once(loaded):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, IDS), Served(model))
    twice, once = (scores(source, ("from-to",), queries=(9, 9), keys=keys) for keys in ((4, 4), (4,)))
    assert twice == once


def test_queries_that_see_none_of_the_keys_are_refused(loaded):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, IDS), Served(model))
    with pytest.raises(InvalidRequest, match=r"the last at 2, all come before the keys, the first at 5"):
        Scores(source, "decoder", ("from-to",), (1, 2), (5, 7))


@pytest.mark.parametrize(("queries", "keys"), [((20,), (0,)), ((3,), (-1,))])
def test_positions_that_are_not_there_are_refused_with_the_range(queries, keys, loaded):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, IDS), Served(model))
    with pytest.raises(InvalidRequest, match=r"no position (20|-1): (queries|keys) go from 0 to 19"):
        Scores(source, "decoder", ("from-to",), queries, keys)


@pytest.mark.parametrize("family", ["llama", "gpt_neo"])
def test_a_text_without_repeats_is_judged_by_a_random_one_that_has_them(family, loaded):
    model = loaded(family)
    source = MapSource(capture_of(model, range(10, 30)), Served(model))
    found = scores(source, ("sink", "induction"))
    repeated = repeated_sequence(model)
    expected = whole_maps(MapSource(capture_of(model, repeated), Served(model))).values()
    np.testing.assert_allclose(found[1], [in_numpy("induction", each, repeated) for each in expected], rtol=1e-5)
    sinks = [in_numpy("sink", each, None) for each in whole_maps(source).values()]
    np.testing.assert_allclose(found[0], sinks, rtol=1e-5)


def test_positions_are_those_of_the_text_and_not_of_the_random_one(loaded):
    model = loaded("gpt2", n_positions=256)
    source = MapSource(capture_of(model, range(10, 160)), Served(model))
    together = scores(source, ("induction", "from-to"), queries=(140,), keys=(3,))
    assert together == scores(source, ("induction",)) + scores(source, ("from-to",), queries=(140,), keys=(3,))


@pytest.mark.parametrize("context", [0, 20, 21, 1000])
def test_the_repeated_sequence_fits_the_context_and_repeats_every_token_once(context, loaded):
    model = replace(loaded("gpt2"), context_length=context)
    tokenizer = model.tokenizer
    ids = repeated_sequence(model)
    assert len(ids) <= (context or 100)
    assert len(ids) >= min(context or 100, 100) - 1
    half = len(ids) // 2
    assert ids[:half] == ids[half:]
    assert len(set(ids)) == half
    assert not set(ids) & set(tokenizer.all_special_ids)


def test_the_repeated_sequence_has_only_tokens_that_the_model_has(loaded):
    model = loaded("gpt2")
    few = SimpleNamespace(get_input_embeddings=lambda: SimpleNamespace(num_embeddings=30))
    assert max(repeated_sequence(replace(model, module=few))) < 30


def test_a_model_that_reads_too_little_for_a_repeat_says_so(loaded):
    with pytest.raises(ModelUnsupported, match="reads too little for a repeated sequence"):
        repeated_sequence(replace(loaded("gpt2"), context_length=2))


def test_one_token_has_no_previous_token_and_no_sink(loaded):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, [5]), Served(model))
    previous, sink, entropy, distance = scores(source, ("previous-token", "sink", "entropy", "distance"))
    assert previous == sink == ((None,) * 4,) * 2
    assert entropy == distance == ((0.0,) * 4,) * 2


def test_layers_without_attention_have_empty_rows(loaded):
    model = loaded("lfm2")
    source = MapSource(capture_of(model, IDS), Served(model))
    (table,) = scores(source, ("sink",))
    assert [len(row) for row in table] == [0, 4]


@pytest.mark.parametrize("kind", ["previous-token", "distance", "induction"])
def test_kinds_that_compare_positions_make_no_sense_between_two_texts(kind, loaded):
    model = loaded("t5")
    source = MapSource(capture_of(model, IDS, IDS[:5]), Served(model))
    with pytest.raises(InvalidRequest, match=rf"{kind} compares positions.*entropy, from-to, sink"):
        Scores(source, "cross", (kind,))


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_cross_attention_has_its_own_scores(family, loaded):
    model = loaded(family)
    source = MapSource(capture_of(model, IDS, IDS[:5]), Served(model))
    sink, entropy, from_to = scores(source, ("sink", "entropy", "from-to"), "cross", (0, 4), (3, 19))
    whole = whole_maps(source, "cross").values()
    np.testing.assert_allclose(sink, [each[:, :, 0].mean(1) for each in whole], rtol=1e-5)
    np.testing.assert_allclose(entropy, [in_numpy("entropy", each, None) for each in whole], rtol=1e-5)
    np.testing.assert_allclose(from_to, [each[:, [0, 4]][..., [3, 19]].sum(2).mean(1) for each in whole], rtol=1e-5)


@pytest.mark.parametrize("text", [IDS, range(10, 30)], ids=["repeats", "no repeats"])
def test_induction_in_a_decoder_is_about_what_it_has_written(text, loaded):
    model = loaded("t5")
    target = [0, 9, 4, 9, 4, 30]
    source = MapSource(capture_of(model, text, target), Served(model))
    (table,) = scores(source, ("induction",))
    expected = [in_numpy("induction", each, target) for each in whole_maps(source).values()]
    np.testing.assert_allclose(table, expected, rtol=1e-5)


@pytest.mark.parametrize("text", [IDS, range(10, 30)], ids=["repeats", "no repeats"])
def test_a_decoder_that_has_written_no_repeats_is_given_some(text, loaded):
    model = loaded("t5")
    text = tuple(text)
    source = MapSource(capture_of(model, text, [0, 9, 4, 30]), Served(model))
    (table,) = scores(source, ("induction",))
    target = repeated_sequence(model)
    given = MapSource(capture_of(model, text, target), Served(model))
    expected = [in_numpy("induction", each, target) for each in whole_maps(given).values()]
    np.testing.assert_allclose(table, expected, rtol=1e-5)


def test_an_encoder_is_scored_without_a_mask(loaded):
    model = loaded("bert")
    source = MapSource(capture_of(model, IDS), Served(model))
    kinds = ("previous-token", "distance")
    expected = [[in_numpy(kind, each, IDS) for each in whole_maps(source, "encoder").values()] for kind in kinds]
    np.testing.assert_allclose(scores(source, kinds, "encoder"), expected, rtol=1e-5)
    (table,) = scores(source, ("from-to",), "encoder", (1,), (19,))
    assert all(score > 0 for row in table for score in row)


def test_progress_counts_the_heads(loaded):
    model = loaded("gpt2")
    source = MapSource(capture_of(model, IDS), Served(model))
    *progress, _ = run(Scores(source, "decoder", ("sink",)))
    assert [(each.done, each.total) for each in progress] == [(4, 8), (8, 8)]
    assert all(isinstance(each, Progress) for each in progress)


def test_scoring_stops_between_pieces_when_it_is_cancelled(loaded, monkeypatch):
    model = loaded("gpt2")
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", 1)
    work = Scores(MapSource(capture_of(model, random_ids(30)), Served(model)), "decoder", ("sink",))
    work.seconds = 0.0
    assert work.step()
    work.cancelled = True
    with pytest.raises(RequestCancelled):
        work.step()

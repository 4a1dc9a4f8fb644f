"""An attention has a name that is made of what it is of, and tells people about itself."""

from __future__ import annotations

from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.served import Served
from model_kernel.attention.computing import capture_of, random_ids, whole_maps

PARTS = ("encoder", "decoder", "cross")


def test_an_attention_that_is_made_again_is_the_same(loaded):
    model, ids = loaded("mistral"), random_ids(20)
    first, again = capture_of(model, ids), capture_of(model, ids)
    assert first.id == again.id
    for layer, maps in whole_maps(MapSource(first, Served(model))).items():
        assert (maps == whole_maps(MapSource(again, Served(model)))[layer]).all()


def test_every_text_target_and_model_has_its_own_id(loaded):
    gpt2, t5 = loaded("gpt2"), loaded("t5")
    captures = [
        capture_of(gpt2, [5, 6]),
        capture_of(gpt2, [56]),
        capture_of(loaded("gpt2", seed=1), [5, 6]),
        capture_of(t5, [5, 6], [0]),
        capture_of(t5, [5], [6, 0]),
    ]
    assert len({capture.id for capture in captures}) == 5


def test_a_text_has_as_many_queries_and_keys_as_the_part_reads():
    text = Text((5, 6, 7), (0, 1))
    lengths = {part: (text.length(part, keys=False), text.length(part, keys=True)) for part in PARTS}
    assert lengths == {"encoder": (3, 3), "decoder": (2, 2), "cross": (2, 3)}
    assert Text((5, 6, 7)).length("decoder", keys=False) == 3


def test_a_shorter_half_has_no_layers_that_are_not_there(loaded):
    model = loaded("bart", encoder_layers=3, decoder_layers=1)
    info = capture_of(model, [5, 6, 7], [0, 1]).info(model.vocabulary, causal=False)
    assert {part.name: part.heads for part in info.parts} == {"encoder": (4, 4, 4), "decoder": (2,), "cross": (2,)}
    assert (info.n_layers, [token.id for token in info.tokens], [token.id for token in info.target_tokens]) == (
        3,
        [5, 6, 7],
        [0, 1],
    )

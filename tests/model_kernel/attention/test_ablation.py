"""A head that is switched off does what a forward hook makes it do."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.ablation import Ablation, kullback_leibler
from gpt_notebook.model_kernel.attention.patching import Patching
from gpt_notebook.protocol import Progress
from model_kernel.attention import hooked
from model_kernel.attention.computing import result, run
from model_kernel.attention.hooked import CLEAN, CORRUPT, FAMILIES, N_HEADS, N_LAYERS, plain

EVERY_TOKEN = 10**6


def logprobs(tokens):
    """(vocabulary,), from all tokens in any order."""
    return torch.tensor([token.logprob for token in sorted(tokens, key=lambda token: token.id)], dtype=torch.float64)


def largest_difference(first, second):
    return float((first - second).abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_switched_off_is_a_head_hooked_to_zero(family, tiny, loaded):
    model, reference = loaded(family), plain(tiny(family))
    for layer, head in ((0, 1), (N_LAYERS - 1, N_HEADS - 1)):
        made = result(Ablation(model, CLEAN, [(layer, head)], k=EVERY_TOKEN))
        expected = hooked.ablated(reference, family, CLEAN, layer, head).double().log_softmax(-1)
        untouched = hooked.logits(reference, CLEAN).double().log_softmax(-1)
        assert largest_difference(logprobs(made.after), expected) <= 1e-5
        assert largest_difference(logprobs(made.before), untouched) <= 1e-5
        assert made.kl == pytest.approx(float((untouched.exp() * (untouched - expected)).sum()), abs=1e-5)
        another = hooked.ablated(reference, family, CLEAN, layer, head - 1).double().log_softmax(-1)
        assert largest_difference(logprobs(made.after), another) >= 1e-3


def test_reading_in_pieces_changes_nothing(tiny, loaded):
    long = {"family": "mistral", "max_position_embeddings": 512}
    model, reference, text = loaded(**long), plain(tiny(**long)), CLEAN * 11
    events = run(Ablation(model, text, [(0, 1)], k=EVERY_TOKEN), seconds=1e-9)
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done[:2] == [64, 96]
    assert done[-1] == 2 * len(text)
    expected = hooked.ablated(reference, "mistral", text, 0, 1).double().log_softmax(-1)
    assert largest_difference(logprobs(events[-1].after), expected) <= 1e-5


def test_several_heads_are_switched_off_at_once(gpt2, tiny):
    reference = plain(tiny("gpt2"))

    def silence(outputs):
        outputs[:, :, [0, 3]] = 0

    made = result(Ablation(gpt2, CLEAN, [(1, 0), (1, 3), (1, 0)], k=EVERY_TOKEN))
    with hooked.changed(reference, "gpt2", 1, silence):
        expected = hooked.logits(reference, CLEAN).double().log_softmax(-1)
    assert largest_difference(logprobs(made.after), expected) <= 1e-5


def test_the_position_is_the_last_token_that_is_read(gpt2):
    made = result(Ablation(gpt2, CLEAN, [(0, 0)], position=5))
    assert made == result(Ablation(gpt2, CLEAN[:6], [(0, 0)]))
    assert made == result(Ablation(gpt2, CLEAN, [(0, 0)], position=5 - len(CLEAN)))
    assert made.position == 5
    assert len(made.before) == len(made.after) == 10


def test_divergence_is_never_negative_and_knows_impossible_tokens():
    impossible = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64).log()
    possible = torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64).log()
    other = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64).log()
    assert kullback_leibler(impossible, impossible) == 0
    assert kullback_leibler(impossible, possible) == pytest.approx(0.693147, abs=1e-6)
    assert kullback_leibler(impossible, other) == torch.inf
    hardly = torch.linspace(-30, 0, 1000, dtype=torch.float64).log_softmax(-1)
    assert kullback_leibler(hardly, hardly + 1e-16) >= 0


@pytest.mark.parametrize(
    ("heads", "complaint"),
    [
        ([(0, 0), (2, 0)], "there is no layer 2 in .*gpt2: layers go from 0 to 1"),
        ([(-1, 0)], "there is no layer -1"),
        ([(1, 4)], "there is no head 4 in layer 1 of .*gpt2: heads go from 0 to 3"),
        ([(1, -1)], "there is no head -1"),
    ],
)
def test_a_head_that_is_not_there_is_refused_with_those_that_are(gpt2, heads, complaint):
    with pytest.raises(InvalidRequest, match=complaint):
        run(Ablation(gpt2, CLEAN, heads))


def test_a_layer_without_attention_is_named(loaded):
    model = loaded("lfm2")
    with pytest.raises(InvalidRequest, match=r"layer 0 of .*lfm2 has no attention: choose one of 1"):
        run(Ablation(model, CLEAN, [(0, 0)]))
    assert result(Ablation(model, CLEAN, [(1, 0)])).kl > 0


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_the_model_is_the_same_before_between_and_after(family, loaded):
    model = loaded(family)
    before = hooked.logits(model.module, CLEAN)
    for work in (
        Ablation(model, CLEAN, [(0, 1)]),
        Patching(model, CLEAN, CORRUPT, answer=60, wrong=61),
    ):
        work.seconds = 1e-9
        while work.step():
            assert torch.equal(hooked.logits(model.module, CLEAN), before)
        assert torch.equal(hooked.logits(model.module, CLEAN), before)

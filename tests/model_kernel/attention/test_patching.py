"""A head that is given its output in another text does what a forward hook makes it do."""

from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest, RequestCancelled
from gpt_notebook.model_kernel.attention.patching import Patching
from gpt_notebook.protocol import Progress
from model_kernel.attention import hooked
from model_kernel.attention.computing import result, run
from model_kernel.attention.hooked import CLEAN, CORRUPT, FAMILIES, N_HEADS, N_LAYERS, plain

ANSWER, WRONG = 60, 61


@pytest.mark.parametrize("family", FAMILIES)
def test_a_patched_head_is_a_head_hooked_to_another_text(family, tiny, loaded):
    model, reference = loaded(family), plain(tiny(family))
    made = result(Patching(model, CLEAN, CORRUPT, answer=ANSWER, wrong=WRONG))

    def contrast(logits):
        return float(logits[ANSWER] - logits[WRONG])

    clean, corrupt = (contrast(hooked.logits(reference, ids)) for ids in (CLEAN, CORRUPT))
    assert made.clean == pytest.approx(clean, abs=1e-5)
    assert made.corrupt == pytest.approx(corrupt, abs=1e-5)

    def brought_back(layer, heads):
        return contrast(hooked.patched(reference, family, layer, heads))

    # Compared as logits: the quotient has no scale of its own.
    for layer in range(N_LAYERS):
        expected = [brought_back(layer, [head]) for head in range(N_HEADS)]
        got = [corrupt + value * (clean - corrupt) for value in made.heads[layer]]
        assert got == pytest.approx(expected, abs=1e-5)
        assert corrupt + made.layers[layer] * (clean - corrupt) == pytest.approx(
            brought_back(layer, list(range(N_HEADS))), abs=1e-5
        )
        shifted = [*expected[1:], expected[0]]
        assert max(abs(ours - other) for ours, other in zip(got, shifted, strict=True)) >= 1e-3


@pytest.mark.parametrize("family", ["mistral", "gpt_neo"])
def test_small_pieces_bring_back_the_same(family, loaded):
    model = loaded(family)
    at_once = result(Patching(model, CLEAN, CORRUPT, answer=ANSWER, wrong=WRONG), seconds=60)
    work = Patching(model, CLEAN, CORRUPT, answer=ANSWER, wrong=WRONG)
    in_pieces = result(work, seconds=1e-9)
    for first, second in zip(at_once.heads, in_pieces.heads, strict=True):
        assert first == pytest.approx(second, abs=1e-4)
    assert at_once.layers == pytest.approx(in_pieces.layers, abs=1e-4)


def test_a_layer_without_attention_has_no_values(loaded):
    made = result(Patching(loaded("lfm2"), CLEAN, CORRUPT, answer=ANSWER, wrong=WRONG))
    assert made.heads[0] == (None,) * N_HEADS
    assert made.layers[0] is None
    assert None not in made.heads[1]


def test_progress_counts_the_heads(gpt2):
    events = run(Patching(gpt2, CLEAN, CORRUPT, answer=ANSWER, wrong=WRONG))
    counts = [(event.done, event.total) for event in events if isinstance(event, Progress)]
    assert counts == [(0, 8), (4, 8), (8, 8)]


def test_the_answers_are_what_the_model_would_say(gpt2, tiny):
    made = result(Patching(gpt2, CLEAN, CORRUPT))
    reference = plain(tiny("gpt2"))
    assert made.answer.id == int(hooked.logits(reference, CLEAN).argmax())
    assert made.wrong.id == int(hooked.logits(reference, CORRUPT).argmax())
    assert [token.id for token in made.clean_tokens] == CLEAN
    assert [token.id for token in made.corrupt_tokens] == CORRUPT
    assert (made.model, made.fingerprint) == (gpt2.source.name, gpt2.fingerprint)


def test_texts_that_the_model_answers_alike_need_answers(gpt2):
    answer = result(Patching(gpt2, CLEAN, CORRUPT)).answer.id
    with pytest.raises(InvalidRequest, match=r"would both be .*: say with answer= and wrong="):
        run(Patching(gpt2, CLEAN, CORRUPT, wrong=answer))
    with pytest.raises(InvalidRequest, match=r"are the same token .*: give two"):
        run(Patching(gpt2, CLEAN, CORRUPT, answer=ANSWER, wrong=ANSWER))


def test_texts_without_a_difference_are_refused(loaded):
    out_of_sight = [CORRUPT[18], *CLEAN[1:]]  # for the last token, behind two windows
    with pytest.raises(InvalidRequest, match="nothing to bring back"):
        run(Patching(loaded("mistral"), CLEAN, out_of_sight, answer=ANSWER, wrong=WRONG))


def test_a_cancelled_patching_is_an_error(gpt2):
    work = Patching(gpt2, CLEAN, CORRUPT, answer=ANSWER, wrong=WRONG)
    work.step()
    work.cancelled = True
    with pytest.raises(RequestCancelled):
        work.step()

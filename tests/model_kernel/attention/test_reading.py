"""A text reads the same in pieces, in several copies side by side, and in one pass."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read, read_once
from model_kernel.attention import hooked
from model_kernel.attention.computing import result, run
from model_kernel.attention.hooked import CLEAN
from model_kernel.families import CAUSAL, ENCODER_DECODER, MASKED

LONG = CLEAN * 8


class Reading(Computation):
    """Emits how many tokens had been read after each piece, and last the logits."""

    def __init__(self, model, ids, **options):
        super().__init__()
        self.model, self.ids, self.options = model, ids, options

    def pieces(self):
        layout = layout_of(self.model)
        self.emit((yield from read(self, self.model, layout, self.ids, on_progress=self.emit, **self.options)))


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("family", [family for family in CAUSAL if family != "mamba"])
def test_every_copy_says_what_the_model_says(family, copies, loaded):
    model = loaded(family)
    logits = result(Reading(model, CLEAN, copies=copies), seconds=1e-9)
    assert logits.shape[0] == copies
    for row in logits:
        torch.testing.assert_close(row, hooked.logits(model.module, CLEAN), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("copies", "pieces"), [(1, [64, 96, 128, 160, 192]), (3, [32, 64, 96, 128, 160, 192])])
def test_pieces_count_the_tokens_of_all_copies(copies, pieces, loaded):
    model = loaded("llama", max_position_embeddings=512)
    *done, logits = run(Reading(model, LONG, copies=copies), seconds=1e-9)
    assert done == pieces
    torch.testing.assert_close(logits[-1], hooked.logits(model.module, LONG), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", *MASKED, *ENCODER_DECODER])
@torch.inference_mode()
def test_one_pass_is_enough_for_every_kind_of_model(family, loaded):
    model = loaded(family)
    target = (0, 5, 6) if family in ENCODER_DECODER else ()
    out = read_once(model, Text(tuple(CLEAN), target), hidden=True)
    inputs = {"decoder_input_ids": torch.tensor([target])} if target else {}
    expected = model.module(input_ids=torch.tensor([CLEAN]), output_hidden_states=True, **inputs)
    torch.testing.assert_close(out.logits[:, -1], expected.logits[:, -1])
    name = "decoder_hidden_states" if target else "hidden_states"
    assert torch.equal(out[name][-1], expected[name][-1])

"""What a lens, an ablation and a patching need, each says in the same words when it isn't there."""

from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest, ModelUnsupported
from gpt_notebook.model_kernel.attention.ablation import Ablation
from gpt_notebook.model_kernel.attention.lens import LogitLens
from gpt_notebook.model_kernel.attention.patching import Patching
from model_kernel.attention.hooked import CLEAN, CORRUPT

ASK = {
    "lens": lambda model, **options: LogitLens(model, CLEAN, **options),
    "ablate": lambda model, **options: Ablation(model, CLEAN, [(0, 0)], **options),
    "patch": lambda model: Patching(model, CLEAN, CORRUPT),
}


@pytest.mark.parametrize("question", ASK)
@pytest.mark.parametrize(
    ("family", "complaint"),
    [
        ("bert", r"bert is a masked language model \(BertForMaskedLM\): it fills gaps and cannot go on from a prompt"),
        ("t5", "t5 is no causal language model: choose one that goes on from a prompt"),
    ],
)
def test_a_model_without_a_next_token_is_refused(family, complaint, question, loaded):
    with pytest.raises(ModelUnsupported, match=complaint):
        ASK[question](loaded(family))


@pytest.mark.parametrize("question", ["lens", "ablate"])
@pytest.mark.parametrize("position", [len(CLEAN), -len(CLEAN) - 1])
def test_a_position_outside_the_text_is_refused(position, question, gpt2):
    with pytest.raises(InvalidRequest, match=f"position {position} is not in the text: it has 24 tokens, 0 to 23"):
        ASK[question](gpt2, position=position)

"""Every kind of score that can be asked for is there."""

from __future__ import annotations

from gpt_notebook.attention_protocol import SCORE_KINDS
from gpt_notebook.model_kernel.attention.score_kinds import KINDS


def test_every_kind_has_its_definition():
    assert set(KINDS) == set(SCORE_KINDS)

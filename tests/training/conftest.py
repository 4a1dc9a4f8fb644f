"""Fixtures for training: one tiny model for all tests, and no progress bars."""

from __future__ import annotations

import pytest
import torch
import transformers
from model_kernel import tiny_models


@pytest.fixture(scope="session", autouse=True)
def quiet():
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A GPT-2 of two layers, with dropout."""
    return tiny_models.save(
        tmp_path_factory.mktemp("tiny-base"), resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1, initializer_range=0.1
    )


@pytest.fixture(scope="session")
def certain_base(tmp_path_factory):
    """The same without dropout, whose draws depend on how many samples are computed together."""
    return tiny_models.save(
        tmp_path_factory.mktemp("certain-base"), resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.1
    )

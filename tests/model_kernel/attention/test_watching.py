"""Attention calls are seen by whoever watches a pass, in that thread and until its end, and change nothing."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch
from transformers.modeling_utils import AttentionInterface

from gpt_notebook.model_kernel.attention import watching as module
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.watching import watching
from model_kernel.attention.computing import Observer, random_ids
from model_kernel.families import CAUSAL

TAPPED = ["gpt_neo", "gptj", "codegen", "bloom", "mpt", "openai-gpt", "xglm", "falcon", "falcon-alibi"]


@torch.inference_mode()
def logits(model, ids):
    return model.module(torch.tensor([ids])).logits


@pytest.mark.parametrize("family", [family for family in CAUSAL if family != "mamba"])
def test_watching_changes_nothing(family, loaded):
    model, ids = loaded(family), random_ids(20)
    layout = layout_of(model)
    before = logits(model, ids)
    observer = Observer()
    with watching(layout, observer):
        watched = logits(model, ids)
    assert [call.layer for call in observer.calls] == sorted(layout.parts["decoder"].count)
    assert (watched == before).all()
    assert (logits(model, ids) == before).all()
    assert len(observer.calls) == len(layout.parts["decoder"].count)


@pytest.mark.parametrize("family", ["gpt2", "gemma2", *TAPPED])
def test_another_threads_calls_are_not_seen(family, loaded):
    model, ids = loaded(family), random_ids(10)
    layout, observer = layout_of(model), Observer()
    with watching(layout, observer):
        other = threading.Thread(target=logits, args=(model, ids))
        other.start()
        other.join()
        assert observer.calls == []
        logits(model, ids)
    assert len(observer.calls) == 2


@pytest.mark.parametrize("family", ["gpt2", "gptj"])
def test_nobody_watches_after_an_error(family, loaded):
    model, ids = loaded(family), random_ids(10)
    layout = layout_of(model)

    class Fails:
        def attended(self, _call):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), watching(layout, Fails()):
        logits(model, ids)
    observer = Observer()
    with watching(layout, observer):
        logits(model, ids)
    assert len(observer.calls) == 2


def test_one_pass_has_one_observer(loaded):
    layout = layout_of(loaded("gpt2"))
    with watching(layout, Observer()):
        with pytest.raises(AssertionError), watching(layout, Observer()):
            pass


def test_nobody_may_watch(loaded):
    layout = layout_of(loaded("gpt2"))
    with watching(layout, None), watching(layout, Observer()):
        pass


def test_transformers_is_left_as_it_is_until_a_model_is_loaded_or_watched():
    program = (
        "from transformers.modeling_utils import AttentionInterface; before = AttentionInterface()['sdpa']\n"
        "from gpt_notebook.model_kernel.attention import choice, questions, watching\n"
        "assert AttentionInterface()['sdpa'] is before and watching.TILED not in AttentionInterface()\n"
        "watching.install()\n"
        "assert AttentionInterface()['sdpa'] is not before and watching.TILED in AttentionInterface()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_installed_twice_is_there_once():
    module.install()
    first = AttentionInterface()["sdpa"]
    module.install()
    assert AttentionInterface()["sdpa"] is first

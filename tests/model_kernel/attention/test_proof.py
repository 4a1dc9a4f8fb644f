"""What is shown is what was computed: a call that does more than it tells has a fault."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.attention.layout import ModuleNames
from gpt_notebook.model_kernel.attention.proof import fault_of
from gpt_notebook.model_kernel.attention.watching import observed
from model_kernel.attention.computing import Observer, random_ids


def calls_of(model, count=8):
    calls = Observer()
    with torch.inference_mode(), observed(ModuleNames(model.module, "decoder"), calls):
        model.module(input_ids=torch.tensor([random_ids(count)]))
    return calls.calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_oss", "deepseek_v3"])
def test_a_call_that_tells_all_has_no_fault(family, dtype, loaded):
    calls = calls_of(loaded(family, dtype=dtype))
    assert [fault_of(call, 8, 8) for call in calls] == [None, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("family", "spoil"),
    [
        ("gpt2", {"output": lambda call: call.output * 0.5}),
        ("gpt2", {"query": lambda call: call.query.roll(1, 1)}),
        ("gpt2", {"causal": lambda _: False}),
        ("gpt2", {"scaling": lambda call: call.scaling * 3}),
        ("llama", {"key": lambda call: call.key.flip(1)}),
        ("gpt_oss", {"sinks": lambda _: None}),
    ],
    ids=["output", "head", "causal", "scale", "group", "sinks"],
)
def test_a_call_that_hides_something_has(family, spoil, dtype, loaded):
    (call, *_) = calls_of(loaded(family, dtype=dtype))
    for name, change in spoil.items():
        setattr(call, name, change(call))
    assert fault_of(call, 8, 8) == "layer 0 does more than to weigh values"


@pytest.mark.parametrize("counts", [(7, 8), (8, 7), (7, 7)])
def test_a_call_with_other_tokens_than_the_texts_has(counts, loaded):
    (call, *_) = calls_of(loaded("gpt2"))
    assert fault_of(call, *counts) == "layer 0 attends to something else than the tokens of the text"


def test_nothing_that_is_no_number_passes(loaded):
    (call, *_) = calls_of(loaded("gpt2"))
    call.output = call.output * torch.nan
    assert fault_of(call, 8, 8) is not None

"""Products through oneDNN are the products of torch."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import peft
import pytest
import torch
import transformers
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from gpt_notebook.training import loss, onednn
from gpt_notebook.training.samples import collate
from gpt_notebook.training.samples.samples import Sample

needs_it = pytest.mark.skipif(not onednn.can_be_faster(torch.device("cpu")), reason="this processor has no need of it")
pytestmark = needs_it


def layers(kind, n_in=24, n_out=40):
    torch.manual_seed(0)
    layer = Conv1D(n_out, n_in) if kind == "conv1d" else torch.nn.Linear(n_in, n_out, bias=kind == "linear")
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    holder = torch.nn.Sequential(layer)
    fast = copy.deepcopy(holder)
    onednn.install(fast)
    return holder, fast


def both_ways(model, x, *, half=False):
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        y = model(x)
    y.float().square().sum().backward()
    gradients = {name: each.grad for name, each in model.named_parameters() if each.requires_grad}
    return {"y": y.detach(), "x": x.grad, **gradients}


def assert_close(found, expected, *, tolerance):
    assert found.keys() == expected.keys()
    for name, each in expected.items():
        assert found[name].dtype == each.dtype, name
        assert found[name].shape == each.shape, name
        assert (found[name] - each).norm() <= tolerance * each.norm(), name


@pytest.mark.parametrize("shape", [(24,), (3, 24), (2, 5, 24)])
@pytest.mark.parametrize("kind", ["linear", "no bias", "conv1d"])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_a_linear_layer_says_and_learns_the_same(kind, shape, half):
    plain, fast = layers(kind)
    x = torch.randn(shape)
    assert_close(both_ways(fast, x, half=half), both_ways(plain, x, half=half), tolerance=2e-2 if half else 1e-5)


def test_a_frozen_layer_gets_no_gradients():
    plain, fast = layers("linear")
    for each in (plain, fast):
        each.requires_grad_(requires_grad=False)
    x = torch.randn(3, 24)
    assert_close(both_ways(fast, x), both_ways(plain, x), tolerance=1e-5)


def adapted(kind, **options):
    plain, _ = layers(kind)
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules=["0"], fan_in_fan_out=kind == "conv1d", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(plain, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    fast = copy.deepcopy(model)
    onednn.install(fast)
    return model, fast


@pytest.mark.parametrize("kind", ["linear", "no bias", "conv1d"])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_a_layer_with_an_adapter_says_and_learns_the_same(kind, half):
    model, fast = adapted(kind)
    x = torch.randn(2, 7, 24)
    assert_close(both_ways(fast, x, half=half), both_ways(model, x, half=half), tolerance=2e-2 if half else 1e-5)


def test_dropout_draws_the_same():
    model, fast = adapted("linear", lora_dropout=0.5)
    x = torch.randn(2, 7, 24)
    found = []
    for each in (fast.train(), model.train()):
        torch.manual_seed(1)
        found.append(both_ways(each, x))
    assert_close(*found, tolerance=1e-5)


@pytest.mark.parametrize("options", [{"use_dora": True}, {"lora_bias": True}])
def test_what_is_no_plain_adapter_stays_with_peft(options):
    model, fast = adapted("linear", **options)
    x = torch.randn(2, 7, 24)
    assert_close(both_ways(fast, x), both_ways(model, x), tolerance=1e-5)


def test_an_adapter_can_be_turned_off():
    _, fast = adapted("linear")
    x = torch.randn(2, 24)
    with fast.disable_adapter():
        off = fast(x)
    layer = fast.base_model.model[0].base_layer
    assert torch.allclose(off, functional.linear(x, layer.weight, layer.bias), atol=1e-5)
    assert not torch.allclose(off, fast(x), atol=1e-3)


def test_gelu_in_one_go_is_gpt2s_own():
    act = transformers.activations.NewGELUActivation()
    holder = torch.nn.Sequential(act)
    onednn.install(holder)
    x = torch.linspace(-8, 8, 1001)
    assert type(holder[0]) is not type(act)
    assert torch.allclose(holder(x), act(x), atol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_batches_have_few_sizes_and_the_same_loss(tiny_base, packed):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_base).eval()
    generator = np.random.RandomState(0)
    sizes = set()
    for longest in range(16, 40):
        lengths = (longest // 3, longest - longest // 3) if packed else (longest, longest // 2)
        chosen = [Sample(generator.randint(0, 300, size), np.arange(size) > 0, row=0) for size in lengths]
        batch = collate.packed(chosen) if packed else collate.padded(chosen)
        rounded = onednn.of_few_sizes(batch, pad_id=5, longest=64)
        sizes.add(rounded["input_ids"].shape[1])
        with torch.no_grad():
            found, expected = (loss.summed(model, each, torch.device("cpu")).item() for each in (rounded, batch))
        assert found == pytest.approx(expected, rel=1e-5)
    assert sizes <= {16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40}


def test_no_batch_gets_longer_than_the_model_reads():
    batch = collate.padded([Sample(np.zeros(61, np.int32), np.arange(61) > 0, row=0)])
    assert onednn.of_few_sizes(batch, pad_id=0, longest=61) is batch

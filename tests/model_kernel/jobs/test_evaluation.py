from __future__ import annotations

import hashlib
import json
from contextlib import aclosing

import pytest
import torch

from gpt_notebook.errors import RequestCancelled
from gpt_notebook.job_protocol import Evaluated, EvaluateRequest
from gpt_notebook.model_kernel.jobs.evaluation import Evaluation, to_measure
from gpt_notebook.model_kernel.runner import Runner
from gpt_notebook.protocol import Progress
from gpt_notebook.settings import Settings
from model_kernel import tiny_adapters
from model_kernel.asking import Reference, wait_for
from model_kernel.families import CAUSAL

ROWS = [
    {"prompt": "Once upon a time", "completion": " was a fox"},
    {"prompt": "The", "completion": " fox went to the river, and so"},
    {"prompt": "A", "completion": "b"},
] * 5


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    runner = Runner(Settings(home=tmp_path_factory.mktemp("home")))
    yield runner
    runner.close()


@pytest.fixture
def data(tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    path = tmp_path / hashlib.sha256(lines).hexdigest()
    path.write_bytes(lines)
    return path


def evaluate(runner, model, data, *, seen=lambda entry: None):
    """What an engine does with an `EvaluateRequest`."""

    async def story():
        with runner.admitted(model) as entry:
            served = await runner.loaded(entry)
            found = to_measure(served.model, EvaluateRequest(data=data.name, model=model), data)
            async with aclosing(runner.run(entry, Evaluation(served.model, found))) as events:
                collected = []
                async for event in events:
                    collected.append(event)
                    seen(entry)
                return collected

    return wait_for(story())


@torch.inference_mode()
def offline(reference, row):
    """What transformers itself says of a row: loss, right ones and how many there are."""
    before, after = (reference.tokenizer(row[key])["input_ids"] for key in ("prompt", "completion"))
    after.append(reference.tokenizer.eos_token_id)
    logits = reference.model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
    wanted = torch.tensor(after)
    loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    return float(loss), int((logits.argmax(-1) == wanted).sum()), len(after)


def check(events, reference):
    measured = {event.row: event for event in events if isinstance(event, Evaluated)}
    assert sorted(measured) == list(range(len(ROWS)))
    for number, row in enumerate(ROWS):
        loss, correct, tokens = offline(reference, row)
        assert measured[number].loss == pytest.approx(loss, rel=1e-4, abs=1e-4)
        assert (measured[number].correct, measured[number].tokens) == (correct, tokens)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_oss", "bloom", "opt", "mamba"])
def test_each_sample_has_the_loss_that_transformers_gives_it_alone(runner, tiny, data, family):
    assert family in CAUSAL
    check(evaluate(runner, tiny(family), data), Reference(tiny(family)))


def test_an_adapter_is_measured_as_peft_has_it(runner, tiny, data, tmp_path):
    adapter = tiny_adapters.save(tmp_path / "adapter", tiny())
    check(evaluate(runner, f"{tiny()}+{adapter}", data), tiny_adapters.AdaptedReference(tiny(), adapter))


def test_progress_ends_with_all_tokens(runner, tiny, data):
    progress = [event for event in evaluate(runner, tiny(), data) if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert progress[-1].done == progress[-1].total


def test_a_cancelled_evaluation_is_an_error_and_never_half_an_answer(runner, tiny, data):
    with pytest.raises(RequestCancelled):
        evaluate(runner, tiny(), data, seen=lambda entry: entry.cancel())


def test_a_step_takes_as_many_samples_as_it_has_time_for(loaded, data):
    model = loaded()
    found = to_measure(model, EvaluateRequest(data=data.name), data)
    work = Evaluation(model, found)
    work.seconds, work._tokens_per_second = 1.0, 1e9
    assert len(work._chosen()) == len(ROWS)
    work = Evaluation(model, found)
    work.seconds, work._tokens_per_second = 1e-6, 1.0
    assert len(work._chosen()) == 1

"""What happens to a job when something is missing: memory, room on the disk, or sense."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from gpt_notebook.job_events import CheckpointPruned, CheckpointSaved, MemoryShort, Prepared, StateChanged, StepDone
from gpt_notebook.job_files import publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.training import loss
from gpt_notebook.training.trainer import JobTrainer
from training.tiny_jobs import before_passes, events, make_job, rows, same, train, weights


@pytest.fixture
def make(tmp_path, certain_base):
    def make(name="pip", **options):
        options = {
            "max_steps": 8,
            "batch_size": 4,
            "micro_batch_size": 4,
            "save_every": 3,
            "learning_rate": 1e-3,
        } | options
        return make_job(tmp_path, certain_base, rows(10), name=name, **options)

    return make


@pytest.fixture(params=["lora", "full"])
def method(request):
    return request.param


def losses(directory):
    return {each.step: each.loss for each in events(directory, StepDone)}


def no_memory_for(patched, most, *, from_step=0):
    """Let no pass have more than so many samples."""
    summed = loss.summed

    def summed_if_it_fits(model, batch, device):
        if len(batch["labels"]) > most and steps[0] >= from_step:
            msg = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"
            raise RuntimeError(msg)
        return summed(model, batch, device)

    steps = [0]
    before_passes(patched, lambda trainer: steps.__setitem__(0, trainer.state.global_step))
    patched.setattr(loss, "summed", summed_if_it_fits)


@pytest.mark.parametrize("from_step", [0, 4])
def test_without_memory_it_goes_on_with_smaller_parts_to_the_same_end(make, monkeypatch, method, from_step):
    quiet = {"method": method, "packing": False, "save_every": 100, "validate_every": 100}
    whole, short = make("whole", **quiet, micro_batch_size=2), make("short", **quiet)
    with monkeypatch.context() as patched:
        train(whole)
        no_memory_for(patched, 2, from_step=from_step)
        assert train(short).state == "succeeded"
    (told,) = events(short, MemoryShort)
    assert (told.step, told.micro_batch_size, told.accumulation) == (from_step, 2, 2)
    assert losses(short) == pytest.approx(losses(whole), rel=1e-4)
    one, other = weights(whole, 8), weights(short, 8)
    # Adam makes a step of what is only rounding where a gradient is almost nothing.
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 5e-4


def test_without_memory_in_the_update_it_goes_on_from_the_last_checkpoint(make, monkeypatch, method):
    whole, short = make("whole", method=method, micro_batch_size=2), make("short", method=method)
    step_of = torch.optim.AdamW.step
    failed = []

    def fail_halfway(optimizer, *arguments, **options):
        result = step_of(optimizer, *arguments, **options)
        if not failed and optimizer.param_groups[0]["params"] and len(failed_at) == 4:
            failed.append(True)
            msg = "no memory"
            raise torch.OutOfMemoryError(msg)
        failed_at.append(True)
        return result

    failed_at = []
    with monkeypatch.context() as patched:
        train(whole)
        patched.setattr(torch.optim.AdamW, "step", fail_halfway)
        assert train(short).state == "succeeded"
    (told,) = events(short, MemoryShort)
    assert told.step == 3
    assert losses(short) == pytest.approx(losses(whole), rel=1e-4)


def test_without_memory_for_one_sample_it_fails_and_keeps_what_there_was(make, monkeypatch):
    pip = make()
    with monkeypatch.context() as patched:
        no_memory_for(patched, 0, from_step=4)
        outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("failed", "oom")
    assert "max_length" in outcome.message
    assert [each.micro_batch_size for each in events(pip, MemoryShort)] == [2, 1]
    assert events(pip, CheckpointSaved)[-1].step == 4
    assert train(pip).state == "succeeded"


def test_a_full_disk_pauses_the_job_and_leaves_what_there_was(make, monkeypatch):
    whole, pip = make("whole"), make()
    train(whole)
    write = JobTrainer.write_checkpoint

    def write_until_full(trainer, place):
        write(trainer, place)
        if trainer.state.global_step == 6:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(JobTrainer, "write_checkpoint", write_until_full)
        outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("paused", "disk_full")
    assert "step 3" in outcome.message
    assert events(pip, StateChanged)[-1].reason == "disk_full"
    assert [each.name for each in pip.checkpoints.iterdir()] == ["3"]
    assert Checkpoints(pip).verify(3, resume=True)
    assert train(pip).state == "succeeded"
    assert same(weights(whole, 8), weights(pip, 8))


def test_what_was_saved_when_the_disk_got_full_is_found_when_there_is_room(make, monkeypatch, method):
    pip = make(method=method, max_steps=3)
    place = pip.home / ("adapters" if method == "lora" else "models") / "pip"

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "publish", full)
        outcome = train(pip)
    assert (outcome.reason, events(pip, CheckpointSaved)[-1].step, place.exists()) == ("disk_full", 3, False)
    assert "the checkpoint of step 3 is good" in outcome.message
    assert train(pip).state == "succeeded"
    assert place.resolve() == (pip.path if method == "lora" else pip.checkpoints / "3")


def test_a_full_disk_of_which_torch_says_nothing_is_found_out(make, monkeypatch):
    pip = make()
    write, write_bytes = JobTrainer.write_checkpoint, Path.write_bytes

    def fail_as_torch_does(trainer, place):
        write(trainer, place)
        if trainer.state.global_step == 6:
            msg = "[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"
            raise RuntimeError(msg)

    def write_if_there_is_room(path, data):
        if path.parent.name.startswith(".tmp-6"):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return write_bytes(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(JobTrainer, "write_checkpoint", fail_as_torch_does)
        with monkeypatch.context() as full:
            full.setattr(Path, "write_bytes", write_if_there_is_room)
            assert train(pip).reason == "disk_full"
        assert train(pip).reason == "error", "there is room now, so that is not why"
    assert [each.name for each in pip.checkpoints.iterdir()] == ["3"]


def no_number_after(patched, steps):
    """Let the losses of the steps after these be none."""
    summed = loss.summed

    def spoil(trainer):
        value = float("nan") if trainer.state.global_step in steps else 1.0
        patched.setattr(loss, "summed", lambda *each: summed(*each) * value)

    before_passes(patched, spoil)


def test_after_a_loss_that_is_no_number_nothing_is_saved(make, monkeypatch):
    pip = make()
    with monkeypatch.context() as patched:
        no_number_after(patched, [4])
        outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("failed", "not_finite")
    assert outcome.message.startswith("after step 4 the loss was nan")
    assert "goes on from step 3" in outcome.message
    assert events(pip, CheckpointSaved)[-1].step == 3
    assert all(torch.isfinite(each).all() for each in weights(pip, 3).values())
    assert train(pip).state == "succeeded"


def test_a_checkpoint_whose_next_step_is_no_number_is_gone_back_behind(make, monkeypatch):
    pip = make()
    with monkeypatch.context() as patched:
        no_number_after(patched, [6])
        assert "goes on from step 3" in train(pip).message
    (pruned,) = events(pip, CheckpointPruned)
    assert (pruned.step, pruned.gone) == (6, False)
    with monkeypatch.context() as patched:
        no_number_after(patched, [3])
        assert "there is none before it" in train(pip).message
    assert Checkpoints(pip).verify(3, resume=True)
    assert Checkpoints(pip).verify(6)
    assert train(pip).state == "succeeded"
    assert [each.step for each in events(pip, Prepared)] == [0, 3, 3]


def test_weights_that_are_no_numbers_are_not_saved(make, monkeypatch):
    pip = make()

    def spoil(trainer):
        if trainer.state.global_step == 5:
            patched.setattr(torch.optim.AdamW, "step", spoiled)

    step_of = torch.optim.AdamW.step

    def spoiled(optimizer, *arguments, **options):
        result = step_of(optimizer, *arguments, **options)
        optimizer.param_groups[0]["params"][0].data.fill_(float("nan"))
        return result

    with monkeypatch.context() as patched:
        before_passes(patched, spoil)
        outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("failed", "not_finite")
    assert outcome.message.startswith("after step 6 weights are NaN or infinite; the next attempt goes on from step 3")
    assert [each.name for each in pip.checkpoints.iterdir()] == ["3"]


def test_a_model_that_computes_no_numbers_is_refused_in_a_line(make, monkeypatch):
    pip = make(save_every=None)
    summed = loss.summed
    monkeypatch.setattr(loss, "summed", lambda *each: summed(*each) * float("nan"))
    outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("failed", "not_finite")
    assert outcome.message.startswith("after step 0 the loss is nan; the model computes NaN or infinity")


def test_any_other_error_is_one_line_and_the_last_step_is_kept(make, monkeypatch, capfd):
    def fail(trainer):
        if trainer.state.global_step == 5:
            msg = "what\nis this"
            raise ZeroDivisionError(msg)

    pip = make()
    with monkeypatch.context() as patched:
        before_passes(patched, fail)
        outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("failed", "error")
    assert outcome.message.startswith("ZeroDivisionError: what is this; the checkpoint of step 5 is good")
    assert "Traceback" in capfd.readouterr().err
    assert train(pip).state == "succeeded"

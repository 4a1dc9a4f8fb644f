"""A whole job: what it makes, what it tells, and what it can't be made of."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings

import peft
import pytest
import torch
import transformers
from model_kernel import tiny_models

from gpt_notebook import adapter_places, template_process
from gpt_notebook.job_events import (
    CheckpointPruned,
    CheckpointSaved,
    Noted,
    Prepared,
    Probed,
    StateChanged,
    StepDone,
    Validated,
)
from gpt_notebook.job_files.directory import EarlierRequest
from gpt_notebook.job_protocol import JobOptions, LoraOptions
from gpt_notebook.training import probes, random_state
from gpt_notebook.training.trainer import JobTrainer
from training.tiny_jobs import CPU, before_passes, events, make_job, queue, rows, same, train, weights


@pytest.fixture
def make(tmp_path, tiny_base):
    def make(name="pip", *, base=None, count=8, **options):
        options = {"max_steps": 4, "batch_size": 2, "save_every": 2, "learning_rate": 1e-2} | options
        return make_job(tmp_path, base or tiny_base, rows(count), name=name, **options)

    return make


def failure(directory):
    outcome = train(directory)
    assert (outcome.state, outcome.reason) == ("failed", "error")
    assert "\n" not in outcome.message
    return outcome.message


# --- what it makes -------------------------------------------------------------------------------------------------


def test_an_adapter_is_one_of_pefts_and_can_be_found_by_its_name(make, tmp_path, tiny_base):
    train(pip := make(lora=LoraOptions(rank=4, alpha=5.0)))
    place = adapter_places.locate("pip:4", tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_base)
    before = model(torch.tensor([[5, 6, 7]])).logits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's advice to programmers
        adapted = peft.PeftModel.from_pretrained(model, place)
    assert adapted.peft_config["default"].r == 4
    assert adapted.peft_config["default"].lora_alpha == 5.0
    assert not torch.allclose(adapted(torch.tensor([[5, 6, 7]])).logits, before, atol=1e-3)
    assert events(pip, CheckpointSaved)[-1].digest


def test_a_full_training_makes_a_model_that_loads_as_any_other(make, tmp_path):
    train(make(method="full"))
    place = tmp_path / "models" / "pip"
    assert place.resolve().name == "4"
    model = transformers.AutoModelForCausalLM.from_pretrained(place)
    assert model.dtype == torch.float32
    assert len(transformers.AutoTokenizer.from_pretrained(place)) == model.config.vocab_size


def test_only_what_lasts_stays_of_older_checkpoints(make):
    train(pip := make(max_steps=8, keep_last=1))
    assert [each.step for each in events(pip, CheckpointPruned)] == [2, 4, 6]
    names = {step: {each.name for each in (pip.checkpoints / str(step)).iterdir()} for step in (2, 8)}
    assert "optimizer.pt" not in names[2]
    assert "adapter_model.safetensors" in names[2]
    assert "optimizer.pt" in names[8]
    assert not any(name.endswith(".bin") for name in names[8])


def test_it_goes_on_from_another_adapter(make, tmp_path, tiny_base):
    train(first := make("first", lora=LoraOptions(rank=3)))
    place = adapter_places.locate("first", tmp_path)
    second = make_job(
        tmp_path,
        tiny_base,
        rows(8),
        name="second",
        adapter=place,
        model=f"{tiny_base}+first",
        max_steps=1,
        learning_rate=1e-9,
    )
    assert train(second).state == "succeeded"
    before, after = weights(first, 4), weights(second, 1)
    assert max(float((before[name] - after[name]).abs().max()) for name in before) < 1e-6


def test_a_model_in_half_precision_gets_an_adapter_in_full(make):
    train(pip := make(dtype="bfloat16"))
    assert events(pip, Prepared)[0].chosen["dtype"] == "bfloat16"
    assert {each.dtype for each in weights(pip, 4).values()} == {torch.float32}
    assert all(torch.isfinite(each).all() for each in weights(pip, 4).values())


# --- what it tells -------------------------------------------------------------------------------------------------


def test_it_says_what_it_chose_and_what_every_step_was(make):
    train(pip := make(learning_rate=None, batch_size=None))
    (prepared,) = events(pip, Prepared)
    assert prepared.chosen["learning_rate"] > 0
    assert prepared.chosen["batch_size"] == 8
    assert prepared.chosen["dtype"] == "float32"
    assert 0 < prepared.trainable < prepared.parameters
    steps = events(pip, StepDone)
    assert [each.step for each in steps] == [1, 2, 3, 4]
    assert sum(each.tokens for each in steps) == 4 * prepared.tokens
    assert all(each.grad_norm > 0 and each.seconds > 0 and each.memory > 0 for each in steps)
    assert [each.state for each in events(pip, StateChanged)] == ["running", "succeeded"]


def test_the_loss_of_a_step_is_that_of_the_model_itself(make, tiny_base, monkeypatch):
    train(pip := make(max_steps=1, batch_size=8, micro_batch_size=2, method="full"))
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_base).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_base)
    total = count = 0.0
    for row in rows(8):
        ids = torch.tensor([[*tokenizer(row["text"])["input_ids"], tokenizer.eos_token_id]])
        total += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    assert total / count == pytest.approx(events(pip, StepDone)[0].loss, rel=0.02)  # dropout


def test_it_validates_before_the_first_step_and_at_the_end_and_knows_the_best(tmp_path, tiny_base):
    pip = make_job(
        tmp_path, tiny_base, rows(8), validation=rows(3, first=40), max_steps=5, validate_every=2, batch_size=2
    )
    train(pip)
    found = events(pip, Validated)
    assert [each.step for each in found] == [0, 2, 4, 5]
    best = min(found[1:], key=lambda each: each.loss)
    assert pip.best_step() == best.step
    assert {each.step: each.loss for each in events(pip, CheckpointSaved)}[best.step] == best.loss


def test_on_other_samples_the_best_and_the_patience_begin_anew(tmp_path, tiny_base):
    options = {"batch_size": 2, "learning_rate": 1e-2, "save_every": 1, "validate_every": 2, "keep_last": 9}
    pip = make_job(tmp_path, tiny_base, rows(8), max_steps=3, validation_share=0.25, **options)
    assert train(pip).state == "succeeded"
    earlier = events(pip, Validated)
    assert [each.step for each in earlier] == [0, 2, 3]
    spec = pip.spec()
    forced = dataclasses.replace(spec.request, options=JobOptions(max_steps=6, validation_share=0.5, **options))
    pip.write_spec(dataclasses.replace(spec, request=forced, before=(EarlierRequest(until=3, request=spec.request),)))
    queue(pip)
    assert train(pip).state == "succeeded"
    later = events(pip, Validated)[len(earlier) :]
    assert [each.step for each in later] == [3, 4, 6]
    assert later[0].best
    assert {each.measured_on for each in earlier} == {spec.request.measured_on}
    assert {each.measured_on for each in later} == {forced.measured_on}
    assert pip.best_step() == min(later, key=lambda each: each.loss).step
    queue(pip)
    train(pip)
    assert len(events(pip, Validated)) == len(earlier) + len(later), "what was measured on them is not measured again"


def test_it_ends_early_when_nothing_gets_better(tmp_path, tiny_base):
    pip = make_job(
        tmp_path,
        tiny_base,
        rows(4),
        validation=[{"text": "quite another thing, 12345"}],
        max_steps=200,
        validate_every=2,
        early_stopping=2,
        learning_rate=0.05,
        method="full",
    )
    outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("succeeded", "early_stopping")
    losses = [each.loss for each in events(pip, Validated)]
    assert min(losses[-2:]) > min(losses)
    assert len(events(pip, StepDone)) < 200


def test_probes_are_told_from_before_the_first_step_on_and_change_nothing(make):
    silent = make("silent")
    asked = make("asked", probes=("the fox", "a story"), probe_every=1, probe_tokens=6)
    train(silent)
    train(asked)
    found = events(asked, Probed)
    assert [(each.step, each.index) for each in found] == [(step, index) for step in range(5) for index in (0, 1)]
    assert same(weights(silent, 4), weights(asked, 4))


def test_a_probe_is_what_the_model_generates(tiny_base):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_base).train()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_base)
    state = random_state.captured(CPU)["cpu"]
    (text,) = probes.continuations(model, tokenizer, ["the fox"], max_new_tokens=5, context_length=64)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    given = tokenizer("the fox", return_tensors="pt")
    made = model.eval().generate(**given, max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert text == tokenizer.decode(made[0, given["input_ids"].shape[1] :], skip_special_tokens=True)


def test_a_probe_longer_than_the_context_is_gone_on_from_its_end(tiny_base):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_base)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_base)
    text = "a story " + "the fox " * 100
    end = tokenizer.decode(tokenizer(text)["input_ids"][-(64 - 20) :])
    assert len(tokenizer(end)["input_ids"]) == 64 - 20
    whole, ended = probes.continuations(model, tokenizer, [text, end], max_new_tokens=20, context_length=64)
    assert whole == ended


def test_a_probe_of_nothing_and_one_for_more_than_the_context_are_gone_on_from(tiny_base):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_base)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_base)
    texts = list(probes.continuations(model, tokenizer, ["", "the fox"], max_new_tokens=500, context_length=64))
    assert all(texts)


def test_what_is_to_be_known_of_the_data_is_noted_once(tmp_path, tiny_base):
    pip = make_job(tmp_path, tiny_base, [{"text": "<|endoftext|> " + row["text"]} for row in rows(4) * 2], max_steps=1)
    train(pip)
    notes = len(events(pip, Noted))
    assert notes
    train(pip)
    assert len(events(pip, Noted)) == notes


# --- what it can't be made of --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weight_decey": 0.1}, "did you mean weight_decay"),
        ({"output_dir": "elsewhere"}, "the job needs it for itself"),
        ({"save_steps": 3}, "save_every"),
        ({"dataloader_num_workers": 2}, "leave it out"),
        ({"weight_decay": "much"}, "weight_decay"),
        ({"optim": "no such"}, "optim"),
    ],
)
def test_training_arguments_that_cannot_be(make, given, said):
    message = failure(make(training_arguments=given))
    assert said in message


def test_training_arguments_reach_transformers(make, monkeypatch):
    seen = []
    with monkeypatch.context() as patched:
        before_passes(patched, lambda trainer: seen.append((trainer.args.weight_decay, trainer.args.max_grad_norm)))
        train(make(training_arguments={"weight_decay": 0.25, "max_grad_norm": 3.0}))
    assert set(seen) == {(0.25, 3.0)}


def test_labels_that_are_smoothed_make_another_loss(make):
    plain, smoothed = (
        make("plain", max_steps=1),
        make("smoothed", max_steps=1, training_arguments={"label_smoothing_factor": 0.5}),
    )
    train(plain)
    train(smoothed)
    (one,), (other,) = events(plain, StepDone), events(smoothed, StepDone)
    assert one.loss != pytest.approx(other.loss, rel=1e-3)


def test_a_model_that_fills_gaps_cannot_be_trained(make, tmp_path):
    base = tiny_models.save(tmp_path / "bert", "bert")
    assert "does not go on from a prompt" in failure(make(base=base))


def test_a_quantized_model_cannot_be_trained(make, tmp_path):
    base = tiny_models.save(tmp_path / "base")
    tiny_models.change_config(base, quantization_config={"quant_method": "gptq", "bits": 4})
    assert "quantized" in failure(make(base=base))


def test_targets_must_be_layers(make):
    assert "did you mean c_attn" in failure(make(lora=LoraOptions(targets=("c_atn",))))


def test_targets_limit_what_is_adapted(make):
    train(pip := make(lora=LoraOptions(targets=("c_fc",))))
    assert all(".c_fc." in name for name in weights(pip, 4))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_activations_that_are_computed_again_change_nothing(make, method):
    one, other = (
        make(f"again-{again}".lower(), method=method, gradient_checkpointing=again) for again in (False, True)
    )
    train(one)
    train(other)
    losses = [[each.loss for each in events(job, StepDone)] for job in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_half_precision_that_is_slow_here_is_refused(make):
    assert "use bfloat16" in failure(make(dtype="float16"))


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gemma2", "bloom", "qwen3"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_every_kind_of_family_can_be_trained(make, tmp_path, family, method):
    base = tiny_models.save(tmp_path / family, family)
    pip = make(base=base, method=method, max_steps=2)
    assert train(pip).state == "succeeded"
    assert weights(pip, 2)


def test_a_chat_template_that_never_ends_fails_the_job_in_time(make, tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(template_process, "RENDER_SECONDS", 0.2)
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    tokenizer.save_pretrained(base)
    talk = [{"messages": [{"role": "user", "content": "the"}, {"role": "assistant", "content": "fox"}]}]
    assert "chat template ran for more than 0.2 s and was stopped" in failure(
        make_job(tmp_path, base, talk, max_steps=1)
    )


def test_fewer_epochs_than_are_done_are_refused_where_other_values_were_forced_on_a_job(make):
    train(pip := make())
    spec = pip.spec()
    options = dataclasses.replace(spec.request.options, max_steps=None, epochs=0.5)
    request = dataclasses.replace(spec.request, options=options)
    pip.write_spec(dataclasses.replace(spec, request=request, before=(EarlierRequest(until=4, request=spec.request),)))
    assert "4 steps are done, and 2 are asked for: ask for more" in failure(pip)


# --- what it is made of --------------------------------------------------------------------------------------------


def test_its_state_on_disk_holds_no_program(make):
    """Only what torch reads with weights_only, and JSON."""
    train(pip := make())
    for path in (pip.checkpoints / "4").iterdir():
        if path.suffix in (".pt", ".pth", ".bin"):
            with torch.serialization.safe_globals([*allowed()]):
                torch.load(path, weights_only=True)
        elif path.suffix == ".json":
            json.loads(path.read_text())


def allowed():
    """Return what transformers allows in the states of generators."""
    import numpy as np

    return [np._core.multiarray._reconstruct, np.ndarray, np.dtype, type(np.dtype(np.uint32))]


def test_transformers_calls_what_a_trainer_has_of_its_own(make, monkeypatch):
    """Not all of these are public: if transformers renames one, ours is never called."""
    own = {name for name in vars(JobTrainer) if hasattr(transformers.Trainer, name) and not name.startswith("__")}
    called = set()

    def counting(name, method):
        def call(*arguments, **options):
            called.add(name)
            return method(*arguments, **options)

        return call

    for name in own:
        monkeypatch.setattr(JobTrainer, name, counting(name, vars(JobTrainer)[name]))
    train(make(max_steps=1))
    assert own - called == set()
    assert {"_get_grad_norm", "create_scheduler", "get_batch_samples", "training_step"} <= own

"""What is written for others: loaded by peft and transformers alone, it says what the parts say here."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys

import peft
import pytest
import safetensors.torch
import torch
import transformers
from model_kernel import tiny_adapters, tiny_models

from gpt_notebook import adapter_files, storyteller
from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.exporting import __main__ as exporting
from gpt_notebook.exporting import export, model_card
from gpt_notebook.exporting.export import Order
from gpt_notebook.job_events import CheckpointSaved, CommandDone, Prepared, Recorded, StateChanged, StepDone, Validated
from gpt_notebook.job_files import lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import EarlierRequest, JobDirectory, JobSpec
from gpt_notebook.job_files.journal import Journal, read
from gpt_notebook.job_protocol import Estimate, JobOptions, JobRequest, LoraOptions

# What peft and transformers have to say to each other.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

IDS = torch.arange(10, 30)[None]
ESTIMATE = Estimate(bytes=1, weights=1, training_state=0, activations=0, seconds=1.0, steps=6, tokens=1, free=1)
SECRET = "The probe of somebody"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(tiny_models.save(tmp_path_factory.mktemp("base") / "gpt2"))


@pytest.fixture
def adapter(base, tmp_path):
    return tiny_adapters.save(tmp_path / "adapter", base)


@pytest.fixture
def target(tmp_path):
    place = tmp_path / "export"
    place.mkdir()
    return place


@torch.inference_mode()
def logits(model):
    return model.eval()(IDS).logits


def peft_of(model, adapter):
    return peft.PeftModel.from_pretrained(model, adapter)


def order(target, base, adapter=None, **options):
    given = {"model": "m", "name": "pip", "base": str(base), "source": str(base)} | options
    return Order(target=str(target), adapter=None if adapter is None else str(adapter), **given)


@pytest.fixture
def trained(base, tmp_path):
    """A job with two checkpoints of an adapter, and what is recorded of it."""
    job = JobDirectory(tmp_path / "home" / "jobs" / "tale")
    job.create()
    options = JobOptions(lora=LoraOptions(rank=4), seed=7, probes=(SECRET,), epochs=2.0)
    request = JobRequest(data="ab" * 32, model=base, options=options)
    job.write_spec(JobSpec(id="j", name="tale", created=1.0, request=request, source=base, fingerprint="f"))
    job.data.write_text('{"prompt": "What a secret", "completion": " indeed"}\n')
    with lock.hold(job), Journal(job.events, attempt=1) as journal:
        journal.write(StateChanged, state="running")
        journal.write(
            Prepared,
            step=0,
            max_steps=6,
            samples=1200,
            validation_samples=100,
            tokens=9000,
            counted=4000,
            cut=3,
            dropped=2,
            trainable=100,
            parameters=10_000,
            threads=1,
            device="cpu",
            chosen={"learning_rate": 0.002, "batch_size": 8},
            estimate=ESTIMATE,
        )
        for step in range(1, 7):
            journal.write(
                StepDone,
                step=step,
                epoch=step / 3,
                loss=4.0 - step / 2,
                learning_rate=0.001,
                grad_norm=None,
                tokens=100,
                seconds=0.1,
                memory=1,
            )
            if step % 3 == 0:
                measures = {"loss": 3.0 if step == 3 else 2.0, "perplexity": 20.1, "accuracy": 0.25, "tokens": 500}
                journal.write(Validated, step=step, **measures, seconds=0.1, best=True)
                saved = Checkpoints(job).save(step, lambda place, step=step: tiny_adapters.save(place, base, seed=step))
                journal.write(CheckpointSaved, **dataclasses.asdict(saved), seconds=0.1)
    return job


# --- an adapter -----------------------------------------------------------------------------------------------------


def test_an_exported_adapter_is_what_peft_reads_with_a_base_that_others_can_find(base, adapter, target):
    export.write(order(target, "someone/model@abc", adapter))
    assert sorted(path.name for path in target.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((target / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("someone/model", "abc")
    plain = transformers.AutoModelForCausalLM.from_pretrained(base)
    expected = logits(peft_of(transformers.AutoModelForCausalLM.from_pretrained(base), adapter))
    assert torch.equal(logits(peft_of(plain, target)), expected)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("storyteller", ("storyteller", None)),
        (str(storyteller.path()), ("storyteller", None)),
        ("gpt2", ("gpt2", None)),
        ("someone/model@main", ("someone/model", "main")),
        ("/cache/hub/models--someone--model/snapshots/" + "a1" * 20, ("someone/model", "a1" * 20)),
        ("/home/someone/private/models/mine", ("mine", None)),
    ],
)
def test_no_path_of_this_machine_is_told_to_others(given, name):
    assert export.public_name(given) == name


def test_the_page_tells_how_a_job_made_it_and_quotes_none_of_its_data(trained, base, target):
    export.write(order(target, base, trained.checkpoints / "6", name="tale"))
    page = (target / "README.md").read_text("utf-8")
    for part in (
        "# tale",
        "A LoRA adapter of rank 4 for `gpt2`",
        "| data | pairs of a prompt and a completion, of which the completions count |",
        "1,200 samples, 9,000 tokens of which 4,000 count; 3 cut; 2 rows left out",
        "`" + "ab" * 32 + "`",
        "| validation | 100 samples, of the same data |",
        "| steps | 6, which are 2 epochs |",
        "| tokens read | 600 |",
        "100 of 10,000 were trained (0.01 of all)",
        "1.0000 in the last step",
        "loss 2.0000, perplexity 20.1, token accuracy 0.250 over 500 tokens, after step 6",
        "| learning_rate | `0.002` |",
        "| seed | `7` |",
        '"rank": 4',
        '"alpha": 8.0',
        'peft.PeftModel.from_pretrained(base, "DIRECTORY")',
        'model="gpt2+./DIRECTORY"',
    ):
        assert part in page
    for private in ("What a secret", SECRET, base, str(trained.home)):
        assert private not in page


def test_the_page_tells_which_options_were_changed_while_it_trained(trained, base, target):
    told = [("learning_rate", 5e-4, 0), ("learning_rate", 3e-3, 2), ("max_steps", 9, 4), ("learning_rate", 1e-5, 6)]
    with Journal(trained.events) as journal:
        for number, (command, value, step) in enumerate(told, start=1):
            fields = {"command": command, "value": value, "step": step}
            journal.write(CommandDone, command_number=number, obeyed=True, **fields)
        journal.write(CommandDone, command_number=9, command="learning_rate", value=7.0, step=3, obeyed=False)
    spec = trained.spec()
    options = dataclasses.replace(spec.request.options, max_steps=6)
    trained.write_spec(dataclasses.replace(spec, request=dataclasses.replace(spec.request, options=options)))
    pages = {}
    for step in ("3", "6"):
        place = target / step
        place.mkdir()
        export.write(order(place, base, trained.checkpoints / step, name="tale"))
        pages[step] = (place / "README.md").read_text("utf-8")
    for page in pages.values():
        assert "| learning_rate | `0.0005`; after step 2 `0.003` |" in page
    assert "| max_steps | `6` |" in pages["3"]
    assert "| max_steps | `6`; after step 4 `9` |" in pages["6"]


def test_what_is_asked_for_anew_ends_what_commands_had_set(trained, base, target):
    with Journal(trained.events) as journal:
        fields = {"command": "learning_rate", "value": 5e-4, "step": 1}
        journal.write(CommandDone, command_number=1, obeyed=True, **fields)
        begun = next(each for each in read(trained.events) if isinstance(each, Prepared))
        again = {field.name: getattr(begun, field.name) for field in dataclasses.fields(Prepared)}
        recorded = {field.name for field in dataclasses.fields(Recorded)}
        again = {name: value for name, value in again.items() if name not in recorded}
        journal.write(Prepared, **again | {"step": 3, "chosen": {"learning_rate": 0.1}})
        for step in (4, 5, 6):
            done = {"step": step, "epoch": 1.0, "loss": 1.0, "learning_rate": 0.1, "grad_norm": None}
            journal.write(StepDone, **done, tokens=100, seconds=0.1, memory=1)
    spec = trained.spec()
    options = dataclasses.replace(spec.request.options, learning_rate=0.1)
    now = dataclasses.replace(spec.request, options=options)
    trained.write_spec(dataclasses.replace(spec, request=now, before=(EarlierRequest(until=3, request=spec.request),)))
    export.write(order(target, base, trained.checkpoints / "6", name="tale"))
    first, second = (target / "README.md").read_text("utf-8").split("### Then steps 4 to 6")
    assert "| learning_rate | `0.002`; after step 1 `0.0005` |" in first
    assert "| learning_rate | `0.1` |" in second


def test_the_page_of_an_earlier_step_has_the_measures_of_that_step(trained, base, target):
    export.write(order(target, base, trained.checkpoints / "3", name="tale"))
    page = (target / "README.md").read_text("utf-8")
    assert "| steps | 3, which are 1 epochs |" in page
    assert "loss 3.0000" in page
    assert "after step 6" not in page


def test_the_page_tells_each_stretch_of_a_job_that_went_on_with_other_data(trained, base, target):
    spec = trained.spec()
    now = dataclasses.replace(spec.request, data="cd" * 32)
    trained.write_spec(dataclasses.replace(spec, request=now, before=(EarlierRequest(until=3, request=spec.request),)))
    export.write(order(target, base, trained.checkpoints / "6", name="tale"))
    page = (target / "README.md").read_text("utf-8")
    first, second = page.split("### Then steps 4 to 6")
    assert "### Steps 1 to 3" in first
    assert ("ab" * 32 in first, "cd" * 32 in first) == (True, False)
    assert ("ab" * 32 in second, "cd" * 32 in second) == (False, True)
    target.with_name("third").mkdir()
    export.write(order(target.with_name("third"), base, trained.checkpoints / "3", name="tale"))
    earlier = (target.with_name("third") / "README.md").read_text("utf-8")
    assert ("ab" * 32 in earlier, "cd" * 32 in earlier, "Then steps" in earlier) == (True, False, False)


def test_the_page_has_of_each_part_its_own_validation_of_the_step_between_them(trained, base, target):
    spec = trained.spec()
    now = dataclasses.replace(spec.request, validation="ef" * 32)
    trained.write_spec(dataclasses.replace(spec, request=now, before=(EarlierRequest(until=6, request=spec.request),)))
    with Journal(trained.events) as journal:
        measures = {"loss": 5.5, "perplexity": 244.7, "accuracy": 0.125, "tokens": 70}
        journal.write(Validated, step=6, **measures, seconds=0.1, best=True, measured_on=now.measured_on)
    export.write(order(target, base, trained.checkpoints / "6", name="tale"))
    page = (target / "README.md").read_text("utf-8")
    assert ("loss 2.0000" in page, "loss 5.5000" in page) == (True, False)


def test_the_page_of_what_no_job_made_tells_what_it_is(adapter, target):
    export.write(order(target, "storyteller", adapter))
    page = (target / "README.md").read_text("utf-8")
    assert "for `storyteller`, the small model that comes with gpt_notebook" in page
    assert "from_pretrained(storyteller.path())" in page
    assert "## Training" not in page


def test_the_code_on_the_page_runs(adapter, target, base):
    export.write(order(target, "someone/model", adapter))
    page = (target / "README.md").read_text("utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    made = {}
    exec(code.replace('"someone/model"', repr(base)).replace('"DIRECTORY"', repr(str(target))), made)  # noqa: S102
    assert torch.equal(
        logits(made["model"]), logits(peft_of(transformers.AutoModelForCausalLM.from_pretrained(base), adapter))
    )


def test_what_the_hub_reads_of_a_page_is_yaml_with_names_of_its_own(adapter, tmp_path):
    heads = {}
    for base in ("someone/model", "storyteller"):
        place = tmp_path / base.replace("/", "-")
        place.mkdir()
        export.write(order(place, base, adapter))
        heads[base] = (place / "README.md").read_text("utf-8").split("---")[1]
    assert 'base_model: "someone/model"' in heads["someone/model"]
    assert "base_model" not in heads["storyteller"]
    assert "library_name: peft" in heads["storyteller"]


# --- merged ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_merged_model_says_what_base_and_adapter_say_through_peft(family, tmp_path, target):
    base = str(tiny_models.save(tmp_path / "base", family))
    adapter = tiny_adapters.save(tmp_path / "adapter", base)
    told = []
    export.write(order(target, base, adapter, merged=True), told.append)
    merged = transformers.AutoModelForCausalLM.from_pretrained(target)
    expected = logits(peft_of(transformers.AutoModelForCausalLM.from_pretrained(base), adapter))
    assert merged.dtype == torch.float32
    torch.testing.assert_close(logits(merged), expected, rtol=1e-4, atol=1e-4)
    assert (logits(transformers.AutoModelForCausalLM.from_pretrained(base)) - expected).abs().max() > 0.01
    text = "Once upon a time"
    tokenizers = [transformers.AutoTokenizer.from_pretrained(place) for place in (base, target)]
    assert tokenizers[0](text) == tokenizers[1](text)
    assert not (target / ".adapter").exists()
    assert [event.stage for event in told] == ["reading", "computing", "computing", "computing"]


def test_a_merge_is_added_in_float32_and_stored_in_the_dtype_of_its_base(tmp_path, target):
    base = str(tiny_models.save(tmp_path / "base", dtype=torch.bfloat16))
    adapter = tiny_adapters.save(tmp_path / "adapter", base)
    export.write(order(target, base, adapter, merged=True))
    exact = peft_of(transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter)
    exact = exact.merge_and_unload().state_dict()
    stored = safetensors.torch.load_file(target / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert all(torch.equal(tensor, exact[name].to(torch.bfloat16)) for name, tensor in stored.items())
    assert "added in float32, stored in bfloat16" in (target / "README.md").read_text("utf-8")


def test_a_merge_that_says_something_else_is_refused(base, adapter, target, monkeypatch):
    merge = peft.tuners.lora.LoraModel.merge_and_unload

    def spoiled(self, *arguments, **options):
        model = merge(self, *arguments, **options)
        with torch.no_grad():
            next(model.parameters()).mul_(1.5)
        return model

    monkeypatch.setattr(peft.tuners.lora.LoraModel, "merge_and_unload", spoiled)
    with pytest.raises(ModelUnsupported, match="says something else once it is merged"):
        export.write(order(target, base, adapter, merged=True))


# --- a whole model --------------------------------------------------------------------------------------------------


def test_a_model_of_a_job_is_copied_without_what_only_training_needs(trained, base, target):
    place = trained.checkpoints / "9"
    tiny_models.save(place)
    for name in ("manifest.json", "trainer_state.json", "optimizer.pt", "training_args.bin", "resume.json"):
        (place / name).write_text("{}")
    told = []
    export.write(order(target, place, name="tale"), told.append)
    names = {path.name for path in target.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert not names & {"manifest.json", "trainer_state.json", "optimizer.pt", "training_args.bin", "resume.json"}
    one, two = (transformers.AutoModelForCausalLM.from_pretrained(each) for each in (place, target))
    assert torch.equal(logits(one), logits(two))
    assert told[-1].done == told[-1].total > 0
    assert "A fine-tuned model, made from `gpt2`" in (target / "README.md").read_text("utf-8")


# --- the process ----------------------------------------------------------------------------------------------------


def process(asked):
    command = [sys.executable, "-P", "-m", "gpt_notebook.exporting"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_the_process_tells_how_far_it_is_and_that_it_is_done(adapter, target, base):
    code, said = process(dataclasses.asdict(order(target, base, adapter, merged=True)))
    assert (code, [each["kind"] for each in said]) == (0, ["progress"] * 4 + ["done"])
    assert (target / "model.safetensors").is_file()


def test_the_process_says_in_one_line_what_went_wrong(target, base, tmp_path):
    code, said = process(dataclasses.asdict(order(target, base, tmp_path / "nowhere")))
    assert code == 1
    assert said[-1]["error"]["code"] == "model_not_found"
    assert "is no adapter" in said[-1]["error"]["message"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_merge_without_memory_says_what_helps(target, monkeypatch, capsys, error):
    def fail(*_arguments):
        raise error

    asked = dataclasses.asdict(order(target, "storyteller", "/adapters/pip", merged=True))
    monkeypatch.setattr(exporting, "write", fail)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    assert exporting.main() == 1
    said = json.loads(capsys.readouterr().out)
    assert said["error"]["code"] == "out_of_memory"
    assert "no room to merge" in said["error"]["message"]
    assert "without merged=True" in said["error"]["message"]


def test_an_adapter_alone_is_written_without_torch(adapter, target, base):
    lines = (
        "import json, sys",
        "from gpt_notebook.exporting import export",
        "export.write(export.Order(**json.load(sys.stdin)))",
        "print([name for name in ('torch', 'transformers', 'peft', 'numpy') if name in sys.modules])",
    )
    asked = json.dumps(dataclasses.asdict(order(target, base, adapter)))
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], input=asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert adapter_files.read(target).weights == adapter_files.read(adapter).weights


def test_what_is_no_number_is_no_measure_on_a_page():
    found = Validated(
        number=1,
        attempt=1,
        time=1.0,
        step=3,
        loss=None,
        perplexity=None,
        accuracy=None,
        tokens=0,
        seconds=0,
        best=False,
    )
    request = JobRequest(data="0" * 64)
    training = model_card.Training(request=request, chosen={}, kind=None, prepared=None, steps=[], validation=found)
    page = model_card.page(model_card.Subject(name="pip", base="storyteller", training=training))
    assert "loss" not in page

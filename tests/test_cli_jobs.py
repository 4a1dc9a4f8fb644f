"""Fine-tuning from a terminal."""

from __future__ import annotations

import dataclasses
import re
import threading

import pytest
from fake_jobs import INFO

from gpt_notebook import cli
from gpt_notebook.cli import job_arguments
from gpt_notebook.errors import JobInUse, WaitInterrupted
from gpt_notebook.fine_tuning import functions as finetuning
from gpt_notebook.fine_tuning.job import Job
from gpt_notebook.fine_tuning.options import Options
from gpt_notebook.job_events import StateChanged
from gpt_notebook.next_action import NextAction

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a fox"}\n')
    return str(path)


def run(capsys, *arguments):
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = int(end.code)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_job_is_started(capsys, fake_jobs, data):
    assert run(capsys, "finetune", data, "--name", "pip") == (0, "", "pip: started, LoRA of storyteller\n")
    assert fake_jobs.sent == ['{"text":"a fox"}\n']


def test_its_options_arrive(capsys, fake_jobs, data):
    line = (
        "-m gpt2 --validation 0.5 --max-steps 3 --epochs 2.5 --learning-rate 1e-3 --too-long cut --lora-rank 4 --lora-target c_attn "
        "--lora-target c_fc --probe Once --probe Twice --no-packing --chat --training-argument weight_decay=0.1 "
        "--training-argument optim=adamw_torch --force"
    )
    run(capsys, "finetune", data, *line.split())
    (body,) = fake_jobs.requests("start")
    options = body["options"]
    assert (body["model"], body["force"]) == ("gpt2", True)
    assert {name: options[name] for name in ("validation_share", "max_steps", "epochs", "learning_rate", "too_long", "packing", "chat")} == {
        "validation_share": 0.5, "max_steps": 3, "epochs": 2.5, "learning_rate": 1e-3, "too_long": "cut", "packing": False, "chat": True,
    }  # fmt: skip
    assert (options["lora"]["rank"], options["lora"]["targets"]) == (4, ["c_attn", "c_fc"])
    assert options["probes"] == ["Once", "Twice"]
    assert options["training_arguments"] == {"weight_decay": 0.1, "optim": "adamw_torch"}
    assert options["method"] == "lora"


def test_every_option_of_a_fine_tuning_can_be_typed():
    typed = {name.replace("-", "_") for name in (*job_arguments.NUMBERS, *job_arguments.CHOICES)}
    others = {"lora", "probes", "chat", "packing", "gradient_checkpointing", "training_arguments"}
    assert typed | others == set(Options.__annotations__)


def test_several_files_and_columns(capsys, fake_jobs, data, tmp_path):
    (tmp_path / "b.csv").write_text("text,label\nx,1\n")
    run(capsys, "finetune", str(tmp_path / "b.csv"), data, "--text", "{text}!")
    assert fake_jobs.sent == ['{"text":"x!"}\n{"text":"a fox!"}\n']


def test_a_preview_is_printed_and_nothing_trained(capsys, fake_jobs, data):
    code, out, _ = run(capsys, "finetune", data, "--preview", "--name", "pip")
    assert code == 0
    assert "Good?⟦ yes<end>⟧" in out
    assert fake_jobs.requests("start") == []


def test_waiting_prints_how_it_ended(capsys, fake_jobs, data):
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="succeeded")).start()
    code, out, _ = run(capsys, "finetune", data, "--wait")
    assert code == 0
    assert "state  succeeded" in out


def test_an_interrupt_while_waiting_leaves_the_job(capsys, fake_jobs, data, monkeypatch):
    def interrupted(self, *_arguments):
        raise WaitInterrupted(self.name)

    monkeypatch.setattr(Job, "wait", interrupted)
    code, out, _ = run(capsys, "finetune", data, "--wait")
    assert (code, out) == (130, "pip goes on:  gpt-notebook jobs pip\n")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("finetune DATA --max-step 3", 2, "did you mean --max-steps?"),
        ("finetune DATA --max-steps x", 2, "--max-steps needs a whole number, not 'x'"),
        ("finetune DATA --training-argument x", 2, "--training-argument needs a name=value"),
        ("finetune DATA --max-steps 0", 2, "--max-steps must be at least 1 and at most 1000000000000, not 0"),
        ("finetune DATA --lora-rank 0", 2, "--lora-rank must be at least 1 and at most 1024, not 0"),
        ("finetune DATA --preview --validation 3", 2, "--validation is a share of the data below 1"),
        ("finetune DATA --validation nowhere.csv", 1, "nowhere.csv does not exist"),
        ("jobs pip pause --force", 2, "--force goes with delete"),
        ("finetune nowhere.csv", 1, "nowhere.csv does not exist"),
        ("finetune DATA --name Pip", 2, "'Pip' is no name for a job"),
        ("jobs pipp", 1, "did you mean pip?"),
        ("jobs pip pase", 2, "pause"),
    ],
)
@pytest.mark.usefixtures("fake_jobs")
def test_what_goes_wrong_is_one_line(capsys, data, line, code, words):
    found, out, err = run(capsys, *line.replace("DATA", data).split())
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert words in err


def test_jobs_are_listed_and_one_is_shown(capsys, fake_jobs):
    assert "pip  running" in run(capsys, "jobs")[1]
    assert "job    pip · LoRA on storyteller" in run(capsys, "jobs", "pip")[1]
    fake_jobs.info = None
    assert run(capsys, "jobs") == (0, "no job yet: gpt-notebook finetune FILE --name NAME starts one\n", "")


def test_a_job_can_be_told_something(capsys, fake_jobs):
    fake_jobs.info = dataclasses.replace(INFO, state="running")
    assert run(capsys, "jobs", "pip", "stop")[0] == 0
    assert [body["command"] for body in fake_jobs.requests("command")] == ["stop"]


def test_commands_are_methods_of_a_job():
    assert all(callable(getattr(finetuning.Job, command)) for command in job_arguments.COMMANDS)


def test_a_job_is_deleted_without_a_question_only_by_force(capsys, fake_jobs, model_kernel):
    fake_jobs.info = dataclasses.replace(INFO, state="failed", reason="error")
    code, _, err = run(capsys, "jobs", "pip", "delete")
    assert code == 1
    assert err.endswith("Nobody can be asked here: give the option force to delete pip\n")
    assert model_kernel.requests("/v1/jobs/forget") == []
    assert run(capsys, "jobs", "pip", "delete", "--force")[0] == 0
    assert model_kernel.requests("/v1/jobs/forget") == [{"job": "1f"}]


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("paused", "gpt-notebook jobs pip resume goes on, gpt-notebook jobs pip stop ends it with what there is"),
        ("running", "gpt-notebook jobs pip pause gives its memory back"),
    ],
)
def test_what_can_be_done_with_a_job_is_a_command(capsys, fake_jobs, state, line):
    fake_jobs.info = dataclasses.replace(INFO, state=state)
    assert line in run(capsys, "jobs", "pip")[1]
    assert "gpt-notebook jobs NAME is one of them" in run(capsys, "jobs")[1]


def test_what_the_model_kernel_knows_to_do_next_is_a_command(capsys, fake_jobs, model_kernel):
    error = JobInUse("pip is running and can't be deleted now: stop it", next_action=NextAction("stop", "pip"))
    model_kernel.answers["/v1/jobs/forget"] = {"error": {**error.to_json(), "status": error.status}}
    fake_jobs.info = dataclasses.replace(INFO, state="failed", reason="error")
    line = "gpt-notebook: pip is running and can't be deleted now: stop it (gpt-notebook jobs pip stop)\n"
    assert run(capsys, "jobs", "pip", "delete", "--force") == (1, "", line)


def test_a_job_whose_name_was_not_given_is_called_by_its_own(capsys, fake_jobs, data):
    fake_jobs.started |= {"attached": True}
    fake_jobs.info = dataclasses.replace(INFO, state="paused", reason="disk_full")
    assert run(capsys, "finetune", data)[2] == "pip is there, paused (the disk is full), step 0: resume goes on\n"


@pytest.mark.usefixtures("fake_jobs")
def test_what_somebody_wrote_is_quoted_as_it_is(capsys, data):
    code, _, err = run(capsys, "finetune", data, "--prompt", "a prompt=b job.stop()", "--completion", "text")
    words = "gpt-notebook finetune: --prompt: unknown column a prompt=b job.stop(): there are text\n"
    assert (code, err) == (2, words)


@pytest.mark.parametrize("spelled", [r"\w+=", r"\bjob\.", r"\bgpt\."])
@pytest.mark.usefixtures("fake_jobs")
def test_no_refusal_is_in_the_words_of_a_notebook(capsys, data, tmp_path, spelled):
    (tmp_path / "two.csv").write_text("a,b\nx,y\n")
    for line in (
        "finetune DATA --method full --lora-rank 4",
        f"finetune {tmp_path / 'two.csv'}",
        "jobs fox",
        "jobs pip delete",
    ):
        code, _, err = run(capsys, *line.replace("DATA", data).split())
        assert code in (1, 2)
        assert not re.search(spelled, err), err

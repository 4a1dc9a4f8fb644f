"""`%gpt` and its commands: thin adapters that say in a line what they did."""

from __future__ import annotations

import getpass
import re
from dataclasses import replace
from typing import get_args

import pytest
from fake_model_kernel import TOKEN

from gpt_notebook import api
from gpt_notebook.display.quantities import size
from gpt_notebook.errors import AuthenticationFailed, ConnectionLost, GptNotebookError, InvalidRequest
from gpt_notebook.magics import line_magic
from gpt_notebook.magics.help_text import COMMANDS, DTYPES
from gpt_notebook.protocol import AdapterInfo, Dtype, Memory, ModelInfo, Progress, RequestInfo, Status

STORYTELLER = ModelInfo(
    name="storyteller", source="/models/storyteller", loaded=True, architecture="GPT2LMHeadModel", dtype="float32",
    device="cpu", bytes=14_200_000, context_length=512, in_use=1,
)  # fmt: skip

PIP = AdapterInfo(
    name="pip", source="/adapters/pip", base="storyteller", rank=8, parameters=81_920, bytes=327_680, digest="0123456789abcdef",
    steps=(100, 200), best=100, models=("storyteller",),
)  # fmt: skip

BUSY = Status(
    state="ready",
    pid=4711,
    version="0.1.0",
    address="unix:/run/model-kernel.sock",
    uptime=184,
    idle_timeout=3600,
    memory=Memory(device="cpu", budget=4_200_000_000, weights=14_200_000, process=512_000_000),
    models=(STORYTELLER,),
    requests=(
        RequestInfo(id="r1", model="storyteller", state="running", prompt_tokens=12, generated_tokens=55, seconds=0.4),
    ),
)


def line_of(shell):
    (output,) = shell.outputs()
    return output.data["text/plain"]


@pytest.fixture
def calls(monkeypatch):
    """What the api was asked, with answers of no consequence."""
    made = []

    def answering(name, answer):
        def call(*arguments, **options):
            made.append((name, arguments, options))
            return answer

        monkeypatch.setattr(api, name, call)

    answering("status", BUSY)
    answering("models", [STORYTELLER])
    answering("unload", None)
    answering("connect", BUSY)
    answering("cancel", 2)
    answering("shutdown", True)
    answering("load", STORYTELLER)
    answering("adapters", [PIP])
    answering("use", "storyteller")
    return made


def test_every_command_of_the_help_exists():
    assert set(COMMANDS) == set(line_magic._COMMANDS)


def test_the_dtypes_of_the_help_are_those_of_the_protocol():
    assert get_args(Dtype) == DTYPES


@pytest.mark.parametrize("line", ["%gpt", "%gpt help"])
def test_alone_it_helps(shell, line):
    shell.run(line)
    text = line_of(shell)
    for usage, _ in COMMANDS.values():
        assert f"%gpt {usage}" in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("statu", "%gpt has no command 'statu'; did you mean status?"),
        ("Once upon", "%gpt has no command 'Once'; %gpt help lists them; to generate text, put it below a line %%gpt"),
        ("load", "%gpt load needs a word after it: %gpt load MODEL [--dtype float32|bfloat16|float16]"),
        (
            "load gpt2 --dtype float3",
            "--dtype is one of float32, bfloat16, float16, not 'float3'; did you mean float32?",
        ),
        ("load gpt2 --dtype", "%gpt load: --dtype needs a value after it"),
        (
            "load gpt2 --fast",
            "%gpt load: unexpected '--fast'; it is written %gpt load MODEL [--dtype float32|bfloat16|float16]",
        ),
        ("status now", "%gpt status: unexpected 'now'; it is written %gpt status"),
        ("reset nothing", "there is no conversation 'nothing': none has begun yet"),
        ("use 'a", "a quote is not closed in: use 'a"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(shell, calls, line, message):
    with pytest.raises(InvalidRequest) as refusal:
        shell.run(f"%gpt {line}")
    assert refusal.value.message == message
    assert calls == []


def test_status_is_a_readable_table(shell, calls):
    shell.run("%gpt status")
    (output,) = shell.outputs()
    text = output.data["text/plain"]
    assert "ready · pid 4711" in text
    assert "unix:/run/model-kernel.sock" in text
    assert "14.2 MB of 4.2 GB for weights on cpu · process 512 MB" in text
    assert "3.1 min · leaves after 1 h without work" in text
    assert "storyteller  GPT2LMHeadModel  float32  cpu     14.2 MB      512  1 request" in text
    assert "r1       storyteller  running             12                55  0.4 s" in text
    assert "<table" in output.data["text/html"]


def test_many_requests_are_told_in_few_lines(shell, monkeypatch):
    requests = [
        RequestInfo(id=f"r{i}", model="m", state=state, prompt_tokens=500, generated_tokens=i, seconds=i)
        for state, count in (("running", 32), ("queued", 1))
        for i in range(count)
    ]
    monkeypatch.setattr(api, "status", lambda: replace(BUSY, requests=tuple(requests)))
    shell.run("%gpt status")
    text = line_of(shell)
    assert re.search(r"^32 requests +m +running +16,000 +496 +31.0 s$", text, re.MULTILINE)
    assert re.search(r"^r0 +m +queued +500 +0 +0.0 s$", text, re.MULTILINE)
    assert "r31" not in text


def test_status_without_a_model_kernel_says_so(shell, monkeypatch):
    monkeypatch.setattr(api, "status", lambda: Status(state="stopped"))
    shell.run("%gpt status")
    assert line_of(shell) == "no model kernel is running; the next %%gpt cell starts one"


def test_models_lists_what_there_is(shell, calls):
    shell.run("%gpt models")
    assert "storyteller (default)  loaded  14.2 MB" in line_of(shell)


def test_models_starts_no_model_kernel(shell):
    shell.run("%gpt models")
    assert "storyteller (default)" in line_of(shell)
    assert api.status().state == "stopped"


def test_use_makes_a_model_the_default(shell, calls):
    shell.run("%gpt use storyteller")
    assert ("use", ("storyteller",), {}) in calls
    assert line_of(shell) == "the model of cells that name none is storyteller"


@pytest.mark.parametrize("model", ["gpt2", "org/storyteller", "story"])
def test_use_of_a_model_that_may_be_on_the_hub_says_so(shell, calls, model):
    shell.run(f"%gpt use {model}")
    assert ("use", (model,), {}) in calls
    assert line_of(shell).endswith("; it is not here yet: the next cell asks the hub for it")


def test_use_of_a_misspelt_model_changes_nothing(shell, calls):
    with pytest.raises(InvalidRequest) as refusal:
        shell.run("%gpt use storteller")
    assert refusal.value.message == (
        "there is no model storteller here; did you mean storyteller? Cells go on using storyteller"
    )
    assert "use" not in [name for name, _, _ in calls]


def test_load_shows_bytes_and_then_what_was_loaded(shell, monkeypatch):
    def load(model, *, dtype, on_progress):
        on_progress(Progress(stage="reading", model=model, done=312_000_000, total=548_000_000))
        return STORYTELLER

    monkeypatch.setattr(api, "load", load)
    shell.run("%gpt load gpt2 --dtype float32")
    shown = [each.data["text/plain"] for each in shell.display_pub.publications]
    assert shown == ["loading gpt2: 312 of 548 MB", "storyteller is loaded · 14.2 MB · float32 · cpu · context 512"]
    assert len(shell.outputs()) == 1


def test_load_takes_a_model_of_the_notebook(shell, calls):
    class PreTrainedModel: ...

    class Mine(PreTrainedModel): ...

    mine, tokenizer = Mine(), object()
    shell.push({"mine": mine, "tok": tokenizer})
    shell.run("%gpt load mine --tokenizer tok")
    ((_, arguments, options),) = calls
    assert arguments == (mine,)
    assert (options["name"], options["tokenizer"]) == ("mine", tokenizer)


def test_load_of_a_model_object_names_a_tokenizer_that_is_not_there(shell, calls):
    class PreTrainedModel: ...

    shell.push({"mine": PreTrainedModel(), "tokenizer": 1})
    with pytest.raises(InvalidRequest, match=r"tokenzer is no variable of this notebook; did you mean tokenizer?"):
        shell.run("%gpt load mine --tokenizer tokenzer")


@pytest.fixture
def asked(monkeypatch):
    """The prompts at which somebody typed the right token."""
    prompts = []

    def getpass(prompt):
        prompts.append(prompt)
        return TOKEN

    monkeypatch.setattr("getpass.getpass", getpass)
    return prompts


def test_the_token_of_another_machine_is_asked_for_where_nobody_sees_it(shell, remote, asked):
    shell.run(f"%gpt connect {remote.address}")
    assert asked == [f"token of the model kernel at {remote.address}: "]
    assert line_of(shell) == f"connected to the model kernel at {remote.address}"
    assert api.status().pid == remote.pid


def test_the_token_of_the_environment_is_taken_where_it_belongs(shell, remote, asked, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", TOKEN)
    shell.run(f"%gpt connect {remote.address}")
    assert asked == []
    monkeypatch.setenv("GPT_NOTEBOOK_URL", "http://gpu-machine:8642")
    shell.run(f"%gpt connect {remote.address}")
    assert len(asked) == 1


@pytest.mark.parametrize("address", ["gpu:8642", "http://127.0.0.1:9"])
def test_no_token_is_asked_for_where_nothing_answers(shell, asked, address):
    with pytest.raises(GptNotebookError):
        shell.run(f"%gpt connect {address}")
    assert asked == []


def test_a_wrong_token_is_found_out_at_once(shell, remote, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: "wrong")
    with pytest.raises(AuthenticationFailed, match=r"that token is wrong.*calls still go to the model kernel of this"):
        shell.run(f"%gpt connect {remote.address}")
    assert api.status().state == "stopped"


@pytest.mark.parametrize("refusal", [EOFError(), NotImplementedError(), getpass.GetPassWarning()])
def test_where_nobody_can_be_asked_it_says_what_to_set(shell, remote, monkeypatch, refusal):
    def refuse(prompt):
        raise refusal

    monkeypatch.setattr("getpass.getpass", refuse)
    with pytest.raises(AuthenticationFailed, match="asks for its token: set GPT_NOTEBOOK_TOKEN to what is in the file"):
        shell.run(f"%gpt connect {remote.address}")


def test_connect_local_goes_back(shell, calls):
    shell.run("%gpt connect local")
    assert calls == [("connect", (None,), {})]


@pytest.mark.parametrize(
    ("line", "call", "said"),
    [
        ("cancel", ("cancel", (), {}), "stopped 2 generations"),
        ("shutdown", ("shutdown", (), {"force": False}), "the model kernel of this machine has ended"),
        ("shutdown --force", ("shutdown", (), {"force": True}), "the model kernel of this machine has ended"),
        ("unload gpt2", ("unload", ("gpt2",), {}), "gpt2 is unloaded"),
    ],
)
def test_commands_say_what_they_did(shell, calls, line, call, said):
    shell.run(f"%gpt {line}")
    assert calls == [call]
    assert line_of(shell) == said


def test_reset_forgets_one_conversation_or_all(shell, model):
    for name in ("a", "b", "c"):
        shell.run(f"%%gpt --chat {name}\nHello")
    shell.outputs()
    shell.run("%gpt reset a")
    assert line_of(shell) == "forgot the conversation a"
    with pytest.raises(InvalidRequest, match="there is no conversation 'nothing': you have b, c"):
        shell.run("%gpt reset nothing")
    shell.run("%gpt reset")
    assert line_of(shell) == "forgot 2 conversations"


def test_error_shows_the_whole_traceback(shell, model, capsys):
    model.breaks_with = ConnectionLost("the model kernel went away")
    shell.run_cell("%%gpt\nOnce")
    assert "Traceback" not in capsys.readouterr().out
    shell.run_cell("1/0")
    capsys.readouterr()
    shell.run("%gpt error")
    out = capsys.readouterr().out
    assert out.startswith("Traceback (most recent call last):")
    assert "ConnectionLost: the model kernel went away" in out


def test_adapters_are_listed(shell, calls):
    shell.run("%gpt adapters")
    text = line_of(shell)
    (row,) = (line for line in text.splitlines() if line.startswith("pip"))
    assert re.split(r"  +", row) == [
        *("pip", "loaded on storyteller", "8", "81,920", size(PIP.bytes), "100 … 200, best 100"),
        *("0123456789ab", "storyteller"),
    ]
    assert "%%gpt -a ADAPTER" in text


def test_an_adapter_that_cannot_be_used_says_what_is_wrong(shell, monkeypatch):
    broken = [AdapterInfo(name=f"zoe-{what}", source="/a", problem=what) for what in ("pickled", "damaged")]
    monkeypatch.setattr(api, "adapters", lambda: broken)
    shell.run("%gpt adapters")
    text = line_of(shell)
    assert re.search(r"^zoe-pickled +pickled$", text, re.MULTILINE)
    assert re.search(r"^zoe-damaged +damaged$", text, re.MULTILINE)


def test_no_adapters_are_told_how_to_get_one(shell, calls, monkeypatch):
    monkeypatch.setattr(api, "adapters", list)
    shell.run("%gpt adapters")
    assert line_of(shell).startswith("no adapter yet: %gpt load MODEL+PATH --name NAME")


def test_an_adapter_is_kept_under_a_name(shell, calls):
    shell.run("%gpt load storyteller+runs/pip --name pip")
    (call,) = [call for call in calls if call[0] == "load"]
    assert call[1] == ("storyteller+runs/pip",)
    assert call[2]["name"] == "pip"


def test_use_takes_an_adapter_and_stops_at_a_slip_of_the_pen(shell, calls):
    shell.run("%gpt use storyteller+pip:200")
    assert [call for call in calls if call[0] == "use"] == [("use", ("storyteller+pip:200",), {})]
    with pytest.raises(InvalidRequest, match="there is no adapter pipp here; did you mean pip"):
        line_magic.run(None, "use storyteller+pipp")


def test_status_counts_packed_copies_and_adapters_as_weights(shell, calls, monkeypatch):
    memory = replace(BUSY.memory, packed=10_000_000, adapters=2_000_000)
    monkeypatch.setattr(api, "status", lambda: replace(BUSY, memory=memory))
    shell.run("%gpt status")
    of_them = f"{size(10_000_000)} of them packed copies · {size(2_000_000)} of them adapters"
    assert f"{size(26_200_000)} of {size(BUSY.memory.budget)} for weights on cpu · {of_them}" in line_of(shell)

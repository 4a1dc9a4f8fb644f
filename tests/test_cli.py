"""The command: what it prints, its exit codes, and one line for what goes wrong."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fake_model_kernel import TOKEN, Stream, story

from gpt_notebook import cli, identity, model_process
from gpt_notebook.cli import command_line, doctor
from gpt_notebook.cli.terminal import shaded
from gpt_notebook.protocol import Failed, Progress, Token

DOCUMENTATION = identity.PACKAGE.parent / "docs" / "command.md"


@pytest.fixture(autouse=True)
def _own_settings(settings):
    """Have the settings of the test's own in all tests."""


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = int(end.code)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def started(*arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "gpt_notebook", *arguments],
        env=os.environ | {"PYTHONPATH": str(identity.PACKAGE.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_generate_streams_the_text(capsys, model_kernel):
    assert run(capsys, "generate", "Once") == (0, " upon a time\n", "")


def test_its_options_arrive(capsys, model_kernel):
    line = "generate Once -m gpt2 --max-new-tokens 3 -t 0.5 --top-p 0.9 --top-k 4 --stop . --stop ! --seed 5 --system Short"
    run(capsys, *line.split())
    body = model_kernel.requests("/v1/generate")[-1]
    assert body["model"] == "gpt2"
    assert body["options"] == {
        "max_new_tokens": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "stop": [".", "!"],
        "seed": 5,
        "n": 1,
        "logprobs": 0,
    }
    assert [each["content"] for each in body["messages"]] == ["Short", "Once"]


@pytest.mark.parametrize(("option", "chat"), [((), None), (("--chat",), True), (("--complete",), False)])
def test_chat_or_not(capsys, model_kernel, option, chat):
    run(capsys, "generate", "Once", *option)
    assert model_kernel.requests("/v1/generate")[-1]["chat"] is chat


def test_several_samples_come_one_after_the_other(capsys, model_kernel):
    model_kernel.scripts["/v1/generate"] = story(" a", " b", n=2, seed=5)
    assert run(capsys, "generate", "Once", "-n", "2")[1] == "--- 1 of 2, seed 5\n a b\n--- 2 of 2, seed 6\n a b\n"


def test_a_dash_reads_the_standard_input(capsys, model_kernel, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Twice\n"))
    run(capsys, "generate", "-")
    assert model_kernel.requests("/v1/generate")[-1]["prompt"] == "Twice\n"


def test_a_terminal_is_not_commanded_by_the_model(capsys, model_kernel, monkeypatch):
    model_kernel.scripts["/v1/generate"] = [Progress(stage="reading", model="gpt2"), *story("\x1b[2J")]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, out, err = run(capsys, "generate", "Once")
    assert out == "␛[2J\n"
    assert "gpt2" in err


def test_stop_and_status_without_one(capsys):
    assert run(capsys, "stop")[:2] == (0, "no model kernel is running\n")
    code, out, _ = run(capsys, "status")
    assert (code, "no model kernel" in out) == (0, True)


def test_stop_status_and_models_with_one(capsys, model_kernel):
    assert str(model_kernel.pid) in run(capsys, "status")[1]
    assert "storyteller" in run(capsys, "models")[1]
    model_kernel.busy = True
    assert run(capsys, "stop") == (1, "", "gpt-notebook: 2 requests are running\n")
    assert run(capsys, "stop", "--force") == (0, "the model kernel of this machine has ended\n", "")


def test_one_elsewhere_is_named_and_stops_only_by_force(capsys, remote, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_URL", remote.address)
    code, _, err = run(capsys, "status")
    assert (code, f"{remote.address} asks for its token: set GPT_NOTEBOOK_TOKEN" in err) == (1, True)
    monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", TOKEN)
    code, _, err = run(capsys, "stop")
    assert (code, f"{remote.address} was not started from here: --force" in err) == (1, True)
    assert run(capsys, "stop", "--force")[1] == f"the model kernel at {remote.address} has ended\n"


def test_adapters_starts_no_model_kernel(capsys):
    code, out, _ = run(capsys, "adapters")
    assert code == 0
    assert "no adapter yet" in out


def test_models_starts_no_model_kernel(capsys):
    code, out, _ = run(capsys, "models")
    assert (code, "storyteller (default)" in out) == (0, True)
    assert "no model kernel" in run(capsys, "status")[1]


def test_logs(capsys, model_kernel, settings):
    assert "no model kernel has run here yet" in run(capsys, "logs")[2]
    log = next(Path(settings.runtime_dir).iterdir()) / "model-kernel.log"
    log.write_text("one\ntwo\nthree\n")
    assert run(capsys, "logs", "-n", "2")[1] == "two\nthree\n"


def test_logs_follow_also_what_is_rotated(model_kernel, settings):
    log = next(Path(settings.runtime_dir).iterdir()) / "model-kernel.log"
    log.write_text("one\n")
    following = started("logs", "-f")
    assert following.stdout.readline() == "one\n"
    log.rename(log.with_suffix(".1"))
    log.write_text("two\n")
    assert following.stdout.readline() == "two\n"
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=10)
    assert (err, following.returncode) == ("", 130)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("genrate x", "gpt-notebook: unknown command genrate: did you mean generate?"),
        ("stop --forse", "gpt-notebook stop: unknown option --forse: did you mean --force?"),
        ("generate x --temp 1", "gpt-notebook generate: unknown option --temp: did you mean --temperature?"),
        ("generate x y", "gpt-notebook generate: 'y' is one word too many: put quotes around a text of several words"),
        ("generate", "gpt-notebook generate: the following arguments are required: prompt"),
        ("serve --port x", "gpt-notebook serve: --port needs a port, not 'x'"),
        ("generate x -t warm", "gpt-notebook generate: -t needs a number, not 'warm'"),
        ("generate x -t -1", "gpt-notebook generate: --temperature must be at least 0 and at most 100, not -1.0"),
        ("generate x --max 0", "gpt-notebook generate: --max-new-tokens must be at least 1, not 0"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_code_2(capsys, arguments, line):
    assert run(capsys, *arguments.split()) == (2, "", f"{line}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["generate", ""], "nothing to go on from"), (["generate", "x", "-m", ""], "a model needs a name")],
)
def test_what_is_empty_makes_no_sense_either(capsys, arguments, words):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"gpt-notebook generate: .*{words}.*\n", err)


def test_what_the_model_kernel_refuses_is_code_1(capsys, model_kernel):
    error = {"code": "context_length_exceeded", "message": "the prompt is too long"}
    model_kernel.scripts["/v1/generate"] = [Failed(error=error)]
    assert run(capsys, "generate", "x") == (1, "", "gpt-notebook: the prompt is too long\n")


def test_interrupting_is_quiet_and_stops_the_generation(model_kernel):
    asked = []

    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        asked.append(stream)
        stream.wait_until_closed()

    model_kernel.scripts["/v1/generate"] = script
    process = started("generate", "Once")
    assert process.stdout.read(5) == " upon"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "\n", "")
    assert asked[0].closed.wait(5)


def test_a_reader_that_leaves_is_no_error(model_kernel):
    model_kernel.scripts["/v1/generate"] = story(*[" word" * 100] * 1000)
    process = started("generate", "Once")
    process.stdout.read(5)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(10)


def test_help_and_version(capsys):
    assert run(capsys, "--version")[1] == f"gpt-notebook {identity.__version__}\n"
    assert "doctor" in run(capsys)[1]


def test_every_command_and_option_is_documented():
    text = DOCUMENTATION.read_text("utf-8")
    parser, commands = command_line.build()
    sections = dict(re.findall(r"^## `(\w+).*?`$(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    assert sorted(sections) == sorted(commands)
    for name, each in {**commands, "": parser}.items():
        options = {option for action in each._actions for option in action.option_strings} - {"-h", "--help"}
        documented = sections.get(name, text)
        assert not [option for option in options if not re.search(rf"`{option}\b", documented)], name


def test_the_map_of_the_package_names_every_module_once():
    named = re.findall(r"^    (\w+) {2,}", cli.__doc__, re.MULTILINE)
    assert sorted(named) == sorted(
        path.stem for path in Path(cli.__file__).parent.glob("*.py") if path.stem != "__init__"
    )


def test_doctor_says_what_to_do(capsys, settings, model_kernel, monkeypatch):
    monkeypatch.setitem(doctor.NEEDED, "torch", (99, 0))
    monkeypatch.setitem(doctor.NEEDED, "no-such-package", (1,))
    code, out, _ = run(capsys, "doctor")
    assert code == 1
    assert re.search(r"✗ torch +\S+ is too old: run  pip install 'torch>=99.0'", out)
    assert re.search(r"✗ no-such-package +not installed: run  pip install", out)
    assert re.search(r"✓ runtime directory +\S+", out)
    assert re.search(rf"✓ model kernel +process {model_kernel.pid}", out)
    assert all(line[0] in "✓✗" for line in out.splitlines())


def test_doctor_without_torch_reinstalls_nothing(capsys, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    out = run(capsys, "doctor")[1]
    assert re.search(r"✗ accelerator +not known without torch: run  pip install 'gpt-notebook\[local\]'", out)
    assert "--force-reinstall" not in out


def test_doctor_builds_what_decode_steps_use(capsys, settings):
    assert re.search(r"✓ decode steps +partly in C: built by /", run(capsys, "doctor")[1])


def test_doctor_says_what_makes_decode_steps_faster(capsys, settings, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    out = run(capsys, "doctor")[1]
    assert re.search(r"✓ decode steps +in torch alone, which is slower: there is no C compiler .*: install one", out)


def test_doctor_wants_the_versions_that_the_package_wants():
    project = tomllib.loads((identity.PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = dict(each.split(">=") for each in project["optional-dependencies"]["local"])
    assert {name: ".".join(map(str, oldest)) for name, oldest in doctor.NEEDED.items()}.items() <= wanted.items()
    assert set(model_process.NEEDED) == set(doctor.NEEDED)
    assert project["requires-python"] == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))


def test_serving_without_torch_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(model_process, "NEEDED", ("no_such_package_anywhere",))
    code, _, err = run(capsys, "serve")
    assert code == 1
    assert re.fullmatch(r"gpt-notebook: .*no_such_package_anywhere.*pip install 'gpt-notebook\[local\]'.*\n", err)


def test_tokens_are_shaded_by_their_probability():
    tokens = [Token(id=1, text=" sure", logprob=0.0), Token(id=2, text="\n", logprob=-20.0), Token(id=3, text="?")]
    assert list(shaded(tokens, colour=False)) == [" sure█", "⏎▁", "?▁"]
    assert next(shaded(tokens, colour=True)) == "\x1b[48;5;255m\x1b[38;5;232m sure\x1b[0m"

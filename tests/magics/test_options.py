r"""The `%%gpt` line: what it takes, and how it says no."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from gpt_notebook.display.bundle import Format
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.magics.help_text import HELP
from gpt_notebook.magics.options import _SAMPLING, FORMATS, OPTIONS, parse
from gpt_notebook.protocol import SamplingOptions
from gpt_notebook.session import session


def test_an_empty_line_leaves_everything_to_the_defaults():
    options = parse("")
    assert options.sampling == {}
    assert options.model is None
    assert options.format == "text"


def test_short_and_long_names_say_the_same():
    short = parse("-m gpt2 --max 5 -t 0 --top-p 0.5 --top-k 3 --seed 1 -n 2 --stop x --raw")
    long = parse(
        "--model=gpt2 --max-new-tokens=5 --temperature=0 --top-p=0.5 --top-k=3 --seed=1 --samples=2 --stop=x --no-vars"
    )
    assert short == long
    assert short.sampling == {
        "max_new_tokens": 5, "temperature": 0.0, "top_p": 0.5, "top_k": 3, "seed": 1, "n": 2, "stop": ("x",)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "stop"),
    [
        (r"--stop '\n'", ("\n",)),
        (r'--stop "\n\n"', ("\n\n",)),
        (r"--stop \t", ("\t",)),
        (r"--stop '\\n'", (r"\n",)),
        ("--stop 'The end' --stop \"it's\"", ("The end", "it's")),
        ("--stop=---", ("---",)),
        ("--stop #", ("#",)),
    ],
)
def test_stop_strings_may_have_spaces_line_ends_and_quotes(line, stop):
    assert parse(line).sampling["stop"] == stop


def test_a_windows_path_survives():
    assert parse(r"-m C:\models\new").model == r"C:\models\new"


def test_tokens_asks_for_alternatives():
    assert parse("--tokens").sampling == {"logprobs": 5}


def test_attention_asks_to_record_it():
    assert parse("--attention --seed 1").asked == {"seed": 1, "attention": True}
    assert parse("--seed 1").asked == {"seed": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--maxx 9", "%%gpt has no option --maxx; did you mean --max?"),
        ("--maxtokens 9", "%%gpt has no option --maxtokens; did you mean --max?"),
        ("--n 2", "%%gpt has no option --n; did you mean -n?"),
        ("--temp 1", "%%gpt has no option --temp; did you mean --temperature?"),
        ("-x", "%%gpt has no option -x; %%gpt? lists them"),
        ("-t -1", "-t: temperature must be at least 0 and at most 100, not -1.0"),
        ("-t nan", "-t: temperature must be at least 0 and at most 100, not nan"),
        ("-t warm", "-t needs a number, not 'warm'"),
        ("--max 0", "--max: max_new_tokens must be at least 1, not 0"),
        ("--max many", "--max needs a whole number, not 'many'"),
        ("--top-p 2", "--top-p: top_p must be above 0 and at most 1, not 2.0"),
        ("-n 99", "-n: n must be at least 1 and at most 8, not 99"),
        ("-n", "-n needs a value after it; one that begins with - is written -n=-…"),
        ("--stop ''", "--stop: an empty stop string would stop at once: leave it out"),
        ("--format jsn", "--format is one of text, markdown, code, json, not 'jsn'; did you mean json?"),
        ("--into 1st", "--into needs the name of a variable, such as --into story, not '1st'"),
        ("--into class", "--into needs the name of a variable, such as --into story, not 'class'"),
        ("--stop 'a", "a quote is not closed in: --stop 'a"),
        ("Once upon", "unexpected 'Once' on the %%gpt line: the prompt goes below it, and a value with spaces in quotes"),
        ("--attention -n 2", "--attention follows one completion and -n 2 asks for several: leave one of them out"),
        ("--chat a -n 2", "--chat keeps one answer and -n 2 asks for several: leave one of them out"),
        ("-a pip -m gpt2+other", "-a pip and -m gpt2+other both name an adapter: leave one of them out"),
        ("-a ''", "-a needs the name of an adapter; %gpt adapters lists them"),
        ("--chat ''", "--chat needs the name of a conversation, such as --chat story"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(line, message):
    with pytest.raises(InvalidRequest) as refusal:
        parse(line)
    assert refusal.value.message == message


@pytest.mark.parametrize(
    ("line", "default", "model"),
    [
        ("-a pip", None, "storyteller+pip"),
        ("-a pip:200 -m gpt2", None, "gpt2+pip:200"),
        ("--adapter pip", "gpt2", "gpt2+pip"),
        ("-a pip", "gpt2+other", "gpt2+pip"),
        ("-m gpt2+other", None, "gpt2+other"),
    ],
)
def test_an_adapter_goes_on_the_model_of_the_line_or_on_the_default(line, default, model):
    session.use(default)
    assert parse(line).model == model


@pytest.mark.parametrize("other", ["--chat a", "--system 'Be brief.'"])
def test_complete_and_chat_exclude_each_other(other):
    with pytest.raises(InvalidRequest, match="leave one of them out"):
        parse(f"--complete {other}")


@pytest.mark.parametrize("field", [field for field in fields(SamplingOptions) if field.name in _SAMPLING])
def test_the_help_names_the_default_of_every_number(field):
    (option,) = (each for each in OPTIONS if each.field == field.name)
    assert field.default in ((), None) or f"({field.default})" in option.help


def test_the_formats_are_those_that_can_be_shown():
    assert get_args(Format) == FORMATS


def test_the_help_has_every_option():
    for option in OPTIONS:
        for flag in option.flags:
            assert flag in HELP

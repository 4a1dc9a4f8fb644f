"""`%%gpt` in a real shell: what it sends, what it shows, what it returns."""

from __future__ import annotations

import pytest
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from notebook_shell import generation, new_shell

from gpt_notebook import api
from gpt_notebook.display.bundle import Samples
from gpt_notebook.errors import GenerationInterrupted, InvalidRequest
from gpt_notebook.magics.magics import GPTMagics
from gpt_notebook.protocol import Progress, SamplingOptions


def text_of(output):
    return output.data["text/plain"]


def said(request):
    return [(message.role, message.content) for message in request["messages"]]


# --- the prompt -----------------------------------------------------------------------------------------------------


def test_a_cell_sends_its_text_without_the_final_newline(shell, model):
    shell.run("%%gpt\nOnce upon a time\n\n")
    assert model.asked[0]["prompt"] == "Once upon a time\n"


def test_only_options_that_are_given_are_sent(shell, model):
    shell.run("%%gpt -m gpt2 --max 9 --stop '\\n' --seed 3\nOnce")
    (asked,) = model.asked
    assert asked == {
        "prompt": "Once", "model": "gpt2", "chat": None, "system": None, "max_new_tokens": 9, "stop": ("\n",), "seed": 3
    }  # fmt: skip


def test_complete_opts_out_of_the_chat_template(shell, model):
    shell.run("%%gpt --complete\nOnce")
    assert model.asked[0]["chat"] is False


def test_the_line_is_not_evaluated(shell, model):
    shell.run("flag = []")
    with pytest.raises(InvalidRequest):
        shell.run("%%gpt {flag.append(1)}\nOnce")
    shell.run("%%gpt --stop {flag.append(1)}\nOnce")
    assert shell.user_ns["flag"] == []
    assert model.asked[0]["stop"] == ("{flag.append(1)}",)


def test_variables_are_filled_in_once(shell, model):
    shell.run("animal = '{fox}'; fox = 'no'")
    shell.run("%%gpt --system 'You are a {animal}.'\nA {animal}, {{animal}}, {}.")
    assert model.asked[0]["prompt"] == "A {fox}, {{animal}}, {}."
    assert model.asked[0]["system"] == "You are a {fox}."


def test_variables_stay_as_typed_when_told_so(shell, model):
    shell.run("animal = 'fox'")
    shell.run("%%gpt --no-vars\nA {animal} and a {typo}")
    assert model.asked[0]["prompt"] == "A {animal} and a {typo}"
    assert "typo" not in shell.outputs()[0].data["text/html"].replace("a {typo}", "")


def test_a_typo_is_named_in_a_notice_with_what_was_probably_meant(shell, model):
    shell.run("animal = 'fox'")
    shell.run("%%gpt\nA {animl}")
    html = shell.outputs()[0].data["text/html"]
    assert "{animl} is no variable of this notebook and stays as typed; did you mean animal?" in html
    assert model.asked[0]["prompt"] == "A {animl}"


def test_what_ipython_keeps_in_the_namespace_is_no_variable(shell, model):
    shell.run("%%gpt\n{In} {exit} {get_ipython}")
    assert model.asked[0]["prompt"] == "{In} {exit} {get_ipython}"


def test_a_name_that_the_user_took_from_ipython_is_a_variable(shell, model):
    shell.run("In = 'the door'")
    shell.run("%%gpt\nUse {In}.")
    assert model.asked[0]["prompt"] == "Use the door."


def test_trailing_spaces_are_pointed_out_and_sent(shell, model):
    shell.run("%%gpt\nOnce upon ")
    assert model.asked[0]["prompt"] == "Once upon "
    notice = "the prompt ends with a space, which changes what the model says next: delete it if it is not meant"
    assert notice in shell.outputs()[0].data["text/html"]


@pytest.mark.parametrize("cell", ["%%gpt", "%%gpt\n", "%%gpt --max 9\n\n", "%%gpt\n   \n"])
def test_an_empty_cell_gets_an_example(shell, model, cell):
    with pytest.raises(InvalidRequest, match=r"the cell is empty: .* such as %%gpt --max 60 ⏎ Once upon a time"):
        shell.run(cell)
    assert model.asked == []


def test_cells_of_other_magics_are_left_alone(shell, capsys):
    shell.run_cell("%%time")
    assert "%%time is a cell magic, but the cell body is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "cell", ["%%gpt --maxx 3\nOnce", "%%gpt -t -1\nOnce", "%%gpt --max 0\nOnce", "%%gpt --top-p 2\nOnce"]
)
def test_a_refusal_starts_nothing(shell, model, cell):
    with pytest.raises(InvalidRequest):
        shell.run(cell)
    assert model.asked == []
    assert shell.outputs() == []


def test_an_error_is_one_line(shell, model, capsys):
    shell.run_cell("%%gpt --maxx 3\nOnce")
    assert capsys.readouterr().out.strip() == "InvalidRequest: %%gpt has no option --maxx; did you mean --max?"


# --- the output and the value ---------------------------------------------------------------------------------------


def test_the_text_is_one_output_and_the_completion_the_value(shell, model):
    completion = shell.run("%%gpt\nOnce")
    (output,) = shell.outputs()
    assert text_of(output) == " a little fox"
    assert output.metadata["gpt_notebook"]["prompt"] == "Once"
    assert completion.text == " a little fox"
    assert shell.user_ns["_"] is completion
    assert shell.user_ns["Out"][shell.execution_count - 1] is completion


def test_the_value_is_shown_when_it_is_asked_for_later(shell, model):
    shell.run("%%gpt\nOnce")
    shell.outputs()
    shell.run("_")
    (output,) = shell.outputs()
    assert text_of(output) == " a little fox"


def test_a_completion_kept_by_code_is_shown_when_it_is_asked_for(shell, model):
    shell.run("kept = get_ipython().run_cell_magic('gpt', '', 'Once')")
    shell.outputs()
    shell.run("kept")
    assert len(shell.outputs()) == 1


def test_run_cell_magic_returns_the_completion(shell, model):
    assert shell.run_cell_magic("gpt", "", "Once\n").text == " a little fox"


def test_progress_is_replaced_by_the_text(shell, model):
    model.before = [Progress(stage="reading", model="storyteller", done=1, total=2)]
    shell.run("%%gpt\nOnce")
    assert text_of(shell.display_pub.publications[0]).startswith("loading storyteller")
    (output,) = shell.outputs()
    assert text_of(output) == " a little fox"


def test_a_text_that_the_context_ended_says_so(shell, monkeypatch):
    def fits_less(prompt, **options):
        return generation("a fox", options=SamplingOptions(seed=7, max_new_tokens=100), finish_reason="length")

    monkeypatch.setattr(api, "events", fits_less)
    for asked in ("", "--max 100", "--max 300"):
        shell.run(f"%%gpt {asked}\nOnce")
    ends = [output.data["text/html"].rpartition(" · ")[2].split("<")[0] for output in shell.outputs()]
    assert ends == ["stopped at the context&#x27;s end", "stopped at length", "stopped at the context&#x27;s end"]


def test_several_samples_are_one_output_and_one_value(shell, model):
    samples = shell.run("%%gpt -n 2\nOnce")
    assert isinstance(samples, Samples)
    assert [each.text for each in samples] == [" a little fox"] * 2
    assert len(shell.outputs()) == 1


def test_into_puts_the_completion_into_a_variable(shell, model):
    completion = shell.run("%%gpt --into story\nOnce")
    assert shell.user_ns["story"] is completion


def test_code_is_offered_as_a_new_cell_and_not_run(shell, model):
    model.answers = ["```python\nran = True\n```"]
    shell.run("%%gpt --format code\nWrite")
    assert shell.rl_next_input == "ran = True"
    assert "ran" not in shell.user_ns


# --- conversations --------------------------------------------------------------------------------------------------


def test_a_conversation_goes_on_from_cell_to_cell(shell, model):
    model.answers = ["Hi.", "Fine."]
    shell.run("%%gpt --chat talk --system 'Be brief.'\nHello", "one")
    shell.run("%%gpt --chat talk\nHow are you?", "two")
    assert said(model.asked[1]) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi."),
        ("user", "How are you?"),
    ]


def test_a_cell_run_three_times_is_one_turn(shell, model):
    for _ in range(3):
        shell.run("%%gpt --chat talk\nHello", "one")
    assert said(model.asked[2]) == [("user", "Hello")]


def test_an_edited_cell_replaces_its_turn_and_drops_the_later_ones(shell, model):
    model.answers = ["Hi.", "Fine.", "Good day.", "Well."]
    shell.run("%%gpt --chat talk\nHello", "one")
    shell.run("%%gpt --chat talk\nHow are you?", "two")
    shell.run("%%gpt --chat talk\nGood morning", "one")
    shell.run("%%gpt --chat talk\nAnd you?", "three")
    assert said(model.asked[3]) == [("user", "Good morning"), ("assistant", "Good day."), ("user", "And you?")]


def test_dropped_turns_are_pointed_out(shell, model):
    for cell in ("one", "two", "three"):
        shell.run(f"%%gpt --chat talk\n{cell}", cell)
    assert not any("dropped" in output.data["text/html"] for output in shell.outputs())
    shell.run("%%gpt --chat talk\nHello", "one")
    assert "2 later turns dropped: run their cells again" in shell.outputs()[0].data["text/html"]


def test_without_cell_ids_the_same_text_is_the_same_cell(shell, model):
    shell.run("%%gpt --chat talk\nHello")
    shell.run("%%gpt --chat talk\nHello")
    assert said(model.asked[1]) == [("user", "Hello")]


def test_an_interrupted_turn_is_not_kept(shell, model):
    model.breaks_with = KeyboardInterrupt()
    with pytest.raises(GenerationInterrupted):
        shell.run("%%gpt --chat talk\nHello", "one")
    model.breaks_with = None
    shell.run("%%gpt --chat talk\nAgain", "two")
    assert said(model.asked[1]) == [("user", "Again")]


def test_a_cancelled_turn_is_not_kept(shell, model):
    model.finish_reason = "cancelled"
    shell.run("%%gpt --chat talk\nHello", "one")
    shell.run("%%gpt --chat talk\nAgain", "two")
    assert said(model.asked[1]) == [("user", "Again")]


def test_a_refused_cell_changes_no_conversation(shell, model):
    shell.run("%%gpt --chat talk\nHello", "one")
    with pytest.raises(InvalidRequest):
        shell.run("%%gpt --chat talk -t -1\nHello", "one")
    shell.run("%%gpt --chat talk\nAgain", "two")
    assert len(said(model.asked[1])) == 3


# --- a terminal -----------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal():
    return new_shell(TerminalInteractiveShell)


def test_a_terminal_shows_plain_text_once(terminal, model, capsys):
    completion = terminal.run_cell("%%gpt\nOnce", store_history=True).result
    assert capsys.readouterr().out == " a little fox\n"
    assert completion.text == " a little fox"
    assert terminal.user_ns["_"] is completion
    assert terminal.user_ns["Out"][1] is completion


def test_a_terminal_writes_notices_apart_from_the_text(terminal, model, capsys):
    terminal.run_cell("%%gpt\nOnce ")
    assert "ends with a space" in capsys.readouterr().err


def test_in_a_terminal_every_run_is_a_new_turn(terminal, model):
    terminal.run_cell("%%gpt --chat talk\nHello")
    terminal.run_cell("%%gpt --chat talk\nHello")
    assert len(said(model.asked[1])) == 3


def test_a_terminal_waits_for_the_body_of_a_cell(terminal):
    assert terminal.check_complete("%%gpt")[0] == "incomplete"


# --- loading and unloading ------------------------------------------------------------------------------------------


def test_unloading_leaves_the_shell_as_it_was():
    shell = new_shell()
    before = [len(shell.Completer.custom_matchers), len(shell.input_transformers_cleanup)]
    shell.run_line_magic("unload_ext", "gpt_notebook")
    assert shell.find_cell_magic("gpt") is None
    assert shell.find_line_magic("gpt") is None
    assert GPTMagics.__name__ not in shell.magics_manager.registry
    assert [len(shell.Completer.custom_matchers), len(shell.input_transformers_cleanup)] == [n - 1 for n in before]
    shell.run_line_magic("load_ext", "gpt_notebook")
    assert shell.find_cell_magic("gpt") is not None


def test_reloading_loads_once():
    shell = new_shell()
    matchers = len(shell.Completer.custom_matchers)
    shell.run_line_magic("reload_ext", "gpt_notebook")
    assert len(shell.Completer.custom_matchers) == matchers


@pytest.mark.parametrize("cell", ["%%gpt -h", "%%gpt --max 3 --help\nOnce", "%gpt -h", "%gpt --help"])
def test_help_comes_by_the_flags_that_everybody_tries(shell, model, cell):
    shell.run(cell)
    assert "--temperature" in text_of(shell.outputs()[0])
    assert model.asked == []


def test_help_is_a_question_mark_away(shell, capsys):
    shell.run("%%gpt?")
    assert "--temperature" in capsys.readouterr().out

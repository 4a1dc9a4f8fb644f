"""What panels show: their states are the same in Python and in the browser, and take no name that something else has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gpt_notebook.display import job_reports
from gpt_notebook.fine_tuning.options import Options
from gpt_notebook.widgets import _attention_state, _fine_tuning_state, fine_tuning

TYPESCRIPT = Path(__file__).parents[2] / "labextension" / "src" / "widgets"


@pytest.mark.parametrize(("name", "state"), [("attention", _attention_state), ("fine_tuning", _fine_tuning_state)])
def test_a_state_begins_as_it_does_in_the_browser(name, state):
    text = (TYPESCRIPT / name / "state.ts").read_text("utf-8")
    literal = re.search(r"INITIAL: State = (\{.*?\n\});", text, re.DOTALL)[1]
    quoted = re.sub(r"^  (\w+):", r'  "\1":', literal, flags=re.MULTILINE)
    assert json.loads(re.sub(r",\s*\}", "}", quoted)) == state.INITIAL


def test_no_limit_of_the_browser_is_beyond_the_one_here():
    for file, name, ours in [
        ("curve-colors.ts", "MOST_OTHERS", _fine_tuning_state.MAX_OTHERS),
        ("curves-tools.ts", "SMOOTHEST", _fine_tuning_state.MOST_SMOOTHING),
        ("trying.ts", "MOST_TRIED", _fine_tuning_state.MAX_TRIED),
    ]:
        found = re.search(rf"const {name} = ([\d.]+);", (TYPESCRIPT / "fine_tuning" / file).read_text("utf-8"))
        assert float(found[1]) == ours


def test_the_documentation_has_each_key_of_the_state_with_what_it_begins_with():
    text = (Path(__file__).parents[2] / "docs" / "fine_tuning.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (`[^|]*) \| ([^|]*) \|", text.split("| key | begins with |")[1].split("\n\n")[0], re.MULTILINE
    )
    found = {name: begins for names, begins in rows for name in re.findall(r"`(\w+)`", names)}
    assert list(found) == list(_fine_tuning_state.INITIAL)
    begins = {name: f"`{value!r}`".replace("'", '"') for name, value in _fine_tuning_state.INITIAL.items()}
    assert found == begins | dict.fromkeys(("job", "form"), "what was given")


def test_reasons_have_the_same_words_here_and_in_the_browser():
    text = (TYPESCRIPT / "fine_tuning" / "log-words.ts").read_text("utf-8")
    found = re.search(r"REASONS: Record<Reason, string> = \{(.*?)\n\};", text, re.DOTALL)[1]
    assert dict(re.findall(r'(\w+): "(.*)",', found)) == job_reports.REASONS


def test_no_key_of_the_state_is_an_option_of_a_training():
    options = {*Options.__annotations__, *fine_tuning._OF_DATA}
    assert options.isdisjoint(_fine_tuning_state.INITIAL)

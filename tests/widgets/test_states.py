"""What panels show: their states are the same in Python and in the browser, and take no name that something else has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

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


def test_no_key_of_the_state_is_an_option_of_a_training():
    options = {*Options.__annotations__, *fine_tuning._OF_DATA}
    assert options.isdisjoint(_fine_tuning_state.INITIAL)

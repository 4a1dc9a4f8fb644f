"""A column of texts for a table: failing rows are told and the others go on, and what was stopped goes on where it was."""

from __future__ import annotations

import os
import re
import signal

import pytest
from fake_model_kernel import Stream, row

import gpt_notebook as gpt
from gpt_notebook import finished_rows
from gpt_notebook import session as session_module
from gpt_notebook.batch_protocol import BatchStarted, RowDone, RowFailed
from gpt_notebook.errors import (
    ConnectionLost,
    ContextLengthExceeded,
    InvalidRequest,
    MapInterrupted,
    RequestCancelled,
)
from gpt_notebook.protocol import MAX_SEED, Done
from gpt_notebook.testing import FakeEngine, serving

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")

ROWS = [{"text": "a fox", "n": 1}, {"text": "an owl", "n": 2}, {"text": "a pig", "n": 3}]
TOO_LONG = {"code": "context_length_exceeded", "message": "too long"}


def asked(model_kernel):
    return [body["prompts"] for body in model_kernel.requests("/v1/batch")]


class Echo:
    """Answers each prompt with the number of its request and the prompt; dies, fails or is cancelled where the test says."""

    def __init__(self, *, fingerprint="f"):
        self.fingerprint = fingerprint
        self.requests = 0
        self.fails: dict[str, dict] = {}
        self.dies_at: str | None = None
        self.cancelled_at: str | None = None

    def __call__(self, stream: Stream, body: dict) -> None:
        self.requests += 1
        stream.send(BatchStarted(id="1", model=body["model"], fingerprint=self.fingerprint))
        for index, prompt in enumerate(body["prompts"]):
            if prompt == self.dies_at:
                stream.die()
                return
            if prompt == self.cancelled_at:
                stream.send(RowFailed(index=index, error={"code": "cancelled", "message": "cancelled"}), Done())
                return
            if prompt in self.fails:
                stream.send(RowFailed(index=index, error=self.fails[prompt]))
            else:
                stream.send(row(index, body, f"{self.requests}: ", prompt))
        stream.send(Done())


@pytest.fixture
def echo(model_kernel):
    echo = Echo()
    model_kernel.scripts["/v1/batch"] = echo
    return echo


@pytest.fixture
def kept(settings):
    """The files of unfinished maps."""
    return lambda: list(finished_rows.directory(settings).glob("*.jsonl"))


# --- what comes of it -----------------------------------------------------------------------------------------------


def test_every_row_has_a_prompt_of_its_own_and_all_go_in_one_request(echo, model_kernel):
    assert gpt.map(ROWS, "{n}. {text}", max_new_tokens=3) == ["1: 1. a fox", "1: 2. an owl", "1: 3. a pig"]
    assert asked(model_kernel) == [["1. a fox", "2. an owl", "3. a pig"]]


def test_values_are_in_the_order_of_the_rows_whenever_they_finish(model_kernel):
    def backwards(stream: Stream, body: dict) -> None:
        stream.send(BatchStarted(id="1", model="m", fingerprint="f"))
        stream.send(*(row(index, body, body["prompts"][index]) for index in (2, 0, 1)), Done())

    model_kernel.scripts["/v1/batch"] = backwards
    assert gpt.map(["x", "y", "z"], "{text}") == ["x", "y", "z"]


def test_several_samples_of_a_row_are_a_list(echo):
    assert gpt.map(["x"], "{text}", n=2) == [["1: x", "1: x"]]


def test_options_go_to_every_row(echo, model_kernel):
    gpt.map(["x"], "{text}", model="other", system="Be brief", seed=3, temperature=0.1)
    (body,) = model_kernel.requests("/v1/batch")
    assert (body["model"], body["system"], body["options"]["seed"]) == ("other", "Be brief", 3)


def test_a_seed_gives_every_row_seeds_of_its_own_also_where_it_goes_on(echo, model_kernel):
    echo.dies_at = "z"
    with pytest.raises(ConnectionLost):
        gpt.map(["x", None, "y", "z"], "{text}", seed=100, n=3)
    echo.dies_at = None
    with pytest.warns(UserWarning, match="1 of 4 rows failed"):
        gpt.map(["x", None, "y", "z"], "{text}", seed=100, n=3)
    first, second = model_kernel.requests("/v1/batch")
    assert (first["seeds"], second["seeds"]) == ([100, 106, 109], [109])
    gpt.map(["x", "y"], "{text}")
    assert model_kernel.requests("/v1/batch")[-1]["seeds"] is None


def test_seeds_begin_again_where_there_are_no_larger_ones(echo, model_kernel):
    gpt.map(["x", "y", "z"], "{text}", seed=MAX_SEED - 1)
    assert model_kernel.requests("/v1/batch")[0]["seeds"] == [MAX_SEED - 1, MAX_SEED, 0]


def test_progress_is_told(echo):
    echo.fails = {"y": TOO_LONG}
    told = []
    with pytest.warns(UserWarning, match="1 of 4 rows failed"):
        gpt.map(["x", "y", "z", "w"], "{text}", on_progress=lambda *counts: told.append(counts))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_of_a_data_frame_comes_a_series_with_its_index(echo):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", ""]}, index=["first", "second"])
    with pytest.warns(UserWarning, match="1 of 2 rows failed"):
        frame["new"] = series = gpt.map(frame, "{a}")
    assert frame.loc["first", "new"] == "1: x"
    assert frame.loc["second", "new"] is None
    assert series.attrs["errors"] == {1: "the cell of 'a' is empty"}
    assert list(gpt.map(frame["a"].head(1), "{text}", n=2)) == [["2: x", "2: x"]]


def test_a_row_without_the_column_fails(echo):
    with pytest.warns(UserWarning, match="1 of 2 rows failed, row 1: the row has no 'a'"):
        assert gpt.map([{"a": "x"}, {"b": "y"}], "{a}") == ["1: x", None]


def test_an_empty_table_gives_an_empty_column_and_asks_nobody(model_kernel):
    assert gpt.map([], "{text}") == gpt.map({"a": []}, "{a}") == []
    assert asked(model_kernel) == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: gpt.map(ROWS, "{txt}"),
            "unknown column txt: braces that are meant as such are doubled, {{txt}}. Did you mean text?",
        ),
        (lambda: gpt.map({"a": []}, "{b}"), "unknown column b"),
        (lambda: gpt.map(ROWS, "Hello"), "the template has no {column}"),
        (lambda: gpt.map(ROWS, 5), "template must be a string, not int"),
        (lambda: gpt.map("text", "{text}"), "for one prompt use generate"),
        (lambda: gpt.map({"a": [1], "b": [1, 2]}, "{a}"), "the columns differ in length"),
        (lambda: gpt.map(ROWS, "{text}", errors="ignore"), "errors is one of warn, raise, not 'ignore'"),
        (lambda: gpt.map(ROWS, "{text}", resume="yes"), "resume is True or False, not 'yes'"),
        (lambda: gpt.map(ROWS, "{text}", temprature=1), "did you mean temperature"),
        (lambda: gpt.map(ROWS, "{text}", n=99), "n must be at least 1 and at most 8, not 99"),
        (lambda: gpt.map(ROWS, "{text}", chat=False, system="s"), "a system text needs a chat"),
        (lambda: gpt.map(ROWS, "{text}", chat="no"), "chat is True, False or None"),
        (lambda: gpt.map(ROWS, "{text}", system="\ud83e"), "system holds half a character"),
        (lambda: gpt.map(ROWS, "{text}", model=5), "a model is a name or a path, not int"),
    ],
)
def test_nonsense_is_refused_in_one_line_before_anything_is_started(settings, kept, call, words):
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert kept() == []


# --- rows that fail -------------------------------------------------------------------------------------------------


def test_failing_rows_are_told_by_position_and_the_others_go_on(echo, model_kernel):
    echo.fails = {"long": TOO_LONG}
    line = (
        "5 of 7 rows failed, rows 1, 2, 3, 4, 5; row 1: the cell of 'text' is empty (None); "
        ".errors has what is wrong with each"
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(line)}$"):
        column = gpt.map(["x", None, "long", "", "\ud83e", ["z"], "y"], "{text}")
    assert column == ["1: x", None, None, None, None, None, "1: y"]
    assert asked(model_kernel) == [["x", "long", "y"]]
    assert list(column.errors) == [1, 2, 3, 4, 5]
    assert column.errors[2] == "too long"
    assert column.errors[4].startswith("the prompt holds half a character (U+D83E at 0)")


@pytest.mark.parametrize(
    ("index", "named"),
    [
        (None, "rows 0, 2"),
        (["x", "y", "z"], "rows 0 (index 'x'), 2 (index 'z')"),
        ([0, 7, 9], "rows 0, 2 (index 9)"),
        ([("a", 1), ("a", 2), ("b", 1)], "rows 0 (index ('a', 1)), 2 (index ('b', 1))"),
    ],
)
def test_a_warning_also_names_rows_as_their_index_does(echo, index, named):
    pandas = pytest.importorskip("pandas")
    line = f"2 of 3 rows failed, {named}; row 0: the cell of 'text' is empty; .attrs[\"errors\"] has what is wrong with each"
    with pytest.warns(UserWarning, match=f"^{re.escape(line)}$"):
        gpt.map(pandas.Series(["", "x", None], index=index, dtype=object), "{text}")


def test_a_warning_names_the_first_rows_only(echo):
    with pytest.warns(UserWarning, match=r"^12 of 13 rows failed, rows 0, 1, 2, 3, 4, …: the cell of 'text' is empty$"):
        gpt.map([""] * 12 + ["x"], "{text}")


def test_where_all_rows_fail_nobody_is_asked(model_kernel):
    with pytest.warns(UserWarning, match="2 of 2 rows failed"):
        assert gpt.map(["", None], "{text}") == [None, None]
    assert asked(model_kernel) == []


def test_an_error_may_be_raised_instead(echo, model_kernel):
    with pytest.raises(InvalidRequest, match=r"^row 1: the cell of 'text' is empty"):
        gpt.map(["x", None], "{text}", errors="raise")
    assert asked(model_kernel) == []
    echo.fails = {"y": TOO_LONG}
    with pytest.raises(ContextLengthExceeded, match=r"^row 1: too long") as caught:
        gpt.map(["x", "y", "z"], "{text}", errors="raise")
    assert caught.value.partial == ("1: x",)


def test_a_full_model_kernel_is_waited_for(echo, model_kernel, monkeypatch):
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        model_kernel.refusals -= 1

    monkeypatch.setattr(session_module, "pause", pause)
    model_kernel.refusals = 20
    assert gpt.map(["x", "y"], "{text}") == ["1: x", "1: y"]
    assert pauses == [1.0] * 20


def test_an_interrupt_ends_the_waiting_for_a_full_model_kernel(echo, model_kernel, monkeypatch):
    monkeypatch.setattr(session_module, "pause", lambda _: os.kill(os.getpid(), signal.SIGINT))
    model_kernel.refusals = 1
    with pytest.raises(MapInterrupted, match=r"^Interrupted after 0 of 2 rows"):
        gpt.map(["x", "y"], "{text}")
    assert len(asked(model_kernel)) == 1


# --- going on -------------------------------------------------------------------------------------------------------


def test_what_failed_on_the_way_goes_on_where_it_was(echo, model_kernel, capsys):
    echo.dies_at = "z"
    with pytest.raises(ConnectionLost) as caught:
        gpt.map(["x", "y", "z", None], "{text}")
    assert caught.value.partial == ("1: x", "1: y")
    echo.dies_at = None
    with pytest.warns(UserWarning, match="1 of 4 rows failed"):
        assert gpt.map(["x", "y", "z", None], "{text}") == ["1: x", "1: y", "2: z", None]
    assert asked(model_kernel) == [["x", "y", "z"], ["z"]]
    assert capsys.readouterr().err == "going on: 2 of 3 rows were done before (resume=False begins anew)\n"


def test_an_interrupted_map_goes_on_where_it_was(echo, model_kernel):
    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(MapInterrupted) as caught:
        gpt.map(["x", "y", "z"], "{text}", on_progress=interrupt)
    assert caught.value.partial == ("1: x", "1: y")
    assert caught.value._render_traceback_() == [str(caught.value)]
    assert str(caught.value) == "Interrupted after 2 of 3 rows: run it again to go on."
    assert gpt.map(["x", "y", "z"], "{text}") == ["1: x", "1: y", "2: z"]
    assert asked(model_kernel)[1] == ["z"]


def test_rows_that_failed_count_as_done_in_progress_but_not_as_done_before(echo, capsys):
    echo.fails = {"y": TOO_LONG}
    told = []

    def interrupt(done: int, _total: int) -> None:
        told.append(done)
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(MapInterrupted, match=r"^Interrupted after 3 of 4 rows"):
        gpt.map(["x", "y", None, "z"], "{text}", on_progress=interrupt)
    assert told == [1, 2, 3]
    told.clear()
    with pytest.warns(UserWarning, match="2 of 4 rows failed"):
        gpt.map(["x", "y", None, "z"], "{text}", on_progress=lambda done, _: told.append(done))
    assert told == [2, 3, 4]
    assert capsys.readouterr().err.startswith("going on: 1 of 3 rows")


def test_a_cancelled_map_goes_on_where_it_was(echo):
    echo.cancelled_at = "y"
    with pytest.raises(RequestCancelled, match=r"^cancelled after 1 of 2 rows: run it again to go on$"):
        gpt.map(["x", "y"], "{text}")
    echo.cancelled_at = None
    assert gpt.map(["x", "y"], "{text}") == ["1: x", "2: y"]


def test_a_row_that_was_cut_off_is_not_done(model_kernel):
    def cut_off(stream: Stream, body: dict) -> None:
        done = row(0, body)
        (sample,) = done.samples
        samples = (type(sample)(tokens=sample.tokens, usage=sample.usage, finish_reason="cancelled"),)
        fields = {name: getattr(done, name) for name in ("index", "prompt", "prompt_token_ids", "options")}
        stream.send(BatchStarted(id="1", model="m", fingerprint="f"), RowDone(**fields, samples=samples), Done())

    model_kernel.scripts["/v1/batch"] = cut_off
    with pytest.raises(RequestCancelled, match="cancelled after 0 of 1 rows"):
        gpt.map(["x"], "{text}")


def test_a_map_that_is_complete_begins_anew(echo, kept):
    assert gpt.map(["x"], "{text}") == ["1: x"]
    assert kept() == []
    assert gpt.map(["x"], "{text}") == ["2: x"]


@pytest.mark.parametrize(
    "change", [{"temperature": 0}, {"seed": 1}, {"system": "s"}, {"chat": True}, {"model": "other"}, {"n": 2}]
)
def test_another_map_begins_anew(echo, model_kernel, change):
    echo.dies_at = "y"
    with pytest.raises(ConnectionLost):
        gpt.map(["x", "y"], "{text}")
    echo.dies_at = None
    gpt.map(["x", "y"], "{text}", **change)
    assert asked(model_kernel)[-1] == ["x", "y"]


def test_another_table_or_template_begins_anew(echo, model_kernel):
    echo.dies_at = "y"
    with pytest.raises(ConnectionLost):
        gpt.map(["x", "y"], "{text}")
    echo.dies_at = None
    gpt.map(["x", "z"], "{text}")
    gpt.map(["x", "y"], "{text}!")
    assert asked(model_kernel)[-2:] == [["x", "z"], ["x!", "y!"]]


def test_beginning_anew_can_be_asked_for(echo):
    echo.dies_at = "y"
    with pytest.raises(ConnectionLost):
        gpt.map(["x", "y"], "{text}")
    echo.dies_at = None
    assert gpt.map(["x", "y"], "{text}", resume=False) == ["2: x", "2: y"]


def test_rows_that_somebody_else_wrote_are_done_again_where_they_fit_nowhere(echo, model_kernel, kept):
    echo.dies_at = "z"
    with pytest.raises(ConnectionLost):
        gpt.map(["x", "y", "z"], "{text}")
    (file,) = kept()
    lines = file.read_text().splitlines(keepends=True)[:2]
    file.write_text("".join(lines) + '{"row": 1, "value": ["y"]}\n{"row": 99999, "value": "x"}\n')
    echo.dies_at = None
    assert gpt.map(["x", "y", "z"], "{text}") == ["1: x", "2: y", "2: z"]
    assert asked(model_kernel)[1] == ["y", "z"]


def test_rows_of_other_weights_are_done_again(echo, model_kernel):
    echo.dies_at = "z"
    with pytest.raises(ConnectionLost):
        gpt.map(["x", "y", "z"], "{text}")
    echo.dies_at, echo.fingerprint = None, "other"
    assert gpt.map(["x", "y", "z"], "{text}") == ["3: x", "3: y", "3: z"]
    assert asked(model_kernel)[-1] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("fingerprint", "column"), [("f", ["1: x", "1: y", "2: z"]), ("other", ["3: x", "3: y", "3: z"])]
)
def test_the_weights_are_asked_for_also_where_every_row_is_done(echo, fingerprint, column):
    def interrupt(done: int, total: int) -> None:
        if done == total:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(MapInterrupted) as caught:
        gpt.map(["x", "y", "z"], "{text}", on_progress=interrupt)
    assert caught.value.partial == ("1: x", "1: y", "1: z")
    echo.fingerprint = fingerprint
    assert gpt.map(["x", "y", "z"], "{text}") == column


def test_the_only_row_is_asked_for_again_where_it_is_done(echo):
    def interrupt(done: int, total: int) -> None:
        if done == total:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(MapInterrupted):
        gpt.map(["x"], "{text}", on_progress=interrupt)
    assert gpt.map(["x"], "{text}") == ["2: x"]


def test_where_nothing_can_be_kept_the_user_is_told(echo, settings):
    settings.home_directory().write_text("no directory")

    def interrupt(done: int, _total: int) -> None:
        if done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(MapInterrupted) as caught:
        gpt.map(["x", "y"], "{text}", on_progress=interrupt)
    assert caught.value._render_traceback_() == ["Interrupted after 1 of 2 rows: they could not be kept."]
    assert gpt.map(["x"], "{text}") == ["2: x"]


# --- through a real server ------------------------------------------------------------------------------------------


def test_a_table_through_the_real_server(settings, monkeypatch):
    with serving(FakeEngine("a little fox")) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        with pytest.warns(UserWarning, match="1 of 3 rows failed, row 1: the prompt has 2,001 tokens"):
            column = gpt.map({"a": ["x", "word " * 2000, "y"]}, "{a}", max_new_tokens=2)
    assert column == ["a little", None, "a little"]

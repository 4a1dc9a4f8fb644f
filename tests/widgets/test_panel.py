"""Panels: questions of views are answered in threads, errors are told, what is cancelled ends at once, state is checked."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from typing import ClassVar

import numpy as np
import pytest
from fake_model_kernel import FakeModelKernel, Stream
from panel_views import FakeComm, View

from gpt_notebook import identity
from gpt_notebook.errors import GptNotebookError, InvalidRequest, ModelNotFound
from gpt_notebook.protocol import GenerateRequest, Token
from gpt_notebook.session import session
from gpt_notebook.widgets._panel import Panel
from gpt_notebook.widgets._requests import IN_BACKGROUND, request, standing


class Example(Panel):
    initial_state: ClassVar = {"layer": 0, "score": "sink", "hide_sink": True, "query": None, "zoom": 1.0}

    def __init__(self, **state):
        super().__init__(**state)
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.order = []

    def twin(self):
        return "<p>the twin</p>"

    def valid(self, key, value):
        return super().valid(key, value) and not (key == "layer" and value < 0)

    @request
    def double(self, number):
        return {"double": 2 * number}

    @request
    def image(self, rows):
        return {"shape": [rows, 2]}, [np.arange(2 * rows, dtype=np.float32).reshape(2, rows).T]

    @request(priority=IN_BACKGROUND)
    def layers(self, count):
        for layer in range(count):
            yield {"layer": layer}, [bytes([layer])]
        return {"layers": count}

    @standing
    def watch(self, teller, times=1):
        if times == 0:
            message = "nothing to watch"
            raise InvalidRequest(message, param="times")
        self.teller = teller
        for number in range(times):
            teller.part(({"number": number}, [bytes([number])]))

    @request
    def token(self):
        return Token(id=1, text="fox", logprob=-float("inf"))

    @request
    def wait(self, name=""):
        self.begun.release()
        assert self.gate.wait(10)
        self.order.append(name)

    @request(priority=IN_BACKGROUND)
    def wait_in_background(self, name):
        self.wait(name)

    @request
    def fail(self, message):
        raise ModelNotFound(message)

    @request
    def break_down(self):
        message = "two\nlines"
        raise ZeroDivisionError(message)

    @request
    def generate(self):
        self.begun.release()
        for _event in session.stream(lambda client: client.generate(GenerateRequest(prompt="Once"))):
            self.begun.release()

    @request
    def object(self):
        return {"what": object()}

    def secret(self):
        return {"secret": "no view may ask this"}


@pytest.fixture
def panel():
    panel = Example()
    yield panel
    panel.gate.set()
    panel.close()


@pytest.fixture
def view(panel):
    return View(panel)


def test_a_question_is_answered(view):
    assert view.result("double", number=21) == {"double": 42}


def test_the_answer_comes_from_another_thread(panel, view):
    waiting = view.ask("wait")
    assert view.messages() == []  # the comm's thread is back, and the method is not
    panel.gate.set()
    assert view.wait(waiting)[-1][0] == {"kind": "answer", "id": waiting, "result": {}}


def test_arrays_cross_as_bytes_in_c_order(view):
    ((message, (buffer,)),) = view.wait(view.ask("image", rows=3))
    array = np.frombuffer(buffer, "<f4").reshape(message["result"]["shape"])
    np.testing.assert_array_equal(array, [[0, 3], [1, 4], [2, 5]])


def test_parts_come_before_the_answer(view):
    id_ = view.ask("layers", count=3)
    assert [(message, [*map(bytes, buffers)]) for message, buffers in view.wait(id_)] == [
        *(({"kind": "part", "id": id_, "result": {"layer": n}}, [bytes([n])]) for n in range(3)),
        ({"kind": "answer", "id": id_, "result": {"layers": 3}}, []),
    ]


def test_a_message_of_the_protocol_is_a_result_and_infinity_is_null(view):
    result = view.result("token")
    assert (result["text"], result["logprob"]) == ("fox", None)


def test_our_errors_are_told_as_they_are(view):
    assert view.error("fail", message="no model gtp2") == {"code": "model_not_found", "message": "no model gtp2"}


@pytest.fixture
def logged(panel):
    import logging

    records = []
    handler = logging.Handler()
    handler.emit = records.append
    panel.log.addHandler(handler)
    yield records
    panel.log.removeHandler(handler)


def test_other_errors_are_one_line_for_the_view_and_a_traceback_for_the_log(view, logged):
    error = view.error("break_down")
    assert error["code"] == "error"
    assert error["message"].startswith("ZeroDivisionError: two (")
    (record,) = logged
    assert record.exc_info[0] is ZeroDivisionError


def test_what_no_json_can_hold_is_an_error(view, logged):
    assert "cannot send object" in view.error("object")["message"]
    assert len(logged) == 1


@pytest.mark.parametrize("method", ["doubel", "secret", "close", "comm", "__init__"])
def test_only_marked_methods_are_answered(panel, view, method):
    assert view.error(method)["code"] == "invalid_request"
    assert not panel.comm.closed


@pytest.mark.parametrize("params", [{}, {"number": 1, "also": 2}])
def test_parameters_that_do_not_fit(view, params):
    assert view.error("double", **params)["code"] == "invalid_request"


@pytest.mark.parametrize("content", [None, "ask", {}, {"kind": "request"}, {"kind": "request", "id": [], "method": 1}])
def test_messages_of_others_are_left_alone(view, logged, content):
    view.send(content)
    assert view.result("double", number=1) == {"double": 2}
    assert len(view.messages()) == 1
    assert logged == []


def test_two_views_hear_their_own_answers(panel):
    one, other = View(panel), View(panel)
    ids = [one.ask("double", number=1), other.ask("double", number=2)]
    assert [view.wait(id_)[-1][0]["result"]["double"] for view, id_ in zip([one, other], ids, strict=True)] == [2, 4]


def test_four_run_at_a_time(panel, view):
    asked = [view.ask("wait", name=name) for name in "abcde"]
    for _ in range(4):
        assert panel.begun.acquire(timeout=10)
    assert not panel.begun.acquire(blocking=False)
    panel.gate.set()
    for id_ in asked:
        view.wait(id_)
    assert sorted(panel.order) == [*"abcde"]


def test_what_nobody_waits_for_never_takes_the_last_thread(panel, view):
    waiting = [view.ask("wait_in_background", name="later") for _ in range(5)]
    for _ in range(3):
        assert panel.begun.acquire(timeout=10)
    assert view.result("double", number=1) == {"double": 2}
    assert not panel.begun.acquire(blocking=False)
    panel.gate.set()
    for id_ in waiting:
        view.wait(id_)


def never_ending(hung_up):
    """A script that sends a first event and then waits until the client hangs up."""

    def script(stream: Stream, _body: dict) -> None:
        stream.comment()
        stream.wait_until_closed()
        hung_up.set()

    return script


def test_cancelling_closes_the_connection_at_once(panel, view, model_kernel: FakeModelKernel, logged):
    hung_up = threading.Event()
    model_kernel.scripts["/v1/generate"] = never_ending(hung_up)
    id_ = view.ask("generate")
    assert panel.begun.acquire(timeout=10)
    while not model_kernel.requests("/v1/generate"):
        hung_up.wait(0.01)
    view.cancel(id_)
    assert hung_up.wait(10)
    assert view.result("double", number=1) == {"double": 2}
    assert view.messages(id_) == []
    assert logged == []


def test_what_was_cancelled_in_the_queue_never_runs(panel, view):
    busy = [view.ask("wait") for _ in range(4)]
    waiting = view.ask("wait", name="cancelled")
    view.cancel(waiting)
    panel.gate.set()
    for id_ in busy:
        view.wait(id_)
    assert view.result("double", number=1) == {"double": 2}
    assert panel.order == [""] * 4
    assert view.messages(waiting) == []


def test_cancelling_what_is_over_or_unknown_says_nothing(view):
    id_ = view.ask("double", number=1)
    view.wait(id_)
    view.cancel(id_)
    view.cancel("nobody-0")
    assert len(view.messages()) == 1


def test_a_pong_names_what_is_worked_on(panel, view):
    id_ = view.ask("wait")
    view.send({"kind": "ping", "id": view.name})
    assert view.messages() == [({"kind": "pong", "id": view.name, "open": [id_]}, [])]
    view.send({"kind": "request", "id": id_, "method": "wait", "params": {}})  # asked again: it is worked on already
    panel.gate.set()
    view.wait(id_)
    view.result("double", number=1)
    view.send({"kind": "ping", "id": view.name})
    assert view.messages()[-1][0] == {"kind": "pong", "id": view.name, "open": []}
    assert panel.order == [""]


def test_closing_cancels_everything(panel, view, model_kernel):
    hung_up = threading.Event()
    model_kernel.scripts["/v1/generate"] = never_ending(hung_up)
    view.ask("generate")
    while not model_kernel.requests("/v1/generate"):
        hung_up.wait(0.01)
    panel.close()
    assert hung_up.wait(10)
    assert view.comm.closed
    view.ask("double", number=1)
    assert view.messages() == []


def test_a_running_request_keeps_no_notebook_kernel_from_leaving():
    code = """
import threading
from gpt_notebook.widgets._panel import Panel
from gpt_notebook.widgets._requests import request
class Forever(Panel):
    @request
    def wait(self):
        begun.set()
        threading.Event().wait()
begun = threading.Event()
panel = Forever()
panel._receive(panel, {"kind": "request", "id": "1", "method": "wait", "params": {}}, [])
assert begun.wait(10)
"""
    environment = {"PYTHONPATH": str(identity.PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment)


def test_a_view_that_cannot_be_told_harms_nobody(panel, view, logged, monkeypatch):
    def gone(*_arguments, **_options):
        message = "the browser is gone"
        raise OSError(message)

    with monkeypatch.context() as patch:
        patch.setattr(panel.comm, "send", gone)
        panel.gate.set()
        view.ask("wait")
        while not logged:
            assert panel.begun.acquire(timeout=10)
            panel.begun.release()
    assert view.result("double", number=1) == {"double": 2}


def test_the_state_begins_with_what_is_given():
    panel = Example(layer=3)
    assert panel.state == {"layer": 3, "score": "sink", "hide_sink": True, "query": None, "zoom": 1.0}
    assert panel.comm.opened["state"]["state"] == panel.state


def test_an_assignment_changes_the_keys_that_it_has(panel):
    panel.state = {"layer": 2}
    assert (panel.state["layer"], panel.state["score"]) == (2, "sink")
    assert panel.comm.states() == [panel.state]


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({"layr": 1}, "unknown key of the state layr: did you mean layer"),
        ({"layer": -1}, "layer cannot be -1"),
        ({"layer": "1"}, "layer cannot be '1'"),
        ({"layer": True}, "layer cannot be True"),
        ({"hide_sink": 1}, "hide_sink cannot be 1"),
        ({"zoom": float("nan")}, "zoom cannot be nan"),
        ({"score": "x" * 100_000}, "score cannot be 'xxx"),
        ({"query": object()}, "query cannot be <object"),
        ({"score": "\ud800"}, "score cannot be"),
        ({5: 1}, "5 is no key of the state"),
    ],
)
def test_a_state_that_makes_no_sense(panel, state, complaint):
    before = dict(panel.state)
    with pytest.raises(InvalidRequest, match=complaint):
        panel.state = state
    if all(isinstance(key, str) for key in state):
        with pytest.raises(InvalidRequest, match=complaint):
            Example(**state)
    assert panel.state == before


def test_what_is_nested_too_deeply_is_no_value(panel):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidRequest, match="query cannot be nested so deeply"):
        panel.state = {"query": deep}


def from_browser(panel, state):
    panel.comm.receive({"method": "update", "state": {"state": state}, "buffer_paths": []})


def test_what_a_view_changes_is_taken_and_not_sent_back(panel):
    changed = {**panel.state, "layer": 4, "zoom": 2}
    from_browser(panel, changed)
    assert panel.state == changed
    assert panel.comm.states() == []


def test_what_makes_no_sense_from_a_view_is_left_out_and_the_view_is_told(panel):
    from_browser(panel, {**panel.state, "layer": -1, "score": "entropy", "from_a_later_version": 1})
    assert panel.state == {"layer": 0, "score": "entropy", "hide_sink": True, "query": None, "zoom": 1.0}
    assert panel.comm.states() == [panel.state]


def test_a_view_that_sends_no_state_at_all_is_told_what_holds(panel):
    from_browser(panel, [])
    assert panel.comm.states() == [panel.state]


def test_a_panel_that_was_closed_and_let_go_of_is_gone(monkeypatch, tmp_path):
    for name in ("small.js", "small.css"):
        (tmp_path / name).write_text("", "utf-8")
    monkeypatch.setattr("gpt_notebook.widgets._panel.STATIC", tmp_path)

    class Small(Panel, bundle="small"):
        pass

    panel = Small()
    gone, layout = weakref.ref(panel), panel.layout
    panel.close()
    assert layout.comm is None
    del panel
    gc.collect()
    assert gone() is None


def test_a_panel_that_was_closed_shows_its_twin_alone(panel):
    panel.close()
    ((data, _),) = panel.outputs()
    assert set(data) == {"text/html", "text/plain"}


def test_the_bundle_holds_a_view_a_twin_and_a_line_of_text(panel):
    data, _metadata = panel._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert (data["text/html"], data["text/plain"]) == ("<p>the twin</p>", "<Example>")


def test_a_notebook_gets_the_view_and_then_the_twin(panel):
    (view, _), (twin, _) = panel.outputs()
    assert view["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert (view["text/html"], view["text/plain"]) == ("", "<Example>")
    assert "<p>the twin</p>" in twin["text/html"]
    assert list(twin) == ["text/html"]  # a terminal would show a line of text twice


def shown_in_a_thread(panel, monkeypatch):
    """Show a panel as a cell does; `panel.order` says when its twin was made."""

    def twin():
        panel.order.append("the twin")
        return ""

    monkeypatch.setattr(panel, "twin", twin)
    cell = threading.Thread(target=lambda: [*panel.outputs()], daemon=True)
    cell.start()
    return cell


def test_the_twin_is_made_when_the_view_has_what_it_asked_for(panel, view, monkeypatch):
    monkeypatch.setattr("gpt_notebook.widgets._panel.FIRST_REQUEST", 10)
    monkeypatch.setattr("gpt_notebook.widgets._panel.LONGEST", 10)
    cell = shown_in_a_thread(panel, monkeypatch)
    asked = [view.ask("wait", name="the map"), view.ask("wait_in_background", name="the heads")]
    for _ in asked:
        assert panel.begun.acquire(timeout=10)
    panel.gate.set()
    cell.join(10)
    assert sorted(panel.order[:2]) == ["the heads", "the map"]
    assert panel.order[2:] == ["the twin"]


def test_a_view_that_asks_for_much_keeps_the_cell_for_a_moment_only(panel, view, monkeypatch):
    monkeypatch.setattr("gpt_notebook.widgets._panel.LONGEST", 0.01)
    view.ask("wait", name="all heads")
    shown_in_a_thread(panel, monkeypatch).join(10)
    assert panel.order == ["the twin"]


def test_a_twin_that_cannot_be_made_says_why(panel, monkeypatch):
    def twin():
        message = "a <model> that is gone"
        raise ModelNotFound(message)

    monkeypatch.setattr(panel, "twin", twin)
    assert panel._repr_mimebundle_()[0]["text/html"] == "<pre>a &lt;model&gt; that is gone</pre>"


def test_a_panel_that_was_not_built_says_how_to_build_it():
    class Unbuilt(Panel, bundle="nothing-of-this-name"):
        pass

    with pytest.raises(GptNotebookError, match=r"nothing-of-this-name.js is missing.*make panels"):
        Unbuilt()
    gc.collect()


def test_messages_reach_the_panel_while_a_cell_runs(monkeypatch):
    """The comm of ipykernel 7.4.0 is asked which shell a message goes to, and would say: the cell's."""
    monkeypatch.setattr(FakeComm, "_reply_subshell_for", lambda *_: "the running cell's", raising=False)
    assert Example().comm._reply_subshell_for({}, "the browser's") == "the browser's"


# --- requests that stand --------------------------------------------------------------------------------------------


def test_a_standing_request_is_told_from_any_thread_until_its_end():
    panel = Example()
    view = View(panel)
    id_ = view.ask("watch", times=2)
    wait_until(view, lambda: len(view.messages(id_)) == 2)
    panel.teller.part({"number": 7})
    panel.teller.end()
    *parts, (last, _) = view.wait(id_)
    assert [message["result"]["number"] for message, _ in parts] == [0, 1, 7]
    assert bytes(parts[1][1][0]) == b"\x01"
    assert last["kind"] == "answer"


def test_standing_requests_leave_the_threads_to_others():
    panel = Example()
    view = View(panel)
    for _ in range(20):
        view.ask("watch")
    assert view.result("double", number=2) == {"double": 4}


def test_a_standing_request_that_is_cancelled_is_told_no_more():
    panel = Example()
    view = View(panel)
    id_ = view.ask("watch")
    wait_until(view, lambda: view.messages(id_))
    view.cancel(id_)
    assert panel.teller.over
    panel.teller.part({"number": 7})
    panel.teller.end()
    assert len(view.messages(id_)) == 1


def test_a_standing_request_can_be_refused_with_the_field_that_is_meant():
    view = View(Example())
    assert view.error("watch", times=0) == {
        "code": "invalid_request",
        "message": "nothing to watch",
        "param": "times",
    }
    assert "unexpected keyword argument" in view.error("watch", often=2)["message"]


def test_a_standing_request_that_was_told_something_keeps_no_twin_waiting():
    panel = Example()
    view = View(panel)
    id_ = view.ask("watch")
    wait_until(view, lambda: view.messages(id_))
    panel._requests.wait_for_quiet(first=0.0, pause=0.0, longest=3600.0)


def wait_until(view, is_so):
    with view.comm.changed:
        assert view.comm.changed.wait_for(is_so, 10)

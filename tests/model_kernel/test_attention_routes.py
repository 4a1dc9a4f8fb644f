from __future__ import annotations

import contextlib
import http.client
import json
import threading

import numpy as np
import pytest

from gpt_notebook.attention_protocol import (
    DTYPE_HEADER,
    EVENT_TYPES,
    PATHS,
    SHAPE_HEADER,
    AblateRequest,
    AttentionRequest,
    DiffRequest,
    HeadScores,
    LensRequest,
    MapRequest,
    OverviewRequest,
    PatchRequest,
    ScoresRequest,
    TensorRequest,
)
from gpt_notebook.connection import Target, data_lines
from gpt_notebook.errors import OutOfMemory
from gpt_notebook.model_kernel import array_stream, event_stream
from gpt_notebook.protocol import CancelRequest, Done, decode, encode
from gpt_notebook.testing import FakeEngine, Gate, serving

TEXT = "Pip had a red kite"
LENGTH = 5
MAP = {"part": "decoder", "layer": 0, "head": 2}


@contextlib.contextmanager
def asked(model_kernel, path, body, *, method="POST", token=None):
    """The response to a request, as much of it as has come; it is hung up on afterwards."""
    connection = Target.of(model_kernel.address).connection(10)
    headers = {"Authorization": f"Bearer {token or model_kernel.token}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body), {**headers, "X-Hub-Token": "hf_mine"})
    with contextlib.closing(connection), connection.getresponse() as response:
        yield response


def events(model_kernel, request):
    """All events of a stream, which must be numbered and end with done."""
    with asked(model_kernel, PATHS[type(request)], encode(request)) as response:
        assert (response.status, response.headers["Content-Type"].partition(";")[0]) == (200, "text/event-stream")
        lines = list(data_lines(response))
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert lines[-1]["type"] == "done"
    return [decode(EVENT_TYPES[line["type"]], line) for line in lines]


def array(model_kernel, request):
    with asked(model_kernel, PATHS[type(request)], encode(request)) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "application/octet-stream")
        assert response.headers[DTYPE_HEADER] == "float32"
        body = response.read()
        assert int(response.headers["Content-Length"]) == len(body)
        shape = [int(length) for length in response.headers[SHAPE_HEADER].split(",") if length]
        return np.frombuffer(body, "<f4").reshape(shape)


def error(model_kernel, path, body, **options):
    """The status and the error object of an answer that is an error."""
    with asked(model_kernel, path, body, **options) as response:
        return response.status, json.load(response)["error"]


def captured(model_kernel, text=TEXT):
    return events(model_kernel, AttentionRequest(text=text))[-2].attention


# --- what is answered -----------------------------------------------------------------------------------------------


def test_recording_a_text_tells_its_progress_and_its_tokens():
    with serving(FakeEngine()) as model_kernel:
        progress, found, done = events(model_kernel, AttentionRequest(text=TEXT))
    assert (progress.stage, progress.total, done) == ("recording", LENGTH, Done())
    assert "".join(token.text for token in found.attention.tokens) == TEXT


def test_every_question_about_an_attention_is_answered():
    with serving(FakeEngine()) as model_kernel:
        one, other = captured(model_kernel).id, captured(model_kernel, "Ann had a blue ball").id
        answers = {
            "head_scores": [
                ScoresRequest(attention=one, part="decoder", kinds=("sink", "entropy")),
                DiffRequest(attention=one, other=other, part="decoder"),
            ],
            "lens": [LensRequest(attention=one)],
            "ablated": [AblateRequest(attention=one, heads=((0, 1),))],
            "patched": [PatchRequest(clean="Pip ran", corrupt="Ann ran")],
        }
        for kind, requests in answers.items():
            for request in requests:
                assert [event.type for event in events(model_kernel, request)][-2:] == [kind, "done"]


def test_a_map_comes_as_its_bytes():
    with serving(FakeEngine()) as model_kernel:
        attention = captured(model_kernel).id
        uniform = array(model_kernel, MapRequest(attention=attention, **MAP))
        tile = array(model_kernel, MapRequest(attention=attention, **MAP, queries=(1, 3), keys=(0, 2)))
    np.testing.assert_allclose(uniform, np.tri(LENGTH) / np.arange(1, LENGTH + 1)[:, None], rtol=1e-6)
    np.testing.assert_array_equal(tile, uniform[1:3, 0:2])


def test_what_is_minus_infinity_comes_as_that():
    with serving(FakeEngine()) as model_kernel:
        attention = captured(model_kernel).id
        raw = array(model_kernel, MapRequest(attention=attention, **MAP, values="raw_scores"))
    assert np.array_equal(np.isneginf(raw), np.triu(np.ones((LENGTH, LENGTH)), 1))


def test_overviews_and_tensors_come_with_their_shapes():
    with serving(FakeEngine(n_layers=3, n_heads=4)) as model_kernel:
        attention = captured(model_kernel).id
        overview = array(model_kernel, OverviewRequest(attention=attention, part="decoder", size=2))
        value = TensorRequest(attention=attention, part="decoder", name="value", layer=1, head=3)
        assert overview.shape == (3, 4, 2, 2)
        assert array(model_kernel, value).shape == (LENGTH, 4)


def test_the_hub_token_travels_with_the_question():
    engine = FakeEngine()
    with serving(engine) as model_kernel:
        captured(model_kernel)
    assert engine.hub_tokens == ["hf_mine"]


class _Computing(FakeEngine):
    """Sends an array that a test makes up, and says when its generator has been closed."""

    def __init__(self, shape, blocks, **options):
        super().__init__(**options)
        self.shape, self.blocks, self.closed = shape, blocks, threading.Event()

    async def array(self, request):
        try:
            yield self.shape
            for block in self.blocks:
                yield block
        finally:
            self.closed.set()


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_an_empty_array_has_a_shape_all_the_same(shape):
    for blocks in ([], [memoryview(np.empty(shape, "<f4"))]):
        with serving(_Computing(shape, blocks)) as model_kernel:
            assert array(model_kernel, MapRequest(attention="x", **MAP)).shape == shape


def test_a_single_number_has_no_axes():
    with serving(_Computing((), [memoryview(np.float32(2.5).tobytes())])) as model_kernel:
        assert array(model_kernel, MapRequest(attention="x", **MAP)) == np.float32(2.5)


def test_blocks_of_any_size_and_shape_make_the_array(monkeypatch):
    monkeypatch.setattr(array_stream, "PIECE_BYTES", 1000)
    whole = np.random.default_rng(0).random((40, 50), np.float32)
    blocks = [memoryview(whole[:1]), memoryview(whole[1:30]), memoryview(b""), memoryview(whole[30:].tobytes())]
    with serving(_Computing((40, 50), blocks)) as model_kernel:
        np.testing.assert_array_equal(array(model_kernel, MapRequest(attention="x", **MAP)), whole)


def test_what_is_no_number_is_null():
    class Infinite(FakeEngine):
        async def inspect(self, request, *, hub_token=None):
            yield HeadScores(values=(((float("nan"), float("inf"), -float("inf"), 1.0),),))
            yield Done()

    with serving(Infinite()) as model_kernel:
        scores, _ = events(model_kernel, LensRequest(attention="x"))
    assert scores.values == (((None, None, None, 1.0),),)


def test_every_event_is_json_that_any_reader_understands():
    """Infinities are numbers for Python's JSON only."""
    data = {"values": (1.5, -float("inf"), [float("nan")]), "none": None}
    assert json.loads(event_stream.sse_data(data).removeprefix(b"data: ")) == {
        "values": [1.5, None, [None]],
        "none": None,
    }


def test_many_are_answered_at_once():
    with serving(FakeEngine()) as model_kernel:
        attention = captured(model_kernel).id
        expected = array(model_kernel, MapRequest(attention=attention, **MAP))
        same = []

        def one():
            same.append(np.array_equal(array(model_kernel, MapRequest(attention=attention, **MAP)), expected))

        threads = [threading.Thread(target=one) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert same == [True] * 10


def test_others_are_served_while_an_array_is_sent():
    engine = FakeEngine(gate=Gate())
    engine.gate.let(2)
    with serving(engine) as model_kernel:
        attention = captured(model_kernel).id
        engine.gate.let(1)
        with asked(model_kernel, "/v1/attention/map", {"attention": attention, **MAP}) as response:
            assert response.read(4 * LENGTH)
            assert len(model_kernel.client().status().requests) == 1
            engine.gate.open()
            assert len(response.read()) == 4 * LENGTH * (LENGTH - 1)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS.values())
def test_unknown_fields_are_refused(path):
    with serving(FakeEngine()) as model_kernel:
        status, found = error(model_kernel, path, {"heaad": 1})
    assert (status, found["code"]) == (400, "invalid_request")


def test_an_unknown_field_and_a_wrong_type_are_named():
    with serving(FakeEngine()) as model_kernel:
        for wrong in ({"heaad": 1}, {"layer": "0"}, {"layer": 0.5}, {"queries": [1]}, {"part": "both"}):
            status, found = error(model_kernel, "/v1/attention/map", {"attention": "x", **MAP, **wrong})
            assert status == 400
            assert next(iter(wrong)) in found["message"]


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind not in (AttentionRequest, PatchRequest)])
def test_a_forgotten_attention_is_an_error_of_its_own(kind):
    needed = {"part": "decoder", "layer": 0, "head": 0, "name": "query", "other": "y", "kinds": ["sink"]}
    heads = [0] if kind is OverviewRequest else [[0, 0]]
    body = {name: value for name, value in {**needed, "heads": heads}.items() if name in kind.__slots__}
    with serving(FakeEngine()) as model_kernel:
        status, found = error(model_kernel, PATHS[kind], {"attention": "x", **body})
    assert (status, found["code"]) == (404, "attention_not_found")


def test_nobody_gets_in_without_the_token():
    with serving(FakeEngine()) as model_kernel:
        for method in ("POST", "OPTIONS"):
            status, found = error(model_kernel, "/v1/attention/map", {}, method=method, token="wrong")
            assert (status, found["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_there_is_nothing_but_questions_here(method):
    with serving(FakeEngine()) as model_kernel:
        status, found = error(model_kernel, "/v1/attention/map", {}, method=method)
    assert status == 405
    assert f"there is no {method} /v1/attention/map" in found["message"]


def test_one_that_is_stopping_answers_no_more_questions():
    with serving(FakeEngine()) as model_kernel:
        model_kernel.kernel.stopping = True
        status, found = error(model_kernel, "/v1/attention/map", {"attention": "x", **MAP})
    assert (status, found["code"]) == (503, "model_kernel_stopping")


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails_after", [None, 0])
@pytest.mark.parametrize("path", ["/v1/attention/map", "/v1/attention/scores"])
def test_a_failure_before_anything_has_come_is_an_error_response(path, fails_after):
    engine = FakeEngine()
    with serving(engine) as model_kernel:
        attention = captured(model_kernel).id
        engine.error, engine.fails_after = OutOfMemory("no room"), fails_after
        question = MAP if path.endswith("map") else {"part": "decoder", "kinds": ["sink"]}
        status, found = error(model_kernel, path, {"attention": attention, **question})
    assert (status, found["code"]) == (507, "out_of_memory")


def test_a_failure_in_mid_stream_is_its_last_event():
    with serving(FakeEngine(error=OutOfMemory("no room"), fails_after=1)) as model_kernel:
        with asked(model_kernel, "/v1/attention", {"text": TEXT}) as response:
            progress, failed = data_lines(response)
    assert (progress["type"], failed["type"], failed["error"]["code"]) == ("progress", "failed", "out_of_memory")


@pytest.mark.parametrize("failure", [OutOfMemory("no room"), ZeroDivisionError("oops")])
def test_a_failure_in_mid_array_cuts_its_body_short(failure, caplog):
    engine = FakeEngine()
    with serving(engine) as model_kernel:
        attention = captured(model_kernel).id
        engine.error, engine.fails_after = failure, 2
        with asked(model_kernel, "/v1/attention/map", {"attention": attention, **MAP}) as response:
            assert response.status == 200
            with pytest.raises(http.client.IncompleteRead) as raised:
                response.read()
        engine.wait_until(lambda: not engine.requests())
    assert len(raised.value.partial) == 2 * LENGTH * 4
    assert "an array was cut short" in caplog.text
    assert str(failure) in caplog.text


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_array_of_another_size_than_announced_is_neither_padded_nor_too_long(count):
    block = memoryview(np.ones(4, "<f4"))
    with serving(_Computing((2, 4), [block] * count)) as model_kernel:
        with asked(model_kernel, "/v1/attention/map", {"attention": "x", **MAP}) as response:
            if count < 2:
                with pytest.raises(http.client.IncompleteRead) as raised:
                    response.read()
                assert len(raised.value.partial) == count * 16
            else:
                assert len(response.read()) == 32


def test_a_cancelled_question_says_so():
    engine = FakeEngine(gate=Gate())
    engine.gate.let(1)
    with serving(engine) as model_kernel, asked(model_kernel, "/v1/attention", {"text": TEXT}) as response:
        lines = data_lines(response)
        assert next(lines)["type"] == "progress"
        assert model_kernel.client().cancel(CancelRequest()) == 1
        assert next(lines)["error"]["code"] == "cancelled"


# --- who leaves -----------------------------------------------------------------------------------------------------


def test_a_client_that_leaves_in_mid_array_cancels_it():
    engine = FakeEngine(gate=Gate())
    engine.gate.let(3)
    with serving(engine) as model_kernel:
        attention = captured(model_kernel).id
        with asked(model_kernel, "/v1/attention/map", {"attention": attention, **MAP}) as response:
            assert response.read(4 * LENGTH)
            assert len(engine.requests()) == 1
        engine.wait_until(lambda: not engine.requests())


@pytest.mark.parametrize("path", ["/v1/attention/map", "/v1/attention/scores"])
def test_a_client_that_leaves_before_anything_has_come_cancels_its_question(path):
    engine = FakeEngine(gate=Gate())
    engine.gate.let(2)
    with serving(engine) as model_kernel:
        attention = captured(model_kernel).id
        question = MAP if path.endswith("map") else {"part": "decoder", "kinds": ["sink"]}
        connection = Target.of(model_kernel.address).connection(10)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {model_kernel.token}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps({"attention": attention, **question}), headers)
            engine.wait_until(lambda: len(engine.requests()) == 1)
        engine.wait_until(lambda: not engine.requests())


def test_a_reader_that_takes_nothing_of_an_array_is_dropped(monkeypatch):
    monkeypatch.setattr(event_stream, "SLOW_READER_SECONDS", 0.2)
    block = memoryview(np.zeros((1024, 1024), "<f4"))
    engine = _Computing((100, 1024, 1024), [block] * 100)
    with serving(engine) as model_kernel:
        with asked(model_kernel, "/v1/attention/map", {"attention": "x", **MAP}) as response:
            assert engine.closed.wait(10)
            with pytest.raises(http.client.IncompleteRead):
                response.read()

from __future__ import annotations

import contextlib
import http.client
import json
import socket

import pytest

from gpt_notebook.model_kernel.guard import Guard
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine, serving

PATHS = [
    ("GET", "/health"),
    ("GET", "/v1/models"),
    ("POST", "/v1/generate"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/stop"),
    ("GET", "/nowhere"),
    ("GET", "/docs"),
    ("OPTIONS", "/v1/generate"),
]
MAX_BODY = 20_000


@pytest.fixture(scope="module")
def engine():
    return FakeEngine()


@pytest.fixture(scope="module")
def served(engine):
    with serving(engine, unix=False, settings=Settings(max_body=MAX_BODY)) as model_kernel:
        yield model_kernel


def ask(served, method, path, body=None, **headers):
    """Returns the status and the JSON of an answer; a header of None is left out."""
    host = served.address.removeprefix("http://")
    sent = {
        "Host": host,
        "Authorization": f"Bearer {served.token}",
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with contextlib.closing(http.client.HTTPConnection(host, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        if method == "POST":
            sent.setdefault("Content-Length", str(len(data)))
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(data if method == "POST" else None)
        with connection.getresponse() as response:
            return response.status, json.loads(response.read())


def error_of(answer):
    """Checks that an answer is OpenAI's error object with a message of one line."""
    _, body = answer
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "\n" not in error["message"]
    return error


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer tökén"])
def test_every_path_wants_the_token(method, path, authorization, served):
    sent = authorization.encode() if authorization else None
    answer = ask(served, method, path, Authorization=sent)
    assert answer[0] == 401
    assert error_of(answer)["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1", "localhost", None, "127.0.0.1:1", "127.0.0.1:80@evil"]
)
def test_only_our_own_name_and_port_are_us(host, served):
    answer = ask(served, "GET", "/health", Host=host)
    if host is None:  # HTTP itself wants a host, and uvicorn may say so first.
        assert answer[0] in (400, 403)
        return
    assert answer[0] == 403
    assert error_of(answer)["code"] == "forbidden"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_request_from_a_web_page_is_refused_even_with_the_token(origin, served):
    answer = ask(served, "POST", "/v1/generate", {"prompt": "x"}, Origin=origin)
    assert answer[0] == 403
    assert "web pages" in error_of(answer)["message"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_a_form_could_send_is_refused(kind, served):
    answer = ask(served, "POST", "/v1/generate", {"prompt": "x"}, Content_Type=kind)
    assert answer[0] == 400
    assert "Content-Type: application/json" in error_of(answer)["message"]


def test_json_with_a_charset_is_json(served):
    assert ask(served, "POST", "/v1/tokenize", {"text": "x"}, Content_Type="application/json; charset=utf-8")[0] == 200


def test_a_body_whose_length_is_too_large_is_refused_before_it_is_sent(served):
    answer = ask(served, "POST", "/v1/generate", b"", Content_Length=str(MAX_BODY + 1))
    assert answer[0] == 413
    assert error_of(answer)["code"] == "payload_too_large"


def test_a_chunked_body_that_grows_too_large_is_refused(served):
    host, _, port = served.address.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/generate HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {served.token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        for _ in range(3):
            connection.sendall(b"%x\r\n%s\r\n" % (MAX_BODY // 2, b" " * (MAX_BODY // 2)))
        assert b" 413 " in connection.recv(65536).partition(b"\r\n")[0]


def test_a_body_of_just_the_largest_size_is_read(served):
    body = json.dumps({"text": "x"}).encode().ljust(MAX_BODY)
    assert ask(served, "POST", "/v1/tokenize", body)[0] == 200


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"not json", None, "the body: Invalid JSON"),
        (b"", None, "the body: Invalid JSON"),
        (b"[1]", None, "the body"),
        (b"\xff\xfe", None, "the body: Invalid JSON"),
        (b"[" * 10_000, None, "the body: Invalid JSON"),
        ({"prompt": "x", "promt": "y"}, "promt", "promt: Unexpected keyword argument"),
        ({"prompt": 3}, "prompt", "prompt: Input should be a valid string (3)"),
        ({"prompt": "x", "options": {"temperature": -1}}, None, "temperature must be at least 0"),
        ({"prompt": "x", "options": {"temperature": float("nan")}}, None, "temperature must be at least 0"),
        ({"prompt": "x", "options": {"temperature": "hot"}}, "options.temperature", "options.temperature"),
        ({"prompt": "x", "options": {"max_new_tokens": 0}}, None, "max_new_tokens must be at least 1, not 0"),
        ({"prompt": "x", "options": {"max_new_tokens": 1.5}}, "options.max_new_tokens", "valid integer"),
        ({"prompt": "x", "options": {"top_p": 2}}, None, "top_p must be above 0 and at most 1, not 2"),
        ({"prompt": "x", "options": {"n": 9}}, None, "n must be at least 1 and at most 8, not 9"),
        ({"prompt": "x", "options": {"stop": ["a"] * 5}}, None, "at most 4 stop strings"),
        ({"prompt": "x", "options": {"logprobs": 21}}, None, "logprobs must be at least 0 and at most 20"),
        ({"prompt": "x", "messages": []}, None, "exactly one of"),
        ({}, None, "exactly one of"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role", "messages.0.role"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_in_one_line(body, param, words, served):
    answer = ask(served, "POST", "/v1/generate", body)
    assert answer[0] == 400
    error = error_of(answer)
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"] == param


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/nowhere"), ("GET", "/v1/generate")])
def test_a_route_that_is_not_there_says_so(method, path, served):
    answer = ask(served, method, path)
    assert answer[0] in (404, 405)
    assert f"there is no {method} {path} here" in error_of(answer)["message"]


def test_nothing_refused_here_reached_the_engine(engine):
    assert all(type(request).__name__ == "TokenizeRequest" for request in engine.asked)


def test_a_unix_socket_asks_for_the_token_and_no_host(engine):
    from gpt_notebook.client import Client
    from gpt_notebook.errors import AuthenticationFailed

    with serving(engine) as model_kernel:
        assert model_kernel.client().status().state == "ready"
        with pytest.raises(AuthenticationFailed):
            Client(model_kernel.address, "wrong").status()


def test_without_a_token_there_is_no_guard():
    with pytest.raises(ValueError, match="needs a token"):
        Guard(None, token="", hosts=None, max_body=1)

"""Calls to a model kernel, and its answers as they stream in.

Each call has a connection of its own: closing it is what cancels the call, and an idle connection that the other side
has dropped can't be met. Proxies and redirects are never followed, so the token goes to the given address and nowhere
else. Knows neither how a model kernel is found nor what the answers are used for.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gpt_notebook.cancellation import cancellable
from gpt_notebook.connection import Target, data_lines, keep_alive, send
from gpt_notebook.errors import (
    AuthenticationFailed,
    ConnectionLost,
    GptNotebookError,
    ModelKernelError,
    ModelKernelNotRunning,
    TooManyRequests,
    from_json,
)
from gpt_notebook.hub import hub_token_for
from gpt_notebook.protocol import (
    EVENT_TYPES,
    AdapterInfo,
    CancelRequest,
    Done,
    Event,
    Failed,
    GenerateRequest,
    LoadRequest,
    ModelInfo,
    NextRequest,
    ScoreRequest,
    Status,
    StopRequest,
    Token,
    TokenizeRequest,
    UnloadRequest,
    decode,
    decode_event,
    encode,
)

if TYPE_CHECKING:
    import numpy as np

    from gpt_notebook.attention_protocol import ArrayRequest, StreamRequest
    from gpt_notebook.attention_protocol import Event as AttentionEvent
    from gpt_notebook.batch_protocol import BatchEvent, BatchRequest
    from gpt_notebook.job_events import EvaluationEvent, ExportEvent, JobEvent
    from gpt_notebook.job_protocol import (
        CommandRequest,
        DataInfo,
        DeleteAdapterRequest,
        EvaluateRequest,
        EventsRequest,
        ExportRequest,
        ForgetRequest,
        JobInfo,
        JobRequest,
        JobStarted,
        Preview,
        PreviewRequest,
        RenameAdapterRequest,
    )

CONNECT_TIMEOUT = 5.0
STATUS_TIMEOUT = 10.0
CALL_TIMEOUT = 60.0
"""In seconds, for calls that need no model. Those that may have to load one wait as long as that takes: the end of the
model kernel's process ends them at once."""
SILENCE_TIMEOUT = 20.0
"""In seconds, for a stream that has begun: the model kernel gives a sign of life four times as often."""


class Client:
    """A model kernel at an address, `unix:<path>` or `http(s)://<host>:<port>`, and the token that it asks for."""

    def __init__(self, address: str, token: str | None = None) -> None:
        """Check the address; connects to nothing yet.

        Raises:
            InvalidRequest: that is no address.
        """
        self.address = address
        self._token = token
        self._target = Target.of(address)

    def __repr__(self) -> str:
        return f"Client({self.address!r})"

    def status(self, *, timeout: float = STATUS_TIMEOUT) -> Status:
        """Ask the model kernel who it is and what it does.

        Raises:
            AuthenticationFailed: one is there that wants a token, or another one.
            ModelKernelError: something else is there.
        """
        # One that is stopping says so with 503, and a status all the same.
        accepted = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        answer = self._call("GET", "/health", timeout=timeout, accepted=accepted)
        if "error" in answer:
            raise from_json(answer["error"])
        try:
            return decode(Status, answer)
        except TypeError as error:
            raise self._stranger() from error

    def models(self) -> list[ModelInfo]:
        """List the models that are loaded or at hand."""
        return [decode(ModelInfo, each["gpt_notebook"]) for each in self._call("GET", "/v1/models")["data"]]

    def adapters(self) -> list[AdapterInfo]:
        """List the adapters that have a name or are loaded."""
        return [decode(AdapterInfo, each) for each in self._call("GET", "/v1/adapters")["adapters"]]

    def generate(self, request: GenerateRequest) -> Generator[Event, None, None]:
        """Go on from a prompt; closing the generator cancels."""
        return self._stream("/v1/generate", request)

    def batch(self, request: BatchRequest) -> Generator[BatchEvent, None, None]:
        """Go on from many prompts: a `RowDone` or `RowFailed` each, as they finish; closing the generator cancels."""
        from gpt_notebook.batch_protocol import EVENT_TYPES, PATH

        return self._stream(PATH, request, EVENT_TYPES)

    def load(self, request: LoadRequest) -> Generator[Event, None, None]:
        """Load a model: `Progress` events, then `Loaded`."""
        return self._stream("/v1/load", request)

    def score(self, request: ScoreRequest) -> Generator[Event, None, None]:
        """Score texts: one `Scored` event each, in order."""
        return self._stream("/v1/score", request)

    def inspect(self, request: StreamRequest) -> Generator[AttentionEvent, None, None]:
        """Ask about the inside of a model; closing the generator cancels."""
        from gpt_notebook.attention_protocol import EVENT_TYPES, PATHS

        return self._stream(PATHS[type(request)], request, EVENT_TYPES)

    def array(self, request: ArrayRequest) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return an array of the inside of a model, shape as the request says.

        Raises:
            AttentionNotFound: the model kernel has forgotten the attention that it is of.
            ConnectionLost: it broke off.
        """
        from gpt_notebook.array_body import read_array
        from gpt_notebook.attention_protocol import PATHS

        with self._answer("POST", PATHS[type(request)], request, hub_token=None, timeout=None) as response:
            array = read_array(response)
        if array is None:
            raise self._stranger()
        return array

    def upload(self, lines: Iterable[bytes]) -> DataInfo:
        """Send data for fine-tuning, lines of JSON in pieces of any length; what the lines raise ends it and is raised."""
        from gpt_notebook.job_protocol import DATA_PATH, DataInfo

        return decode(DataInfo, self._call("POST", DATA_PATH, body=lines))

    def start_job(self, request: JobRequest) -> JobStarted:
        """Start a fine-tuning job, or attach to it."""
        from gpt_notebook.job_protocol import JobStarted

        return decode(JobStarted, self._job_call(request, hub_token=self._hub_token(request.model)))

    def jobs(self, job: str | None = None) -> list[JobInfo]:
        """List the fine-tuning jobs, the newest first; or only the one of an id, if it is there."""
        from urllib.parse import quote

        from gpt_notebook.job_protocol import LIST_PATH, JobInfo

        path = LIST_PATH if job is None else f"{LIST_PATH}?job={quote(job)}"
        return [decode(JobInfo, each) for each in self._call("GET", path)["jobs"]]

    def command(self, request: CommandRequest) -> int:
        """Write down a command for a job; returns its number, by which the job's events acknowledge it."""
        return int(self._job_call(request)["number"])

    def job_events(self, request: EventsRequest) -> Generator[JobEvent, None, None]:
        """Tell what has been recorded of a job, and what is being recorded if asked."""
        return self._job_stream(request)

    def forget_job(self, request: ForgetRequest) -> None:
        """Delete a job with what it has made."""
        self._job_call(request)

    def preview(self, request: PreviewRequest) -> Preview:
        """Tell what a model would see of data."""
        from gpt_notebook.job_protocol import Preview

        return decode(Preview, self._job_call(request, hub_token=self._hub_token(request.model)))

    def evaluate(self, request: EvaluateRequest) -> Generator[EvaluationEvent, None, None]:
        """Measure a model on data: an `Evaluated` for each sample."""
        return self._job_stream(request)

    def rename_adapter(self, request: RenameAdapterRequest) -> None:
        """Give an adapter another name."""
        self._job_call(request)

    def delete_adapter(self, request: DeleteAdapterRequest) -> None:
        """Delete an adapter, or one of its steps."""
        self._job_call(request)

    def export(self, request: ExportRequest) -> Generator[ExportEvent, None, None]:
        """Write a model with its adapter to files: `Progress`, then `Exported`."""
        return self._job_stream(request)

    def tokenize(self, request: TokenizeRequest) -> list[Token]:
        """Cut a text into tokens."""
        return self._tokens("/v1/tokenize", request)

    def next(self, request: NextRequest) -> list[Token]:
        """Return the most probable next tokens, most probable first."""
        return self._tokens("/v1/next", request)

    def unload(self, request: UnloadRequest) -> None:
        """Give a model's memory back."""
        self._call("POST", "/v1/unload", request)

    def cancel(self, request: CancelRequest) -> int:
        """Stop running requests; returns how many there were."""
        return int(self._call("POST", "/v1/cancel", request)["cancelled"])

    def stop(self, request: StopRequest) -> None:
        """Ask the model kernel to leave; it answers first and leaves then.

        Raises:
            ModelKernelBusy: others use it and `force` is off.
        """
        self._call("POST", "/v1/stop", request)

    def _job_call(self, request: object, *, hub_token: str | None = None) -> dict[str, Any]:
        from gpt_notebook.job_protocol import PATHS

        return self._call("POST", PATHS[type(request)], request, hub_token=hub_token, timeout=None)

    def _job_stream(self, request: object) -> Generator[Any, None, None]:
        from gpt_notebook.job_events import EVENT_TYPES
        from gpt_notebook.job_protocol import PATHS

        return self._stream(PATHS[type(request)], request, EVENT_TYPES)

    def _tokens(self, path: str, request: NextRequest | TokenizeRequest) -> list[Token]:
        answer = self._call("POST", path, request, hub_token=self._hub_token(request.model), timeout=None)
        return [decode(Token, each) for each in answer["tokens"]]

    def _call(
        self,
        method: str,
        path: str,
        request: object = None,
        *,
        body: Iterable[bytes] | None = None,
        hub_token: str | None = None,
        timeout: float | None = CALL_TIMEOUT,
        accepted: tuple[int, ...] = (HTTPStatus.OK,),
    ) -> dict[str, Any]:
        how: dict[str, Any] = {"hub_token": hub_token, "timeout": timeout, "accepted": accepted}
        with self._answer(method, path, request, body=body, **how) as response:
            try:
                answer: dict[str, Any] = json.loads(response.read())
            except ValueError as error:
                raise self._stranger() from error
            return answer

    def _stream(
        self, path: str, request: object, known: Mapping[str, type[Any]] = EVENT_TYPES
    ) -> Generator[Any, None, None]:
        """Yield the events of a stream until its end marker.

        Raises:
            ConnectionLost: it ended without one, or an event is missing.
            GptNotebookError: what the model kernel says about a request that failed.
        """
        model = getattr(request, "model", None)  # a question about an attention names none
        hub_token = None if model is None else self._hub_token(model)
        with self._answer("POST", path, request, hub_token=hub_token, timeout=None) as response:
            for number, data in enumerate(data_lines(response)):
                if data.get("seq") != number:
                    raise self._lost()
                event = decode_event(data, known)
                if isinstance(event, Failed):
                    raise from_json(event.error)
                if event is not None:
                    yield event
                if isinstance(event, Done):
                    return
            raise self._lost()

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        request: object,
        *,
        body: Iterable[bytes] | None = None,
        hub_token: str | None,
        timeout: float | None,
        accepted: tuple[int, ...] = (HTTPStatus.OK,),
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request, or a body in pieces, and give the answer for reading; leaving the block closes the connection."""
        headers = self._headers(hub_token)
        content: bytes | Iterable[bytes] | None = body
        if body is not None:
            headers["Content-Type"] = "application/jsonl"
        elif request is not None:
            content = json.dumps(encode(request)).encode()
        with contextlib.closing(self._connect()) as connection, cancellable(connection.sock):
            wire = connection.sock  # http.client forgets it once the answer has begun
            wire.settimeout(timeout)
            try:
                send(connection, method, self._target.prefix + path, content, headers)
                with connection.getresponse() as response:
                    if response.status not in accepted:
                        raise self._refusal(response)
                    wire.settimeout(timeout or SILENCE_TIMEOUT)
                    yield response
            except TimeoutError as error:
                if timeout is None and error.errno is not None:  # the network's own patience has ended, not ours
                    raise self._lost() from error
                if timeout is None:
                    message = f"{self._name} gave no sign of life for {SILENCE_TIMEOUT:g} s: {self._look_into}"
                    raise ConnectionLost(message) from error
                message = f"{self._name} is there but gave no answer within {timeout:g} s: {self._look_into}"
                raise ModelKernelError(message) from error
            except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
                raise self._lost() from error

    def _connect(self) -> http.client.HTTPConnection:
        connection = self._target.connection(CONNECT_TIMEOUT)
        try:
            connection.connect()
            keep_alive(connection.sock)
        except OSError as error:
            connection.close()
            reason = error.strerror or str(error)
            message = f"{self._name} does not answer ({reason}): {self._how_to_start}"
            raise ModelKernelNotRunning(message) from error
        return connection

    def _headers(self, hub_token: str | None) -> dict[str, str]:
        headers = {"Connection": "close", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if hub_token:
            headers["X-Hub-Token"] = hub_token
        return headers

    def _hub_token(self, model: str) -> str | None:
        """Return the secret for the hub: it is not ours, and goes over no wire where it could be read."""
        return hub_token_for(model) if self._target.private else None

    def _refusal(self, response: http.client.HTTPResponse) -> GptNotebookError:
        try:
            error = from_json(json.loads(response.read())["error"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._stranger(f"{response.status} {response.reason}")
        if isinstance(error, TooManyRequests) and (seconds := response.getheader("Retry-After", "")).isdecimal():
            error.retry_after = float(seconds)
        if isinstance(error, AuthenticationFailed) and self._target.url is not None:
            return AuthenticationFailed(
                f"{self._token_wanted} the file that  gpt-notebook serve  named when it started"
            )
        return error

    def _stranger(self, answer: str = "something else") -> ModelKernelError:
        return ModelKernelError(f"{self.address} answered {answer}: is that a model kernel of gpt_notebook?")

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(
            f"{self._name} went away before its answer was complete: run it again, or {self._look_into}"
        )

    @property
    def _name(self) -> str:
        return "the model kernel" if self._target.socket_path is not None else f"the model kernel at {self.address}"

    @property
    def _token_wanted(self) -> str:
        if self._token:
            return f"that token is wrong for {self._name}: it is in"
        return f"{self._name} asks for its token: set GPT_NOTEBOOK_TOKEN to what is in"

    @property
    def _look_into(self) -> str:
        where = "" if self._target.socket_path is not None else " on that machine"
        return f"see why with  gpt-notebook logs{where}"

    @property
    def _how_to_start(self) -> str:
        if self._target.socket_path is not None:
            return "it starts with the next cell, or with  gpt-notebook serve"
        return "check the address, and that  gpt-notebook serve  runs there"

"""Every error that gpt_notebook raises, as one tree.

    GptNotebookError
    ├── InvalidRequest                what was asked for makes no sense; the message names the value
    │   ├── ContextLengthExceeded     the prompt doesn't fit the model
    │   └── PayloadTooLarge           the request is larger than the model kernel reads
    ├── NotJson                       a completion that was to be JSON and is not
    ├── AuthenticationFailed          a missing or a wrong token
    ├── RequestForbidden              a request from a web page, or for another host
    ├── ModelError
    │   ├── ModelNotFound             no model of this name
    │   ├── ModelUnreachable          the hub could not be asked
    │   ├── ModelDamaged              a weight file that is incomplete or corrupt
    │   ├── ModelUnsafe               weights or code that would run someone else's program
    │   ├── ModelUnsupported          a model that cannot do what was asked
    │   ├── ModelInUse                a model that cannot be unloaded now
    │   └── ModelChanged              its files have been saved again since
    ├── JobError
    │   ├── JobNotFound               no job of this name
    │   ├── JobDiffers                its name stands for other data or options, or for something else
    │   ├── JobInUse                  it runs, and must not be touched meanwhile
    │   ├── JobFailed                 it has failed while somebody waited for it
    │   ├── JobUnfinished             it has not come so far in the time that was given
    │   └── DataNotFound              the model kernel does not have these data (any more)
    ├── DiskFull                      no space for what should be kept
    ├── AttentionNotFound             the model kernel has forgotten this attention, or never had it
    ├── OutOfMemory                   no room for the weights or for the request
    ├── TooManyRequests               the queue is full
    ├── RequestCancelled              somebody stopped it before there was an answer
    └── ModelKernelError
        ├── ModelKernelNotRunning     nothing answers, and nothing may be started
        ├── ModelKernelStartFailed    it was started and did not come up
        ├── ModelKernelMismatch       the one that runs is of another version and busy
        ├── ModelKernelBusy           it was asked to stop while others use it
        ├── ModelKernelStopping       it is on its way out
        ├── RuntimeDirectoryError     no safe place for socket, lock and token
        └── ConnectionLost            it went away in mid-sentence

    KeyboardInterrupt
    └── Interrupted                   the user interrupted
        ├── GenerationInterrupted     a generation; carries what had been generated
        ├── MapInterrupted            a map over a table; carries what was done
        └── WaitInterrupted           waiting for a job, which goes on

Each class has a stable `code`, which travels in OpenAI's error object and is what programs compare; the message is one
line for people: it names the bad value and the next action, in words that are true in a notebook and in a terminal. Where
they differ, the error carries data: the option as `param`, a call or command as `next_action`. Knows nothing of HTTP beyond a
status number.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gpt_notebook.next_action import NextAction, Spelling
from gpt_notebook.visible_text import visible


class GptNotebookError(Exception):
    """Something that gpt_notebook can say in one line."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    """OpenAI's `type` of the error."""

    def __init__(self, message: str, *, param: str | None = None, next_action: NextAction | None = None) -> None:
        """Keep the one-line message, the name of the field it is about, and how the next action is done, if there are such."""
        # A message may quote what somebody else wrote: a model's files can hold what commands a terminal.
        self.message = visible(" ".join(message.splitlines()))
        super().__init__(self.message)
        self.param = param
        self.next_action = next_action
        self.partial: tuple[Any, ...] = ()
        """The completions as far as they had come when a generation failed."""

    def to_json(self) -> dict[str, Any]:
        """Return OpenAI's error object, without its `{"error": …}` wrapper; `next_action` is ours."""
        found = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return found if self.next_action is None else {**found, "next_action": self.next_action.to_json()}

    def __str__(self) -> str:
        return self.spelled(NextAction.call)

    def spelled(self, spelling: Spelling) -> str:
        """Return the message, and after it how a front end spells the next action."""
        return self.message if self.next_action is None else f"{self.message} ({spelling(self.next_action)})"

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback; IPython calls this. `%gpt error` shows the rest."""
        return [f"{type(self).__name__}: {self}"]


class InvalidRequest(GptNotebookError):
    """What was asked for makes no sense."""

    code = "invalid_request"
    status = 400
    kind = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    """The prompt does not fit the model's context."""

    code = "context_length_exceeded"


class PayloadTooLarge(InvalidRequest):
    """The request is larger than the model kernel reads."""

    code = "payload_too_large"
    status = 413


class NotJson(GptNotebookError):
    """A completion's text is not the JSON that it was to be; the text is still there."""

    code = "not_json"
    status = 400
    kind = "invalid_request_error"


class AuthenticationFailed(GptNotebookError):
    """The token is missing or wrong."""

    code = "invalid_api_key"
    status = 401
    kind = "authentication_error"


class RequestForbidden(GptNotebookError):
    """The request came from a web page or was meant for another host."""

    code = "forbidden"
    status = 403
    kind = "permission_error"


class ModelError(GptNotebookError):
    """Something about a model."""

    code = "model_error"
    status = 400
    kind = "invalid_request_error"


class ModelNotFound(ModelError):
    """There is no model of this name."""

    code = "model_not_found"
    status = 404


class ModelUnreachable(ModelError):
    """The hub could not be asked for the model."""

    code = "model_unreachable"
    status = 424
    """Not the caller's fault, but no 5xx either: clients would try those again and again, and wait each time."""
    kind = "server_error"


class ModelDamaged(ModelError):
    """A weight file is incomplete or corrupt; the message names it."""

    code = "model_damaged"


class ModelUnsafe(ModelError):
    """Loading the model would run someone else's program: pickled weights, or code in its repository."""

    code = "model_unsafe"


class ModelUnsupported(ModelError):
    """The model cannot do what was asked."""

    code = "model_unsupported"


class ModelInUse(ModelError):
    """The model has running requests."""

    code = "model_in_use"
    status = 409


class ModelChanged(ModelError):
    """The model is not any more what it was when something was made of it."""

    code = "model_changed"
    status = 409


class JobError(GptNotebookError):
    """Something about a fine-tuning job."""

    code = "job_error"
    status = 400
    kind = "invalid_request_error"


class JobNotFound(JobError):
    """There is no job of this name."""

    code = "job_not_found"
    status = 404


class JobDiffers(JobError):
    """Its name stands for other data or options already, or for a model or an adapter that no job has made."""

    code = "job_differs"
    status = 409


class JobInUse(JobError):
    """The job runs, or what it has made is in use."""

    code = "job_in_use"
    status = 409


class JobFailed(JobError):
    """The job has failed while somebody waited for it."""

    code = "job_failed"


class JobUnfinished(JobError):
    """The job has not come so far in the time that was given."""

    code = "job_unfinished"


class DataNotFound(JobError):
    """The model kernel does not have these data, or not any more; our client sends them again."""

    code = "data_not_found"
    status = 404


class DiskFull(GptNotebookError):
    """There is no space for what should be kept."""

    code = "disk_full"
    status = 507


class AttentionNotFound(GptNotebookError):
    """The model kernel has forgotten this attention, or never had it; our client makes it again."""

    code = "attention_not_found"
    status = 404
    kind = "invalid_request_error"


class OutOfMemory(GptNotebookError):
    """There is no room for the weights or for the request."""

    code = "out_of_memory"
    status = 507


class TooManyRequests(GptNotebookError):
    """The queue of the model kernel is full."""

    code = "rate_limit_exceeded"
    status = 429
    kind = "rate_limit_error"
    retry_after: float | None = None
    """Seconds after which to try again, where the model kernel has said so."""


class RequestCancelled(GptNotebookError):
    """The request was stopped before there was an answer; half of one would be a wrong one."""

    code = "cancelled"
    status = 409


class ModelKernelError(GptNotebookError):
    """Something about the model kernel itself."""

    code = "model_kernel_error"
    status = 503


class ModelKernelNotRunning(ModelKernelError):
    """No model kernel answers, and none may be started here."""

    code = "model_kernel_not_running"


class ModelKernelStartFailed(ModelKernelError):
    """A model kernel was started and did not come up."""

    code = "model_kernel_start_failed"


class ModelKernelMismatch(ModelKernelError):
    """The model kernel that runs belongs to another version and has work to do."""

    code = "model_kernel_mismatch"


class ModelKernelBusy(ModelKernelError):
    """The model kernel was asked to stop while others use it."""

    code = "model_kernel_busy"
    status = 409


class ModelKernelStopping(ModelKernelError):
    """The model kernel is on its way out and takes no more work."""

    code = "model_kernel_stopping"


class RuntimeDirectoryError(ModelKernelError):
    """There is no safe place for the socket, the lock and the token."""

    code = "runtime_directory"


class ConnectionLost(ModelKernelError):
    """The model kernel went away before its answer was complete."""

    code = "connection_lost"


class Interrupted(KeyboardInterrupt):
    """The user interrupted; a `KeyboardInterrupt`, so that Run All stops and nobody catches it by accident."""

    def __str__(self) -> str:
        """Say so, in a notebook and a script alike."""
        return "Interrupted."

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback, as for `GptNotebookError`."""
        return [str(self)]


class GenerationInterrupted(Interrupted):
    """The user interrupted a generation."""

    def __init__(self, partial: tuple[Any, ...] = ()) -> None:
        """Keep the completions as far as they had come."""
        super().__init__()
        self.partial = partial

    def __str__(self) -> str:
        has_text = any(each.text for each in self.partial)
        return "Interrupted: the text above is incomplete." if has_text else "Interrupted."


class MapInterrupted(Interrupted):
    """The user interrupted a map over a table."""

    def __init__(self, partial: tuple[Any, ...] = (), *, rows: int = 0, total: int = 0, kept: bool = False) -> None:
        """Keep the values of the rows that were done.

        Args:
            partial: The values.
            rows: How many rows were done, those that failed included.
            total: Of how many.
            kept: Whether the next call goes on from them.
        """
        super().__init__()
        self.partial = partial
        advice = "run it again to go on" if kept else "they could not be kept"
        self._line = f"Interrupted after {rows:,} of {total:,} rows: {advice}."

    def __str__(self) -> str:
        return self._line


class WaitInterrupted(Interrupted):
    """The user stopped waiting for a job."""

    def __init__(self, job: str) -> None:
        """Keep which job goes on."""
        super().__init__()
        self.job = job

    def __str__(self) -> str:
        return f"Stopped waiting. The job {self.job} goes on: gpt.job({self.job!r}) is it."


def _tree(base: type[GptNotebookError]) -> dict[str, type[GptNotebookError]]:
    return {base.code: base} | {code: cls for sub in base.__subclasses__() for code, cls in _tree(sub).items()}


BY_CODE = _tree(GptNotebookError)


def from_json(error: dict[str, Any]) -> GptNotebookError:
    """Return the error that an error object stands for; one with an unknown code is a plain `GptNotebookError`."""
    cls = BY_CODE.get(str(error.get("code")), GptNotebookError)
    message = str(error.get("message") or "the model kernel gave no reason")
    return cls(message, param=error.get("param"), next_action=NextAction.from_json(error.get("next_action")))

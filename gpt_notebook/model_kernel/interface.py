"""What the routes ask of an engine. `Engine` has it with models, `gpt_notebook.testing.FakeEngine` without."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol

from gpt_notebook.attention_protocol import ArrayRequest, StreamRequest
from gpt_notebook.attention_protocol import Event as AttentionEvent
from gpt_notebook.batch_protocol import BatchEvent, BatchRequest
from gpt_notebook.job_events import EvaluationEvent, ExportEvent, JobEvent
from gpt_notebook.job_protocol import (
    CommandRequest,
    CommandTaken,
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
from gpt_notebook.protocol import (
    AdapterInfo,
    Event,
    GenerateRequest,
    LoadRequest,
    Memory,
    ModelInfo,
    NextRequest,
    RequestInfo,
    RunningJob,
    ScoreRequest,
    Token,
    TokenizeRequest,
)

Shape = tuple[int, ...]
ArrayItem = Shape | memoryview
"""What an array comes as: first the lengths of its axes, then blocks of its float32 elements in C order."""


class JobsInterface(Protocol):
    """Everything that can be asked of fine-tuning jobs, and of the data and adapters that go with them."""

    def begin(self) -> None:
        """Look for the jobs that there are, and go on with them; once the event loop runs."""
        ...

    def current(self) -> tuple[RunningJob, ...]:
        """Return those that run or are queued, as far as is known without a look at the disk."""
        ...

    async def keep(self, pieces: AsyncIterable[bytes]) -> DataInfo:
        """Keep data that come in pieces of any length: lines of JSON."""
        ...

    async def start(self, request: JobRequest, *, hub_token: str | None = None) -> JobStarted:
        """Start a job, or attach to it."""
        ...

    async def command(self, request: CommandRequest) -> CommandTaken:
        """Write down a command for a job."""
        ...

    def events(self, request: EventsRequest) -> AsyncGenerator[list[JobEvent]]:
        """Yield what has been recorded of a job, many events at once, and `Done`; an empty list where there is nothing yet."""
        ...

    async def listing(self, job: str | None = None) -> list[JobInfo]:
        """Return all jobs, the newest first; or only the one of an id or a name, if it is there."""
        ...

    async def forget(self, request: ForgetRequest) -> None:
        """Delete a job with what it has made."""
        ...

    def close(self) -> None:
        """Watch no longer; the jobs go on."""
        ...


class EngineInterface(Protocol):
    """Everything that can be asked; the streams raise a `GptNotebookError` when they fail."""

    @property
    def jobs(self) -> JobsInterface:
        """What is asked of fine-tuning jobs."""
        ...

    @property
    def busy(self) -> bool:
        """Whether there is work that somebody waits for."""
        ...

    @property
    def threads(self) -> int:
        """How many CPU threads a step may use."""
        ...

    @property
    def last_active(self) -> float:
        """When the last request ended, on the monotonic clock."""
        ...

    def requests(self) -> list[RequestInfo]:
        """Return what runs or waits."""
        ...

    def loaded(self) -> list[ModelInfo]:
        """Return the loaded models."""
        ...

    def memory(self) -> Memory:
        """Return what the models take."""
        ...

    async def available(self) -> list[ModelInfo]:
        """Return every model that can be used without a download."""
        ...

    async def adapters(self) -> list[AdapterInfo]:
        """Return the adapters that have a name or are loaded."""
        ...

    def generate(self, request: GenerateRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the events of a generation."""
        ...

    def batch(self, request: BatchRequest, *, hub_token: str | None = None) -> AsyncGenerator[BatchEvent]:
        """Yield a `RowDone` or `RowFailed` for each prompt, as they finish."""
        ...

    def score(self, request: ScoreRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield a `Scored` for each text, in order."""
        ...

    def load(self, request: LoadRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the progress of a load, and `Loaded` at its end."""
        ...

    async def next(self, request: NextRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the most probable next tokens, most probable first."""
        ...

    async def tokenize(self, request: TokenizeRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the tokens of a text."""
        ...

    def inspect(self, request: StreamRequest, *, hub_token: str | None = None) -> AsyncGenerator[AttentionEvent]:
        """Yield the events of an answer about the inside of a model."""
        ...

    def array(self, request: ArrayRequest) -> AsyncGenerator[ArrayItem]:
        """Yield an array's shape, and then its elements as they are computed."""
        ...

    async def preview(self, request: PreviewRequest, *, hub_token: str | None = None) -> Preview:
        """Return what a model would see of data, and what a job would take."""
        ...

    def evaluate(self, request: EvaluateRequest, *, hub_token: str | None = None) -> AsyncGenerator[EvaluationEvent]:
        """Yield an `Evaluated` for each sample of data."""
        ...

    async def rename_adapter(self, request: RenameAdapterRequest) -> None:
        """Give an adapter, and the job that made it, another name."""
        ...

    async def delete_adapter(self, request: DeleteAdapterRequest) -> None:
        """Delete an adapter, or one of its steps."""
        ...

    def export(self, request: ExportRequest, *, hub_token: str | None = None) -> AsyncGenerator[ExportEvent]:
        """Yield the progress of an export, and `Exported` at its end."""
        ...

    def unload(self, model: str) -> None:
        """Give a model's memory back."""
        ...

    def cancel(self, ids: tuple[str, ...] | None) -> int:
        """Stop the requests named, or all; return how many there were."""
        ...

    def close(self) -> None:
        """End all work and let the weights go."""
        ...

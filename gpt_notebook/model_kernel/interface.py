"""What the routes ask of an engine. `Engine` has it with models, `gpt_notebook.testing.FakeEngine` without."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from gpt_notebook.attention_protocol import ArrayRequest, StreamRequest
from gpt_notebook.attention_protocol import Event as AttentionEvent
from gpt_notebook.batch_protocol import BatchEvent, BatchRequest
from gpt_notebook.protocol import (
    AdapterInfo,
    Event,
    GenerateRequest,
    LoadRequest,
    Memory,
    ModelInfo,
    NextRequest,
    RequestInfo,
    ScoreRequest,
    Token,
    TokenizeRequest,
)

Shape = tuple[int, ...]
ArrayItem = Shape | memoryview
"""What an array comes as: first the lengths of its axes, then blocks of its float32 elements in C order."""


class EngineInterface(Protocol):
    """Everything that can be asked; the streams raise a `GptNotebookError` when they fail."""

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

    def unload(self, model: str) -> None:
        """Give a model's memory back."""
        ...

    def cancel(self, ids: tuple[str, ...] | None) -> int:
        """Stop the requests named, or all; return how many there were."""
        ...

    def close(self) -> None:
        """End all work and let the weights go."""
        ...

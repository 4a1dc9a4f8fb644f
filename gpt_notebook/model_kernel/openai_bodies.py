"""OpenAI's request bodies, as far as they are understood here.

Unknown fields are ignored, as OpenAI does; known ones that a local model can't honour are refused rather than passed over
in silence. Source: https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import DEFAULT_MODEL, ChatMessage, GenerateRequest, SamplingOptions

WHOLE_CONTEXT = 2**31
"""As many tokens as fit; the engine takes what the context leaves."""

HARMLESS: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "best_of": (1,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}
"""Known fields that are not supported, with the values that ask for nothing."""

Stop = str | list[str] | None


class StreamOptions(BaseModel):
    """What a stream tells beside its text."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class OpenAIBody(BaseModel):
    """What completions and chat completions share; OpenAI's defaults, not ours."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str = DEFAULT_MODEL
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=-1)] = None
    """Not OpenAI's, but what vLLM and others take; -1 is off there."""
    n: Annotated[int | None, Field(ge=1)] = None
    stop: Stop = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def check(self) -> None:
        """Refuse what can't be honoured.

        Raises:
            InvalidRequest: names the field.
        """
        for name, value in (self.model_extra or {}).items():
            if name in HARMLESS and value is not None and value not in HARMLESS[name]:
                message = f"{name} is not supported here: leave it out"
                raise InvalidRequest(message, param=name)

    def options(self, *, max_new_tokens: int, logprobs: int) -> SamplingOptions:
        """Return our options for these.

        Raises:
            InvalidRequest: one is out of range.
        """
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return SamplingOptions(
            max_new_tokens=max_new_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(self.top_k or 0, 0),
            stop=tuple(s for s in stop if s),
            seed=None if self.seed is None else self.seed % 2**31,
            n=self.n or 1,
            logprobs=logprobs,
        )

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with a chunk that has the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionBody(OpenAIBody):
    """`POST /v1/completions`."""

    prompt: str | list[str] | list[int] | list[list[int]] = ""
    echo: bool | None = None
    logprobs: Annotated[int | None, Field(ge=0, le=5)] = None

    def requests(self) -> list[GenerateRequest]:
        """Return a request for each prompt.

        Raises:
            InvalidRequest: an option is out of range, or the list of prompts is empty.
        """
        options = self.options(max_new_tokens=self.max_tokens or 16, logprobs=self.logprobs or 0)
        prompts: list[Any] = [self.prompt]
        if isinstance(self.prompt, list) and not (self.prompt and isinstance(self.prompt[0], int)):
            prompts = list(self.prompt)
        if not prompts:
            message = "prompt is an empty list: give at least one"
            raise InvalidRequest(message, param="prompt")
        return [
            GenerateRequest(model=self.model, prompt=prompt, chat=False, options=options)
            if isinstance(prompt, str)
            else GenerateRequest(model=self.model, prompt_token_ids=tuple(prompt), options=options)
            for prompt in prompts
        ]


class Part(BaseModel):
    """A piece of a message's content; a language model reads the kind `text` only."""

    type: str
    text: str = ""


class ChatTurn(BaseModel):
    """A message as OpenAI's clients send it."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None

    def message(self) -> ChatMessage:
        """Return our message for it.

        Raises:
            InvalidRequest: it holds an image or the like.
        """
        parts = [Part(type="text", text=self.content)] if isinstance(self.content, str) else self.content or []
        if other := next((part.type for part in parts if part.type != "text"), None):
            message = f"a message holds {other!r}, and this model reads text only: leave it out"
            raise InvalidRequest(message, param="messages")
        text = "".join(part.text for part in parts)
        return ChatMessage(role="system" if self.role == "developer" else self.role, content=text)


class ChatBody(OpenAIBody):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatTurn], Field(min_length=1)]
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None

    def request(self) -> GenerateRequest:
        """Return our request for it.

        Raises:
            InvalidRequest: an option is out of range, or a message is not text.
        """
        if self.top_logprobs and not self.logprobs:
            message = "top_logprobs needs logprobs: true"
            raise InvalidRequest(message, param="top_logprobs")
        length = self.max_completion_tokens or self.max_tokens or WHOLE_CONTEXT
        options = self.options(max_new_tokens=length, logprobs=self.top_logprobs or 0)
        return GenerateRequest(
            model=self.model, messages=tuple(turn.message() for turn in self.messages), options=options
        )

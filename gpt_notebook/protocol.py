"""What the notebook side and the model kernel say to each other: requests, results and the events of a stream.

Frozen dataclasses and nothing else: the notebook side must say its first word within milliseconds, so this module may
import the standard library only. The model kernel hands the same classes to pydantic, which checks every incoming body
strictly (unknown fields are refused); the notebook side reads answers with `decode`, which ignores what it doesn't know.
Ranges are checked in `__post_init__`, so a bad number is refused with the same words on both sides.

A stream is a sequence of events, each with a `type` and a sequence number `seq` that counts up from 0. It ends with
`done` or `failed`; a stream that ends otherwise was cut off.

Longer than a file should be, because it is one contract: whoever speaks to a model kernel reads it from top to bottom.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar, Union, dataclass_transform

from gpt_notebook.errors import InvalidRequest

PROTOCOL_VERSION = 1
"""Raised when an older client could misunderstand a newer model kernel, or the other way round."""

DEFAULT_MODEL = "storyteller"

MAX_SAMPLES = 8
MAX_STOP_STRINGS = 4
MAX_SEED = 2**53 - MAX_SAMPLES
"""The largest seed: those of all samples are whole numbers that JSON's readers agree on."""
MAX_TOP_LOGPROBS = 20

FinishReason = Literal["stop", "length", "cancelled"]
Dtype = Literal["float32", "bfloat16", "float16"]
RequestState = Literal["queued", "loading", "running"]

_Message = TypeVar("_Message")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(cls: type[_Message]) -> type[_Message]:
    """Make a class one of the protocol's: frozen, keyword-only, and strict where pydantic reads it."""
    cls.__pydantic_config__ = {"extra": "forbid", "strict": True}  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def decode(cls: type[_Message], data: dict[str, Any]) -> _Message:
    """Return an instance of `cls` from decoded JSON, ignoring fields that this version doesn't know."""
    readers = _readers(cls)  # type: ignore[arg-type] # mypy doesn't know that every class can be hashed
    return cls(**{name: read(data[name]) for name, read in readers.items() if name in data})


@functools.cache
def _readers(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: _reader(hints[f.name]) for f in dataclasses.fields(cls)}


def _reader(hint: Any) -> Any:
    """Return the function that turns decoded JSON into a value of type `hint`."""
    if dataclasses.is_dataclass(hint):
        return lambda data: decode(hint, data)  # type: ignore[arg-type]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda data: tuple(map(item, data))
    if origin in (Union, types.UnionType):
        (some,) = (a for a in arguments if a is not type(None))
        item = _reader(some)
        return lambda data: None if data is None else item(data)
    return lambda data: data


# --- requests -------------------------------------------------------------------------------------------------------


@message
class SamplingOptions:
    """How to go on from a prompt. The defaults are what `%%gpt` uses."""

    max_new_tokens: int = 120
    """The most tokens to generate; less where the context ends."""
    temperature: float = 0.8
    """Divides the logits; 0 takes the most probable token each time."""
    top_p: float = 0.95
    """Keeps the fewest most probable tokens whose probabilities add up to this; 1 keeps all."""
    top_k: int = 0
    """Keeps this many of the most probable tokens; 0 keeps all."""
    stop: tuple[str, ...] = ()
    """Ends before the first of these strings, which may lie across token borders."""
    seed: int | None = None
    """Makes sampling repeatable; None draws one, which the completion tells. Sample i of n uses seed + i."""
    n: int = 1
    """How many samples to draw."""
    logprobs: int = 0
    """How many alternatives to give for each token."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InvalidRequest: names the option, its value and what is possible.
        """
        check_range("max_new_tokens", self.max_new_tokens, low=1)
        check_range("temperature", self.temperature, low=0, high=100)
        check_range("top_p", self.top_p, above=0, high=1)
        check_range("top_k", self.top_k, low=0)
        check_range("n", self.n, low=1, high=MAX_SAMPLES)
        check_range("logprobs", self.logprobs, low=0, high=MAX_TOP_LOGPROBS)
        if self.seed is not None:
            check_range("seed", self.seed, low=0, high=MAX_SEED)
        if len(self.stop) > MAX_STOP_STRINGS:
            text = f"at most {MAX_STOP_STRINGS} stop strings, not {len(self.stop)}"
            raise InvalidRequest(text, param="stop")
        if "" in self.stop:
            text = "an empty stop string would stop at once: leave it out"
            raise InvalidRequest(text, param="stop")


def check_range(
    name: str, value: float, *, low: float | None = None, above: float | None = None, high: float | None = None
) -> None:
    """Refuse a number outside its range; `not (a <= b)` also catches NaN."""
    floor_ok = value > above if above is not None else low is None or value >= low
    if floor_ok and (high is None or value <= high):
        return
    given = {"above": above, "at least": low if above is None else None, "at most": high}
    limits = [f"{words} {_shown(limit).removesuffix('.0')}" for words, limit in given.items() if limit is not None]
    text = f"{name} must be {' and '.join(limits)}, not {_shown(value)}"
    raise InvalidRequest(text, param=name)


def _shown(value: float) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits.
        return "a number that long"


def check_text(name: str, text: str | None) -> None:
    """Refuse half of a surrogate pair, which no encoding can carry."""
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        reason = f"{name} holds half a character (U+{ord(error.object[error.start]):04X} at {error.start}): read the text again as UTF-8"
        raise InvalidRequest(reason, param=name) from None


@message
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str

    def __post_init__(self) -> None:
        """Refuse a text that is none.

        Raises:
            InvalidRequest: says where it is broken.
        """
        check_text("content", self.content)


@message
class GenerateRequest:
    """Go on from a prompt: exactly one of `prompt`, `prompt_token_ids` and `messages`."""

    model: str = DEFAULT_MODEL
    prompt: str | None = None
    prompt_token_ids: tuple[int, ...] | None = None
    messages: tuple[ChatMessage, ...] | None = None
    chat: bool | None = None
    """Whether `prompt` is put to the model as a user's turn; None: if the model has a chat template."""
    options: SamplingOptions = field(default_factory=SamplingOptions)
    attention: bool = False
    """Whether to keep the attention of prompt and completion as it is computed, for questions afterwards."""
    exact: bool = True
    """Whether a request with a seed, run alone, is to say the same to the bit whatever has been read before; without, it
    takes all that is kept of its prompt's beginning, whose numbers may have been rounded in another order."""

    def __post_init__(self) -> None:
        """Refuse none or several prompts, and an empty conversation.

        Raises:
            InvalidRequest: says which.
        """
        given = [name for name in ("prompt", "prompt_token_ids", "messages") if getattr(self, name) is not None]
        if len(given) != 1:
            text = f"give exactly one of prompt, prompt_token_ids and messages, not {' and '.join(given) or 'none'}"
            raise InvalidRequest(text)
        check_text("prompt", self.prompt)
        if self.messages is not None and not self.messages:
            text = "a conversation needs at least one message"
            raise InvalidRequest(text, param="messages")


@message
class LoadRequest:
    """Load a model and keep it."""

    model: str
    dtype: Dtype | None = None
    """None keeps the dtype that the weights are stored in."""


@message
class UnloadRequest:
    """Give a model's memory back."""

    model: str


@message
class CancelRequest:
    """Stop running requests: those named, or all."""

    ids: tuple[str, ...] | None = None


@message
class StopRequest:
    """Stop the model kernel itself; `force` also while others use it."""

    force: bool = False


@message
class TokenizeRequest:
    """Cut a text into the model's tokens, with no model run."""

    text: str
    model: str = DEFAULT_MODEL
    add_special_tokens: bool = True


@message
class NextRequest:
    """The distribution of the token that follows a prompt."""

    prompt: str
    model: str = DEFAULT_MODEL
    k: int = 20

    def __post_init__(self) -> None:
        """Refuse a `k` below 1.

        Raises:
            InvalidRequest: says so.
        """
        check_range("k", self.k, low=1)


@message
class ScoreRequest:
    """The log-likelihood of texts, token by token.

    With `continuations`, item i is the likelihood of `continuations[i]` after `prompts[i]`, the two tokenised apart and
    joined. Without, item i is the likelihood of the whole of `prompts[i]`; its first token has no logprob unless the
    tokenizer puts a token before it.
    """

    prompts: tuple[str, ...] = ()
    prompt_token_ids: tuple[tuple[int, ...], ...] | None = None
    """In place of `prompts`, with continuations: exactly what the model has read before, such as a chat's template."""
    continuations: tuple[str, ...] | None = None
    model: str = DEFAULT_MODEL
    logprobs: int = 0
    """How many alternatives to give for each token, with its rank and the entropy."""

    def __post_init__(self) -> None:
        """Refuse lists of different lengths, and too many alternatives.

        Raises:
            InvalidRequest: gives both lengths, or the largest number.
        """
        check_range("logprobs", self.logprobs, low=0, high=MAX_TOP_LOGPROBS)
        if self.prompt_token_ids is not None and (self.prompts or self.continuations is None):
            text = "prompt_token_ids stand in place of prompts, and need continuations"
            raise InvalidRequest(text, param="prompt_token_ids")
        count = len(self.prompts if self.prompt_token_ids is None else self.prompt_token_ids)
        if self.continuations is not None and len(self.continuations) != count:
            text = f"{count} prompts and {len(self.continuations)} continuations: give one for each"
            raise InvalidRequest(text, param="continuations")


# --- results --------------------------------------------------------------------------------------------------------


@message
class TopLogprob:
    """One of the tokens that the model considered at a place."""

    id: int
    text: str
    logprob: float
    sampling_probability: float | None = None
    """With which it could be drawn, by temperature, top-k and top-p; 0 where these leave it out. None where nothing is drawn."""

    def __repr__(self) -> str:
        return f"TopLogprob({self.text!r}, {self.logprob:.2f})"


@message
class Token:
    """One token as the model sees it.

    In a completion the texts of its tokens, joined, are the completion's text: the pieces of a character have the
    text "" until the last of them, which has the whole character. A special token's text is its name, and no part of
    the completion's.
    """

    id: int
    text: str
    logprob: float | None = None
    """Natural log of the model's own probability (no temperature, no top-p), ≤ 0; None where nothing came before."""
    top_logprobs: tuple[TopLogprob, ...] = ()
    """The most probable tokens at this place, most probable first."""
    bytes: tuple[int, ...] = ()
    """The token's own bytes, where they are not whole characters."""
    special: bool = False
    """Whether it is one of the tokenizer's special tokens."""
    sampling_probability: float | None = None
    """With which it was drawn; like rank and entropy, told where alternatives are asked for."""
    rank: int | None = None
    """How probable the model found it: 1 is the most probable token of all."""
    entropy: float | None = None
    """Of the model's own distribution at this place, in nats: 0 where it is sure of one token."""

    def __repr__(self) -> str:
        return f"Token({self.text!r})" if self.logprob is None else f"Token({self.text!r}, {self.logprob:.2f})"


@message
class Usage:
    """How many tokens a request took."""

    prompt_tokens: int
    completion_tokens: int


@message
class Timing:
    """Where the time of a request went, in seconds."""

    queued: float
    """From its arrival to its first step, loading included."""
    first_token: float
    """From its first step to its first token."""
    total: float
    """From its arrival to its end."""


@message
class TextScore:
    """The log-likelihood of one text (natural log)."""

    tokens: tuple[Token, ...]
    """The tokens that were scored, each with its logprob."""
    logprob: float
    """The sum over those tokens that have one."""


@message
class ModelInfo:
    """A model that can be used."""

    name: str
    """What to call it in `model=`."""
    source: str
    """Its directory, or its id on the hub."""
    loaded: bool
    fingerprint: str = ""
    """Which weights exactly: the hub's commit, or a digest of the local files' inodes and times; and the dtype."""
    architecture: str = ""
    dtype: str = ""
    device: str = ""
    parameters: int = 0
    bytes: int = 0
    """Memory of its weights; for one that isn't loaded, the size of its files."""
    context_length: int = 0
    n_layers: int = 0
    n_heads: int = 0
    vocabulary: int = 0
    chat_template: bool = False
    in_use: int = 0
    """How many requests use it now."""
    idle_seconds: float = 0.0

    def __repr__(self) -> str:
        size = f"{self.bytes / 1e6:,.1f} MB" if self.bytes else ""
        context = f"context {self.context_length:,}" if self.context_length else ""
        parts = ("loaded" if self.loaded else "not loaded", size, self.dtype, self.device, context)
        return f"<ModelInfo {self.name}: {', '.join(filter(None, parts))}>"


@message
class RequestInfo:
    """A request that the model kernel works on."""

    id: str
    model: str
    state: RequestState
    prompt_tokens: int
    generated_tokens: int
    seconds: float


@message
class RunningJob:
    """A fine-tuning job that runs or is queued, in short; `job_protocol` has the rest."""

    name: str
    state: Literal["queued", "running"]
    step: int = 0
    max_steps: int | None = None
    position: int | None = None
    """How many jobs come before it, while it is queued."""


@message
class Memory:
    """What the models may take, and what they take, in bytes."""

    device: str
    budget: int
    weights: int
    process: int
    """Resident memory of the whole process, shared pages of mapped files included."""
    packed: int = 0
    """Copies of weights in a faster order; they and the adapters share the budget of the weights."""
    adapters: int = 0
    captures: int = 0
    """Recorded attentions, which have a budget of their own."""
    captures_budget: int = 0
    running: int = 0
    """Keys and values of the texts that run or are being read."""
    prefixes: int = 0
    """Those of earlier texts, kept for whoever begins the same way."""
    caches_budget: int = 0
    """What both may take together."""


@message
class Status:
    """Who the model kernel is and what it does: the answer of `/health`."""

    state: Literal["ready", "stopping", "stopped"]
    """`stopped` is what a client says when there is none."""
    pid: int | None = None
    version: str = ""
    protocol: int = PROTOCOL_VERSION
    source_hash: str = ""
    """A digest of the package's Python files, so that an edited package never talks to an old process."""
    prefix: str = ""
    """The Python environment it runs in (`sys.prefix`)."""
    address: str = ""
    uptime: float = 0.0
    threads: int = 0
    idle_timeout: float = 0.0
    memory: Memory | None = None
    models: tuple[ModelInfo, ...] = ()
    """The loaded ones."""
    requests: tuple[RequestInfo, ...] = ()
    jobs: tuple[RunningJob, ...] = ()
    """Fine-tuning jobs that run, and then those that are queued."""

    def __repr__(self) -> str:
        process = "" if self.pid is None else f"process {self.pid}"
        models = "" if not self.models else f"models {' '.join(each.name for each in self.models)}"
        requests = "" if not self.requests else f"requests {len(self.requests)}"
        jobs = "" if not self.jobs else f"jobs {' '.join(each.name for each in self.jobs)}"
        parts = (self.state, process, self.address, models, requests, jobs)
        return f"<Status {', '.join(filter(None, parts))}>"


# --- events ---------------------------------------------------------------------------------------------------------


@message
class Progress:
    """How far something is that has to happen first."""

    type: ClassVar[str] = "progress"
    stage: Literal["starting", "downloading", "reading", "queued", "recording", "computing"]
    model: str = ""
    done: int = 0
    total: int = 0
    """In bytes; for `recording` an attention in tokens, for `computing` in heads or tokens; for `queued`, how many
    requests are ahead in `done`, 0 where that is not known."""


@message
class Started:
    """A generation has begun; says what is really used."""

    type: ClassVar[str] = "started"
    id: str
    model: str
    fingerprint: str
    prompt: str
    """The text that the model sees, its chat template filled in; "" when the prompt came as token ids."""
    prompt_token_ids: tuple[int, ...]
    options: SamplingOptions
    """With the seed that was drawn and the length that fits."""


@message
class Tokens:
    """More tokens of one sample."""

    type: ClassVar[str] = "tokens"
    index: int
    """Which of the n samples."""
    tokens: tuple[Token, ...]


@message
class Finished:
    """One sample is complete."""

    type: ClassVar[str] = "finished"
    index: int
    finish_reason: FinishReason
    usage: Usage


@message
class Loaded:
    """A model is there."""

    type: ClassVar[str] = "loaded"
    model: ModelInfo


@message
class Scored:
    """One more text has been scored; they come in order."""

    type: ClassVar[str] = "scored"
    score: TextScore


@message
class Failed:
    """The request failed; OpenAI's error object. Nothing comes after it."""

    type: ClassVar[str] = "failed"
    error: dict[str, Any]


@message
class Done:
    """The request is complete. Nothing comes after it."""

    type: ClassVar[str] = "done"
    timing: Timing | None = None


Event = Progress | Started | Tokens | Finished | Loaded | Scored | Failed | Done

EVENT_TYPES: dict[str, type[Any]] = {cls.type: cls for cls in typing.get_args(Event)}


def encode(value: Any) -> dict[str, Any]:
    """Return a request or result as what `json.dumps` takes."""
    return dataclasses.asdict(value)


def encode_event(event: Any, seq: int) -> dict[str, Any]:
    """Return an event with its type and its number in the stream."""
    return {"type": event.type, "seq": seq, **dataclasses.asdict(event)}


def decode_event(data: dict[str, Any], known: Mapping[str, type[Any]] = EVENT_TYPES) -> Any:
    """Return the event, or None for a type that is not among the known ones: it is of a later version."""
    cls = known.get(str(data.get("type")))
    return None if cls is None else decode(cls, data)


# --- adapters -------------------------------------------------------------------------------------------------------


@message
class AdapterInfo:
    """An adapter that can be used: LoRA weights on a model, asked for as `model+name`."""

    name: str
    """What to call it after the `+`."""
    source: str
    """Its directory."""
    base: str = ""
    """The model that it was trained on, as its config names it; whether it fits another is a question of shapes."""
    rank: int = 0
    """Where its layers differ, the config's."""
    parameters: int = 0
    bytes: int = 0
    """Memory of its weights; for one that isn't loaded, the size of its file."""
    digest: str = ""
    """Which weights exactly: sha256 over config and weights."""
    steps: tuple[int, ...] = ()
    """The steps of its training that can be used as `name:step`; without one, the newest."""
    best: int | None = None
    """The step that `name:best` is."""
    models: tuple[str, ...] = ()
    """The models beside which it is loaded."""
    in_use: int = 0
    """How many requests use it now."""
    problem: Literal["pickled", "damaged", "incomplete"] | None = None
    """What is wrong with its files; loading it says more."""

    @property
    def loaded(self) -> bool:
        """Whether it is in memory."""
        return bool(self.models)

    def __repr__(self) -> str:
        size = f"{self.bytes / 1e6:,.1f} MB" if self.bytes else ""
        state = "loaded" if self.loaded else self.problem or "not loaded"
        parts = (state, f"rank {self.rank}" if self.rank else "", size, self.base)
        return f"<AdapterInfo {self.name}: {', '.join(filter(None, parts))}>"

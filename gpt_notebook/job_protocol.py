"""The protocol's part for fine-tuning: what jobs are asked and told, and what a model will see of the data.

Data goes another way than bodies: as lines of JSON that stream to `DATA_PATH` under a limit of their own. They are known by
their sha256 afterwards. A line is `{"text": …}`, `{"prompt": …, "completion": …}` or `{"messages": [{"role": …, "content": …}]}`.

Otherwise as in `protocol`: frozen, strict, a stream numbered and ended by `done` or `failed`. What is recorded of a job is in
`job_events`. Longer than a file should be, for the same reason as `protocol`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import field
from typing import Any, ClassVar, Literal

from gpt_notebook.adapter_places import NAME
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import DEFAULT_MODEL, Dtype, Token, check_range, check_text, message

DATA_PATH = "/v1/jobs/data"
"""Takes lines of JSON as its body, of any length, and answers with `DataInfo`."""

COLUMNS = ("text", "prompt", "completion", "messages")
"""What a row is made of."""
MAX_PROBES = 16
REPEATED = "repeated: what occurs twice is learned twice"
RUN_TOGETHER = "with no space between prompt and completion: the two run together"
"""How two warnings of a preview end: the one is shown faintly, for the other the notebook's side has better advice."""
MAX_PREVIEWED = 50
"""Samples that a preview shows whole."""

Method = Literal["lora", "full"]
JobState = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
ENDED: tuple[JobState, ...] = ("succeeded", "failed", "cancelled")
Reason = Literal["user", "stopped", "early_stopping", "disk_full", "oom", "died", "not_finite", "error", "forgotten"]
"""Why a job is in a state: `stopped` is an end that was asked for, with what there was; `died` a process that has gone without
a word; `not_finite` a loss that is no number any more."""
CommandName = Literal["pause", "resume", "stop", "cancel", "learning_rate", "max_steps"]
TooLong = Literal["split", "cut", "drop", "refuse"]
"""What becomes of a row that is longer than a sample may be. `split` makes several samples of a text, so that nothing of it is
lost. What can't be split is cut, as with `cut`: a text loses its end; where only an answer counts, what comes before it loses
its beginning, and only an answer that is too long by itself its end."""
Schedule = Literal["linear", "cosine", "constant"]


# --- requests -------------------------------------------------------------------------------------------------------


@message
class LoraOptions:
    """What a low-rank adapter is made of."""

    rank: int = 8
    alpha: float | None = None
    """Its output is scaled by alpha / rank; None: twice the rank."""
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None
    """Ends of the names of the layers that get one; None: all linear layers but the head."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_range("lora.rank", self.rank, low=1, high=1024)
        if self.alpha is not None:
            check_range("lora.alpha", self.alpha, above=0, high=1e6)
        check_range("lora.dropout", self.dropout, low=0, high=0.9)
        if self.targets is not None and not all(self.targets):
            text = "lora.targets must name layers: leave it out for all linear layers"
            raise InvalidRequest(text, param="lora.targets")


_STEPS: dict[str, float] = {"low": 1, "high": 10**12}
_SAMPLES: dict[str, float] = {"low": 1, "high": 10**9}
_RATES: dict[str, float] = {"above": 0, "high": 1e9}
LIMITS: dict[str, dict[str, float]] = {
    **dict.fromkeys(
        ("max_steps", "validate_every", "early_stopping", "save_every", "probe_every", "keep_last"), _STEPS
    ),
    **dict.fromkeys(("warmup_steps", "keep_best"), _STEPS | {"low": 0}),
    **dict.fromkeys(("batch_size", "micro_batch_size"), _SAMPLES),
    **dict.fromkeys(("epochs", "learning_rate"), _RATES),
    "max_length": _SAMPLES | {"low": 2},
    "seed": {"low": 0, "high": 2**32 - 1},
    "validation_share": {"low": 0, "high": 0.9},
    "probe_tokens": {"low": 1, "high": 1000},
}
"""Between what the numbers of `JobOptions` are: more than any training has, and few enough to be counted with anywhere."""


@message
class JobOptions:
    """How to train. None is chosen by the job, which says what it chose when it begins."""

    method: Method = "lora"
    """`lora` makes an adapter, `full` a model."""
    epochs: float | None = None
    max_steps: int | None = None
    """Optimizer steps; wins over `epochs`."""
    learning_rate: float | None = None
    schedule: Schedule = "linear"
    """How the learning rate falls from its highest to 0; `constant` stays there."""
    warmup_steps: int | None = None
    """Steps in which it rises."""
    batch_size: int | None = None
    """Samples a step."""
    micro_batch_size: int | None = None
    """Of these, samples that are computed together; it becomes half as many each time the memory does not suffice."""
    max_length: int | None = None
    """Tokens of a sample, at most the model's context; None: that, but no more than 1024."""
    too_long: TooLong = "split"
    """What becomes of longer ones."""
    chat: bool | None = None
    """Whether a prompt is put to the model as a user's turn and its completion as the answer; None: if the model has a chat
    template, as when it generates."""
    packing: bool | None = None
    """Whether samples are laid end to end instead of padded; None: where a trial says that they don't see each other."""
    lora: LoraOptions = field(default_factory=LoraOptions)
    dtype: Dtype | None = None
    """Of the products; None: bfloat16 where this machine is faster with it and the model is not small."""
    gradient_checkpointing: bool = False
    seed: int = 0
    validation_share: float = 0.0
    """How much of the data is kept for validation where no validation data are given."""
    validate_every: int | None = None
    """Steps between two validations."""
    early_stopping: int | None = None
    """Ends after so many validations without a better one."""
    save_every: int | None = None
    """Steps between two checkpoints."""
    keep_last: int = 2
    """Of how many of the newest checkpoints the resume state stays."""
    keep_best: int = 1
    """Of how many of the best besides."""
    probes: tuple[str, ...] = ()
    """Prompts that are gone on from before the first step and every `probe_every` steps, always alike."""
    probe_every: int | None = None
    probe_tokens: int = 60
    training_arguments: dict[str, Any] = field(default_factory=dict)
    """Anything else that `transformers.TrainingArguments` takes."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InvalidRequest: names the option, its value and what is possible.
        """
        for name, limits in LIMITS.items():
            if (value := getattr(self, name)) is not None:
                check_range(name, value, **limits)
        if len(self.probes) > MAX_PROBES:
            text = f"at most {MAX_PROBES} probes, not {len(self.probes)}"
            raise InvalidRequest(text, param="probes")
        for probe in self.probes:
            check_text("probes", probe)


@message
class JobRequest:
    """Start a job; or attach to the one that has this name, these data and these options already."""

    data: str
    """The sha256 of what was sent to `DATA_PATH`."""
    validation: str | None = None
    """Likewise, of the validation data."""
    model: str = DEFAULT_MODEL
    """The base; with an adapter it goes on from that one."""
    name: str | None = None
    """What the job and its adapter (or model) are called; None: the job of the same data and options, or a new name."""
    options: JobOptions = field(default_factory=JobOptions)
    force: bool = False
    """Whether a job of this name goes on with other data or options than it was begun with."""
    columns: dict[str, str] = field(default_factory=dict)
    """By `COLUMNS`: from which columns, or by which templates, the rows were made, so that others can be made alike. Rows tell
    what a job is; this doesn't, and two requests that differ in it alone are the same."""

    def __post_init__(self) -> None:
        """Refuse a name that is none."""
        if unknown := [name for name in self.columns if name not in COLUMNS]:
            text = f"columns says where {', '.join(COLUMNS)} are from, not {unknown[0]!r}"
            raise InvalidRequest(text, param="columns")
        check_digest("data", self.data)
        if self.validation is not None:
            check_digest("validation", self.validation)
        if self.name is not None:
            check_name(self.name)

    @property
    def measured_on(self) -> str | None:
        """Which samples validations measure, as a digest: only losses on the same can be compared. None: there are none."""
        options = self.options
        if self.validation is None and not options.validation_share:
            return None
        held_out = self.validation or [self.data, options.validation_share, options.seed]
        said = [held_out, options.max_length, options.too_long, options.chat]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@message
class CommandRequest:
    """Tell a job something; answered with `CommandTaken`, and acknowledged by a `CommandDone` among the job's events."""

    job: str
    command: CommandName
    value: float | None = None
    """The new learning rate, or the new number of steps."""

    def __post_init__(self) -> None:
        """Refuse a number where none belongs, and none where one does."""
        needed = self.command in ("learning_rate", "max_steps")
        if needed and self.value is None:
            text = f"{self.command} needs its new value"
            raise InvalidRequest(text, param="value")
        if not needed and self.value is not None:
            text = f"{self.command} takes no value"
            raise InvalidRequest(text, param="value")
        if self.value is not None:
            check_range(self.command, self.value, above=0, high=1e12)
        if self.command == "max_steps" and self.value != int(self.value or 0):
            text = f"max_steps must be a whole number, not {self.value}"
            raise InvalidRequest(text, param="value")


@message
class EventsRequest:
    """What has been recorded of a job; answered with a stream of its events, each once, in their order."""

    job: str
    after: int = 0
    """The number of the last event that is known already."""
    follow: bool = False
    """Whether to wait for more until the job has ended or paused."""


@message
class ForgetRequest:
    """Delete a job with its checkpoints, and with the adapter or the model that it has made."""

    job: str


@message
class PreviewRequest:
    """What a model would see of data, and what a job would take; answered with `Preview`."""

    data: str
    validation: str | None = None
    model: str = DEFAULT_MODEL
    options: JobOptions = field(default_factory=JobOptions)
    samples: int = 3
    """How many samples to show whole."""

    def __post_init__(self) -> None:
        """Refuse more than one would look at."""
        check_digest("data", self.data)
        check_range("samples", self.samples, low=0, high=MAX_PREVIEWED)


@message
class EvaluateRequest:
    """Measure a model on data, as a validation does; answered with a stream of `Evaluated`, one for each sample."""

    data: str
    model: str = DEFAULT_MODEL
    max_length: int | None = None
    too_long: TooLong = "split"
    chat: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is no digest."""
        check_digest("data", self.data)


@message
class RenameAdapterRequest:
    """Give an adapter, and the job that made it, another name."""

    name: str
    new_name: str

    def __post_init__(self) -> None:
        """Refuse a name that is none."""
        check_name(self.new_name)


@message
class DeleteAdapterRequest:
    """Delete an adapter, or one of its steps."""

    name: str
    step: int | None = None


@message
class ExportRequest:
    """Write a model with its adapter for others to load; answered with a stream of `Progress` and one `Exported`."""

    model: str
    """A model string with an adapter, or a model that a job has made."""
    directory: str
    """Absolute, on the machine of the model kernel; nothing may be there, or an empty directory."""
    merged: bool = False
    """Whether to add the adapter to the weights; otherwise it is written as peft does."""


# --- answers --------------------------------------------------------------------------------------------------------


@message
class DataInfo:
    """Data that the model kernel has."""

    digest: str
    """sha256 of its lines."""
    rows: int
    bytes: int


@message
class CheckpointInfo:
    """A checkpoint that was acknowledged, and is still there."""

    step: int
    bytes: int
    digest: str
    """Of an adapter what its identity is, of a model the sha256 of its manifest."""
    can_resume: bool
    """Whether its resume state has been kept."""
    loss: float | None = None
    """Of the validation at its step."""
    best: bool = False


@message
class Estimate:
    """What a job takes, as far as can be told before."""

    bytes: int
    """Memory of the device at its peak."""
    weights: int
    training_state: int
    """Gradients and the optimizer's moments."""
    activations: int
    seconds: float
    """Of the whole training."""
    steps: int
    tokens: int
    """That are computed in all steps together."""
    free: int
    """Memory of the device that is free, or would be when idle models leave."""


@message
class JobInfo:
    """A job as it is now."""

    id: str
    """Made once; a name can change."""
    name: str
    model: str
    state: JobState
    reason: Reason | None = None
    message: str | None = None
    """One line more about the state, with the next action where there is one."""
    options: JobOptions
    """What was asked for."""
    columns: dict[str, str] = field(default_factory=dict)
    """From which columns, or by which templates, its rows were made; {} where nobody said."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """What the job chose where nothing was asked for, and what commands have changed since."""
    result: str | None = None
    """The model string of what it has made so far: `model+name`, or a model's name; None before the first checkpoint."""
    directory: str
    pid: int | None = None
    """Of the process that runs it now."""
    attempt: int = 0
    position: int | None = None
    """How many jobs come before it, while it is queued."""
    step: int = 0
    max_steps: int | None = None
    epoch: float = 0.0
    loss: float | None = None
    """Of the last step."""
    learning_rate: float | None = None
    """Of the last step, or what it was set to since."""
    validation_loss: float | None = None
    best_step: int | None = None
    checkpoints: tuple[CheckpointInfo, ...] = ()
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    created: float
    """Seconds since 1970, as all times."""
    started: float | None = None
    ended: float | None = None


@message
class JobStarted:
    """A job is there."""

    job: JobInfo
    attached: bool
    """Whether it was there before."""
    resumed: bool = False
    """Whether its process had died, and it goes on now."""


@message
class CommandTaken:
    """A command has been written down for a job."""

    number: int
    """Which `CommandDone` acknowledges it."""


@message
class PreviewedSample:
    """A sample exactly as the model sees it."""

    row: int
    text: str
    tokens: tuple[Token, ...]
    counted: tuple[bool, ...]
    """Of each token, whether it counts in the loss."""
    cut: int = 0
    """How many tokens were left out."""


@message
class Preview:
    """What a model would see of data."""

    rows: int
    samples: int
    """Rows less those that were dropped, and a text that was split as often as it has parts."""
    tokens: int
    counted: int
    """Of these, tokens that count in the loss."""
    max_length: int
    lengths: tuple[int, ...]
    """The shortest, the quartiles and the longest, before anything is cut."""
    cut: int
    """Samples that lose some of their tokens."""
    dropped: int
    split: int = 0
    """Texts that become several samples."""
    validation_samples: int
    shown: tuple[PreviewedSample, ...]
    estimate: Estimate
    warnings: tuple[str, ...] = ()
    """Such as labels that occur once."""


@message
class Evaluated:
    """What a model makes of one sample."""

    type: ClassVar[str] = "evaluated"
    row: int
    loss: float
    """The sum over its counted tokens of their negative natural-log probability."""
    tokens: int
    """How many those are."""
    correct: int
    """For how many of them the most probable token was the right one."""
    cut: int = 0


@message
class Exported:
    """What was written."""

    type: ClassVar[str] = "exported"
    directory: str
    files: tuple[str, ...]
    bytes: int


PATHS: dict[type[Any], str] = {
    JobRequest: "/v1/jobs/start",
    CommandRequest: "/v1/jobs/command",
    EventsRequest: "/v1/jobs/events",
    ForgetRequest: "/v1/jobs/forget",
    PreviewRequest: "/v1/jobs/preview",
    EvaluateRequest: "/v1/evaluate",
    RenameAdapterRequest: "/v1/adapters/rename",
    DeleteAdapterRequest: "/v1/adapters/delete",
    ExportRequest: "/v1/export",
}
LIST_PATH = "/v1/jobs"
"""GET: `{"jobs": [JobInfo, …]}`, the newest first; with `?job=` the one of an id or a name, if it is there."""


def check_name(name: str) -> None:
    """Refuse what a job can't be called.

    Raises:
        InvalidRequest: says what is allowed.
    """
    if not NAME.fullmatch(name):
        text = f"{name[:80]!r} is no name for a job: use up to 64 lower-case letters, digits and . _ - (not first)"
        raise InvalidRequest(text, param="name")


def check_digest(param: str, digest: str) -> None:
    """Refuse what is no sha256 in hexadecimal.

    Raises:
        InvalidRequest: it is none.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        text = f"{param} must be the sha256 that {DATA_PATH} answered with, not {digest[:80]!r}"
        raise InvalidRequest(text, param=param)

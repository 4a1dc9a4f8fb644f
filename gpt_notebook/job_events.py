"""The protocol's part for fine-tuning that is written down: what is recorded of a job.

A job's events are the same on disk and on the wire: one a line in the job's `events.jsonl`, and one a line of the stream
that `EventsRequest` asks for. Each has a `number` that counts up from 1 and never twice, the `attempt` in which it was
recorded (an attempt is one process: a job that was paused or has died goes on in the next), and its time. Of the steps
that two attempts have done, the later one's count: `job_files.history` reads them so.

What other streams about jobs say is here, too.
"""

from __future__ import annotations

import typing
from typing import Any, ClassVar

from gpt_notebook.job_protocol import CommandName, Estimate, Evaluated, Exported, JobState, Reason
from gpt_notebook.protocol import Done, Failed, Progress, message


@message
class Recorded:
    """What every event of a job has."""

    number: int
    attempt: int
    time: float


@message
class StateChanged(Recorded):
    """A job has come into a state."""

    type: ClassVar[str] = "state"
    state: JobState
    reason: Reason | None = None
    message: str | None = None
    step: int = 0


@message
class Prepared(Recorded):
    """An attempt has read its data and chosen what was left to it, and begins with the step after `step`."""

    type: ClassVar[str] = "prepared"
    step: int
    max_steps: int
    samples: int
    validation_samples: int
    tokens: int
    """Of all samples, once."""
    counted: int
    cut: int
    dropped: int
    split: int = 0
    trainable: int
    """Parameters that change."""
    parameters: int
    chosen: dict[str, Any]
    estimate: Estimate
    threads: int
    device: str


@message
class StepDone(Recorded):
    """An optimizer step has been done."""

    type: ClassVar[str] = "step"
    step: int
    epoch: float
    loss: float
    """The mean over the counted tokens of the step, before its update."""
    learning_rate: float
    grad_norm: float | None
    """Before clipping."""
    tokens: int
    """That were computed in it, padding not counted."""
    seconds: float
    memory: int
    """Bytes that the process, or on a GPU its tensors, had at most so far."""


@message
class Validated(Recorded):
    """A validation has been done."""

    type: ClassVar[str] = "validation"
    step: int
    loss: float | None
    """The mean over all counted tokens; None: it was NaN or infinite, and so of the next two."""
    perplexity: float | None
    accuracy: float | None
    """The share of the counted tokens that were the most probable ones."""
    tokens: int
    seconds: float
    best: bool
    """Whether no earlier one on the same samples was better."""
    measured_on: str | None = None
    """Which samples those are: `JobRequest.measured_on`; None: an earlier version did not say."""


@message
class Probed(Recorded):
    """What the model makes of a probe."""

    type: ClassVar[str] = "probe"
    step: int
    index: int
    prompt: str
    text: str
    """What follows the prompt."""


@message
class CheckpointSaved(Recorded):
    """A checkpoint is whole on disk: acknowledged."""

    type: ClassVar[str] = "checkpoint"
    step: int
    bytes: int
    digest: str
    seconds: float
    loss: float | None = None


@message
class CheckpointPruned(Recorded):
    """The resume state of a checkpoint has been let go, or with `gone` all of it."""

    type: ClassVar[str] = "pruned"
    step: int
    gone: bool = False


@message
class CommandDone(Recorded):
    """A command has been obeyed, or could not be."""

    type: ClassVar[str] = "command"
    command_number: int
    command: CommandName
    value: float | None = None
    obeyed: bool
    message: str | None = None
    step: int = 0


@message
class MemoryShort(Recorded):
    """The memory did not suffice; the job goes on from `step` with fewer samples at a time."""

    type: ClassVar[str] = "out_of_memory"
    step: int
    micro_batch_size: int
    """From now on."""
    accumulation: int
    """How many of them make a step."""


@message
class Noted(Recorded):
    """Something that whoever looks at a job should know."""

    type: ClassVar[str] = "note"
    message: str
    step: int = 0


JobEvent = (
    StateChanged
    | Prepared
    | StepDone
    | Validated
    | Probed
    | CheckpointSaved
    | CheckpointPruned
    | CommandDone
    | MemoryShort
    | Noted
    | Failed
    | Done
)
EvaluationEvent = Progress | Evaluated | Failed | Done
ExportEvent = Progress | Exported | Failed | Done

EVENT_TYPES: dict[str, type[Any]] = {
    cls.type: cls for union in (JobEvent, EvaluationEvent, ExportEvent) for cls in typing.get_args(union)
}

"""What is drawn of a job, packed: a row of numbers for each step, and a bounded number of marks and probes.

Takes the job's events in their order and keeps none of them, so that 100,000 steps are less than 3 MB. Steps that a later
attempt does again replace those of the earlier one, as `job_files.history` counts them. A view that knows how it was after
some event is told only what has changed since.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from gpt_notebook.fine_tuning.marks import KINDS, Mark, Marked
from gpt_notebook.fine_tuning.training_clock import TrainingClock
from gpt_notebook.job_events import JobEvent, MemoryShort, Prepared, Probed, Recorded, StepDone

COLUMNS = ("step", "loss", "learning_rate", "grad_norm", "tokens_per_second", "memory", "seconds")
"""The numbers of a row: loss in nats a token, memory in bytes, seconds of training so far, pauses left out."""
WIDTH = len(COLUMNS)

MAX_MARKS: Mapping[str, int] = {"validation": 2000, "checkpoint": 1000}
"""Of a kind of marks the newest so many stay."""
MAX_OTHER_MARKS = 500
MAX_PROBES = 2000
MAX_PROBE_CHARACTERS = 500_000
"""Of all probes that stay, prompts not counted: they are the same each time."""
MAX_TURNS = 64
"""How often a job has gone back that is still known step by step; who knows less is told everything again."""


class _Probe(NamedTuple):
    """What became of a probe."""

    number: int
    step: int
    prompt: int
    text: str


@dataclass(frozen=True)
class Turn:
    """A job has gone back: what an earlier attempt did from a step on doesn't count any more."""

    number: int
    """Of the event that told."""
    rows: int
    """How many rows were left."""
    step: int
    """The first step that doesn't count."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What has changed since an event."""

    number: int
    """Of the last event that is told of."""
    row: int
    """Rows from this one on are replaced."""
    rows: array[float]
    """(row, column), flat."""
    rewound_to: int | None
    """Marks and probes of this step and later ones are taken back first; None: none."""
    marks: list[Mark]
    probes: list[Mark]
    omitted: int
    """How many marks and probes of the whole history were left out."""


class Curve:
    """The rows, marks and probes of a job, as its events come."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.number = 0
        """Of the last event."""
        self.omitted = 0
        self.rows = array("f")
        self._marks: list[Marked] = []
        self._probes: list[_Probe] = []
        self._prompts: dict[int, str] = {}
        self._counts: dict[str, int] = {}
        self._characters = 0
        self._turns: deque[Turn] = deque(maxlen=MAX_TURNS)
        self._forgotten = 0
        """The number of the newest turn that is not known any more."""
        self._clock = TrainingClock()

    @classmethod
    def of(cls, events: Iterable[JobEvent]) -> Self:
        """Return the curve of events that come in their order."""
        curve = cls()
        for event in events:
            curve.add(event)
        return curve

    def __len__(self) -> int:
        return len(self.rows) // WIDTH

    @property
    def marks(self) -> list[Mark]:
        """What has happened now and then, in its order."""
        return [each.told() for each in self._marks]

    @property
    def probes(self) -> list[Mark]:
        """What became of the probes: `number`, `step`, `index`, `prompt` and `text` of each."""
        return list(map(self._told, self._probes))

    def column(self, name: str) -> array[float]:
        """Return a column of `COLUMNS`, a number for each row."""
        return self.rows[COLUMNS.index(name) :: WIDTH]

    def add(self, event: JobEvent) -> None:
        """Take one more event; one that was taken already changes nothing."""
        if not isinstance(event, Recorded) or event.number <= self.number:
            return
        self.number = event.number
        seconds = self._clock.seconds(event)
        match event:
            case StepDone():
                self._add_step(event, seconds)
            case Prepared() | MemoryShort():
                self._go_back(event.step, event.number)
            case Probed():
                self._add_probe(event)
        if isinstance(event, tuple(KINDS)):
            self._add_mark(Marked(event, round(seconds, 3)))

    def since(self, *, number: int, rows: int) -> Changes:
        """Return what has changed for somebody who knows the events up to a number, and so many rows."""
        turns = [turn for turn in self._turns if turn.number > number]
        first = min([rows, len(self), *(turn.rows for turn in turns)])
        back = min((turn.step for turn in turns), default=None)
        knows_more = number > self.number or rows > max([len(self), *(turn.rows for turn in turns)])
        if number < self._forgotten or (knows_more and not turns) or number <= 0:
            number, first, back = 0, 0, 0

        marks, probes = self._marks, self._probes
        if back is None:  # Only the last of them can be new: of a long history most are not looked at.
            marks = marks[bisect_right(marks, number, key=lambda each: each.event.number) :]
            probes = probes[bisect_right(probes, number, key=lambda each: each.number) :]
        return Changes(
            number=self.number,
            row=first,
            rows=self.rows[first * WIDTH :],
            rewound_to=back,
            marks=[each.told() for each in marks if each.event.number > number or each.step >= (back or 0)],
            probes=[self._told(each) for each in probes if each.number > number or each.step >= (back or 0)],
            omitted=self.omitted,
        )

    # --- taking events ----------------------------------------------------------------------------------------------

    def _add_step(self, event: StepDone, seconds: float) -> None:
        if self.rows and event.step <= self.rows[-WIDTH]:
            self._go_back(event.step - 1, event.number)
        speed = event.tokens / event.seconds if event.seconds > 0 else math.nan
        numbers = (event.step, event.loss, event.learning_rate, event.grad_norm, speed, event.memory, seconds)
        self.rows.extend(math.nan if number is None else number for number in numbers)

    def _add_mark(self, mark: Marked) -> None:
        kind = mark.kind
        if kind in MAX_MARKS and (again := self._same(mark)) is not None:
            # Of two validations of one step the later counts.
            self._turn(Turn(mark.event.number, len(self), mark.step))
            del self._marks[again]
            self._counts[kind] -= 1
        self._marks.append(mark)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] > MAX_MARKS.get(kind, MAX_OTHER_MARKS):
            cls = type(mark.event)
            del self._marks[next(place for place, each in enumerate(self._marks) if type(each.event) is cls)]
            self._counts[kind] -= 1
            self.omitted += 1

    def _same(self, mark: Marked) -> int | None:
        """Return where there is a mark already that this one takes the place of."""
        for place in range(len(self._marks) - 1, -1, -1):
            each = self._marks[place]
            if type(each.event) is type(mark.event) and each.step <= mark.step:
                samples = [getattr(one.event, "measured_on", None) for one in (each, mark)]
                return place if each.step == mark.step and samples[0] == samples[1] else None
        return None

    def _add_probe(self, event: Probed) -> None:
        for place in range(len(self._probes) - 1, -1, -1):
            each = self._probes[place]
            if each.step < event.step:
                break
            if (each.step, each.prompt) == (event.step, event.index):
                self._drop_probe(place)
        self._prompts[event.index] = event.prompt
        self._probes.append(_Probe(event.number, event.step, event.index, event.text))
        self._characters += len(event.text)
        while len(self._probes) > MAX_PROBES or self._characters > MAX_PROBE_CHARACTERS:
            # The first round stays: the others are compared with it.
            first = self._probes[0].step
            self._drop_probe(next((place for place, each in enumerate(self._probes) if each.step != first), 0))
            self.omitted += 1

    def _drop_probe(self, place: int) -> None:
        self._characters -= len(self._probes[place].text)
        del self._probes[place]

    def _told(self, probe: _Probe) -> Mark:
        number, step, index, text = probe
        return {"number": number, "step": step, "index": index, "prompt": self._prompts[index], "text": text}

    def _go_back(self, step: int, number: int) -> None:
        """Let what came after a step not count any more."""
        left = len(self)
        while left and self.rows[(left - 1) * WIDTH] > step:
            left -= 1
        marks = [each for each in self._marks if each.kind not in MAX_MARKS or each.step <= step]
        probes = [each for each in self._probes if each.step <= step]
        if left == len(self) and len(marks) == len(self._marks) and len(probes) == len(self._probes):
            return
        del self.rows[left * WIDTH :]
        self._marks, self._probes = marks, probes
        for kind in MAX_MARKS:
            self._counts[kind] = sum(each.kind == kind for each in marks)
        self._characters = sum(len(each.text) for each in probes)
        self._turn(Turn(number, left, step + 1))

    def _turn(self, turn: Turn) -> None:
        if len(self._turns) == MAX_TURNS:
            self._forgotten = self._turns[0].number
        self._turns.append(turn)

"""What can be done next about a job, as data: a notebook spells it as a call, a terminal as a command.

Messages travel from processes that don't know who will read them. So they say in plain words what to do, which is true
everywhere, and carry how it is done beside the words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Verb = Literal["finetune", "list", "show", "wait", "pause", "resume", "stop"]
"""Start a job, list all, show one; the others tell one something."""

_CALLS = {"finetune": "gpt.finetune(data, name='…')", "list": "gpt.jobs()"}


@dataclass(frozen=True)
class NextAction:
    """Something that can be done about a job."""

    verb: Verb
    job: str | None = None
    """The name of the job, where it is a certain one."""

    def call(self) -> str:
        """Return it as a notebook spells it; `job` is a `gpt.Job` there."""
        if self.verb == "show":
            return f"gpt.job({'name' if self.job is None else repr(self.job)})"
        return _CALLS.get(self.verb, f"job.{self.verb}()")

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> NextAction | None:
        """Return what can be done next; None where there is nothing, or nothing that is known here."""
        if not isinstance(data, dict) or data.get("verb") not in get_args(Verb):
            return None
        job = data.get("job")
        return cls(data["verb"], job if isinstance(job, str) else None)


Spelling = Callable[[NextAction], str]
"""How a front end spells what can be done."""

"""Where everything of a job is, and its `job.json`.

    HOME/jobs/NAME/job.json           what the job is: written once
    HOME/jobs/NAME/data.jsonl         its data as they were sent; validation.jsonl likewise
    HOME/jobs/NAME/events.jsonl       what has happened: the truth
    HOME/jobs/NAME/control.jsonl      what it was told
    HOME/jobs/NAME/lock               held by its process for as long as that lives
    HOME/jobs/NAME/log.txt            what its process has to say
    HOME/jobs/NAME/checkpoints/STEP/  what it has made
    HOME/jobs/NAME/best               the best of these steps, in digits

Data are in HOME/jobs/.data, a file for each sha256, of which a job's are hard links.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_notebook import adapter_places
from gpt_notebook.errors import JobError, JobNotFound
from gpt_notebook.job_files.disk import Disk, opened
from gpt_notebook.job_protocol import JobRequest, check_name
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import decode, encode

MOST_BYTES = 16 * 1024**2
"""Of a job.json; probes and other people's options are not longer."""


@dataclass(frozen=True, kw_only=True)
class EarlierRequest:
    """What was asked for until a step: what the steps up to there are made of."""

    until: int
    """The step after which it went on with other values."""
    request: JobRequest


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a job is."""

    id: str
    """Made once; a name can change."""
    name: str
    created: float
    """Seconds since 1970."""
    request: JobRequest
    source: str
    """The directory of the base model's files. In a job.json it is relative to HOME if it is below it, so that a home can be
    moved; the adapter's likewise."""
    fingerprint: str
    """Which weights exactly."""
    adapter: str | None = None
    """The directory of the adapter that it goes on from."""
    adapter_digest: str | None = None
    """Which one exactly."""
    before: tuple[EarlierRequest, ...] = ()
    """What it was before other values were forced on it, the oldest first."""

    def to_json(self) -> dict[str, Any]:
        """Return it as what `json.dumps` takes."""
        return encode(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> JobSpec:
        """Return what `to_json` gave; fields of a later version are ignored.

        Raises:
            InvalidRequest: an option has an impossible value.
            TypeError: a field is missing, or has a value of another type.
        """
        spec = decode(cls, data)
        texts = (spec.id, spec.name, spec.source, spec.fingerprint)
        if not all(isinstance(each, str) for each in texts) or type(spec.created) not in (int, float):
            message = "id, name, source and fingerprint must be texts, and created a number"
            raise TypeError(message)
        if not math.isfinite(spec.created):
            message = f"created must be a time, not {spec.created}"
            raise ValueError(message)
        return spec


@dataclass(frozen=True)
class JobDirectory:
    """The files of a job; making one of these touches nothing."""

    path: Path

    @property
    def name(self) -> str:
        """What the job is called."""
        return self.path.name

    @property
    def home(self) -> Path:
        """Where lasting things are kept: GPT_NOTEBOOK_HOME."""
        return self.path.parent.parent

    @property
    def spec_file(self) -> Path:
        """What the job is."""
        return self.path / "job.json"

    @property
    def events(self) -> Path:
        """What has happened in it."""
        return self.path / "events.jsonl"

    @property
    def control(self) -> Path:
        """What it was told."""
        return self.path / "control.jsonl"

    @property
    def lock(self) -> Path:
        """Held by whoever it belongs to now."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """What its process prints."""
        return self.path / "log.txt"

    @property
    def data(self) -> Path:
        """What it is trained on."""
        return self.path / "data.jsonl"

    @property
    def validation(self) -> Path:
        """What it is measured on, if that was sent."""
        return self.path / "validation.jsonl"

    @property
    def checkpoints(self) -> Path:
        """A directory for each step that was saved."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Names the best step."""
        return self.path / adapter_places.BEST

    def exists(self) -> bool:
        """Whether there is a job."""
        # Unlike that of a Path, it also says so where nobody may look.
        return os.path.isfile(self.spec_file)  # noqa: PTH113

    def create(self) -> None:
        """Make the directory, if it isn't there; only its owner can enter it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        Disk().sync(self.path.parent)

    def spec(self) -> JobSpec:
        """Return what the job is.

        Raises:
            JobNotFound: there is no job.
            JobError: its job.json can't be read.
        """
        try:
            with opened(self.spec_file) as file:
                # Reading makes room for as much as is asked for, at each look at a job.
                length = min(MOST_BYTES, os.fstat(file.fileno()).st_size)
                return self._located(self._own(JobSpec.from_json(json.loads(file.read(length)))))
        except (FileNotFoundError, NotADirectoryError):
            message = f"there is no job {self.name[:80]!r}: look at the list of those there are"
            raise JobNotFound(message, next_action=NextAction("list")) from None
        except Exception as error:  # noqa: BLE001 - anybody may have written anything into it
            message = f"{self.spec_file} cannot be read ({str(error)[:200]}): delete the job {self.name[:80]!r}, or start it again with the option force"
            raise JobError(message) from None

    def _own(self, spec: JobSpec) -> JobSpec:
        """Return what a copy that somebody made of another's directory is: a job of its own, whatever becomes of the other."""
        if spec.name == self.name:
            return spec
        return dataclasses.replace(spec, name=self.name, id=f"{spec.id}-{self.name}")

    def _located(self, spec: JobSpec) -> JobSpec:
        """Return a spec whose paths are where HOME is now."""
        adapter = None if spec.adapter is None else str(self.home / spec.adapter)
        return dataclasses.replace(spec, source=str(self.home / spec.source), adapter=adapter)

    def write_spec(self, spec: JobSpec) -> None:
        """Write what the job is: whole or not at all."""
        adapter = None if spec.adapter is None else self._from_home(spec.adapter)
        written = dataclasses.replace(spec, source=self._from_home(spec.source), adapter=adapter)
        Disk().replace(self.spec_file, json.dumps(written.to_json(), indent=1).encode())

    def _from_home(self, path: str) -> str:
        """Return a path as seen from HOME, if it is below it."""
        homes = (self.home, self.home.resolve())
        return next((str(Path(path).relative_to(home)) for home in homes if Path(path).is_relative_to(home)), path)

    def rename(self, name: str) -> JobDirectory:
        """Give the job another name, which is free, and return its directory of then.

        Raises:
            JobError: its job.json can't be read.
            OSError: it can't be moved, and has the name that it had.
        """
        spec, renamed = self.spec(), JobDirectory(self.path.with_name(name))
        self.path.rename(renamed.path)
        try:
            renamed.write_spec(dataclasses.replace(spec, name=name))
        except BaseException:
            renamed.path.rename(self.path)
            raise
        return renamed

    def best_step(self) -> int | None:
        """Return the best step, if one is known."""
        best = adapter_places.best(self.path)
        return None if best is None else int(best)

    def write_best(self, step: int | None) -> None:
        """Say which step is the best; None: none of those that are left."""
        if step is None:
            self.best.unlink(missing_ok=True)
        else:
            Disk().replace(self.best, str(step).encode())


def jobs_in(home: Path) -> list[JobDirectory]:
    """Return the jobs below a home, by name; a directory without a job.json is none."""
    try:
        found = sorted((home / "jobs").iterdir())
    except OSError:
        return []
    there = (JobDirectory(each) for each in found if adapter_places.NAME.fullmatch(each.name))
    return [each for each in there if each.exists()]


def directory_of(home: Path, name: str) -> JobDirectory:
    """Return the directory of a name, whether or not a job is there.

    Raises:
        InvalidRequest: no job can have the name, which could lead anywhere.
    """
    check_name(name)
    return JobDirectory(home / "jobs" / name)

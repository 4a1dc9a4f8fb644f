"""Checkpoints that are whole or not there: what was acknowledged once can be loaded after any death.

A checkpoint is written beside the others as `.tmp-…`; its manifest, which has the sizes and digests of all its files, comes
last. Then everything is synced, the directory renamed to its step, and the directory of all of them synced. Only then is it
acknowledged, and only then may older ones go. One that takes the place of another of its step lets that stand by as
`.old-…`; one that goes is renamed to `.del-…` first. `clean` finishes whatever a dead process has left in between.

Of its files those that only going on needs are the larger part (an optimizer's state is twice the weights). They can be
let go: the manifest is replaced by one without them, and then they are deleted.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpt_notebook import adapter_places
from gpt_notebook.job_files import manifest, reserve
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.disk import NO_ROOM, TEMPORARY, Disk, walk
from gpt_notebook.job_files.manifest import Manifest
from gpt_notebook.job_protocol import CheckpointInfo

OLD, DELETED = ".old-", ".del-"


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint that is whole on disk."""

    step: int
    bytes: int
    digest: str


class Checkpoints:
    """The checkpoints of a job. Anybody may look; to change them one holds the job's lock."""

    def __init__(self, directory: JobDirectory, *, disk: Disk | None = None) -> None:
        """Touch nothing yet; `disk` is how it is done."""
        self._directory = directory
        self._root = directory.checkpoints
        self._disk = Disk() if disk is None else disk
        self._saved: int | None = None

    def path(self, step: int) -> Path:
        """Return where the checkpoint of a step is, if there is one."""
        return self._root / str(step)

    def steps(self) -> list[int]:
        """Return the steps of those that are there, the newest last."""
        return adapter_places.steps(self._directory.path)

    # --- saving -----------------------------------------------------------------------------------------------------

    def save(self, step: int, write: Callable[[Path], None]) -> Saved:
        """Have a checkpoint written, and return it once it outlasts a power cut.

        Then acknowledge it with a `CheckpointSaved`, and only then `prune`. No checkpoint is newer than the events: those
        that were written before are on the disk first, so write those of its step before.

        Args:
            step: How many steps have been done.
            write: Gets an empty directory, and leaves files in it.

        Raises:
            OSError: such as of a full disk. Nothing is left of it then, and the others are untouched; the same with
                whatever `write` raises.
        """
        if not self._root.exists():
            self._disk.make_directory(self._root)
            self._disk.sync(self._root.parent)
        temporary = self._beside(TEMPORARY, step)
        try:
            self._disk.make_directory(temporary)
            write(temporary)
            saved = self._seal(temporary, step)
            if self._directory.events.exists():
                self._disk.sync(self._directory.events)
            self._put(temporary, step)
        except BaseException:
            # What can't be removed either is left to `clean`: the first error says more.
            with contextlib.suppress(OSError):
                self._remove(temporary)
            raise
        self._saved = step
        return saved

    def _seal(self, temporary: Path, step: int) -> Saved:
        """Write the manifest of what is in a directory, and see that all of it is on the disk."""
        directories = [each for each in walk(temporary) if each.is_dir() and not each.is_symlink()]
        files = [each for each in walk(temporary) if each not in directories]
        sealed = Manifest.of(temporary, files, step=step)
        self._disk.write(temporary / manifest.FILE, sealed.encoded())
        for each in (*files, temporary / manifest.FILE, *reversed(directories), temporary):
            self._disk.sync(each)
        return Saved(step=step, bytes=sealed.size, digest=sealed.digest)

    def _put(self, temporary: Path, step: int) -> None:
        """Give a directory the name of its step; one that has it already stands by until that has lasted."""
        target, old = self.path(step), None
        try:
            if target.exists():
                aside = self._beside(OLD, step)
                self._disk.rename(target, aside)
                old = aside
            self._disk.rename(temporary, target)
            self._disk.sync(self._root)
        except BaseException:
            with contextlib.suppress(OSError):
                if not temporary.exists():
                    target.rename(temporary)
                if old is not None:
                    old.rename(target)
            raise
        if old is not None:
            self._remove(old)

    # --- looking ----------------------------------------------------------------------------------------------------

    def verify(self, step: int, *, resume: bool = False) -> bool:
        """Whether every byte is what was saved; with `resume` also whether it can be gone on from."""
        found = Manifest.read(self.path(step), step)
        return found is not None and bool(found.resume or not resume) and found.holds(self.path(step))

    def newest(self) -> Path | None:
        """Return the newest that verifies and can be gone on from."""
        return next((self.path(step) for step in reversed(self.steps()) if self.verify(step, resume=True)), None)

    def infos(self) -> list[CheckpointInfo]:
        """Return what their manifests say, the newest last; nothing is verified, and `loss` and `best` are left out."""
        return [
            CheckpointInfo(step=step, bytes=found.size, digest=found.digest, can_resume=bool(found.resume))
            for step in self.steps()
            if (found := Manifest.read(self.path(step), step)) is not None
        ]

    # --- letting go -------------------------------------------------------------------------------------------------

    def prune(self, *, keep_last: int, best: Sequence[int] = (), whole: bool = False) -> list[int]:
        """Let go of the resume state of all but the newest `keep_last` and the `best` steps; with `whole`, of everything.

        Those that are later than what was saved last are of a way that the job has left: they count as old.

        Returns:
            The steps of which something went.
        """
        there = self.steps()
        candidates = [step for step in there if self._saved is None or step <= self._saved]
        kept = {*candidates[-keep_last:], *best}
        return [step for step in there if step not in kept and (self._delete(step) if whole else self.let_go(step))]

    def forget(self, step: int) -> None:
        """Delete the checkpoint of a step, if there is one."""
        if self.path(step).exists():
            self._delete(step)
        if self._directory.best_step() == step:
            self._directory.write_best(None)

    def clean(self) -> None:
        """Finish what dead processes have begun: call it when an attempt begins, before `newest`."""
        if not self._root.exists():
            return
        for each in sorted(self._root.iterdir()):
            digits = each.name.removeprefix(OLD).partition("-")[0]
            if each.name.startswith(OLD) and not digits.isdecimal():
                continue  # not ours
            if each.name.startswith(OLD) and not (target := self.path(int(digits))).exists():
                self._disk.rename(each, target)
            elif each.name.startswith((OLD, TEMPORARY, DELETED)):
                self._remove(each)
        self._disk.sync(self._root)
        for step in self.steps():
            self._finish_letting_go(step)
            (self.path(step) / f"{TEMPORARY}{manifest.FILE}").unlink(missing_ok=True)
        for each in self._directory.path.glob(f"{TEMPORARY}*"):
            self._remove(each)

    def let_go(self, step: int) -> bool:
        """Let go of a checkpoint's resume state, and return whether it had any.

        It goes from the manifest first, so that the checkpoint is whole at any moment.
        """
        found = Manifest.read(self.path(step), step)
        if found is None or not found.resume:
            return False
        path, encoded = self.path(step) / manifest.FILE, found.without_resume().encoded()
        try:
            self._disk.replace(path, encoded)
        except OSError as error:
            # On a full disk it is this that makes room, and takes a little first.
            if error.errno not in NO_ROOM or not reserve.release(self._directory.path):
                raise
            self._disk.replace(path, encoded)
        self._finish_letting_go(step)
        return True

    def _finish_letting_go(self, step: int) -> None:
        """Delete the files that a manifest has no more."""
        found = Manifest.read(self.path(step), step)
        for name in () if found is None else found.let_go:
            if (self.path(step) / name).exists():
                self._disk.remove(self.path(step) / name)

    def _delete(self, step: int) -> bool:
        deleted = self._beside(DELETED, step)
        self._disk.rename(self.path(step), deleted)
        self._disk.sync(self._root)
        self._remove(deleted)
        return True

    def _beside(self, start: str, step: int) -> Path:
        """Return a new name that is no step."""
        return self._root / f"{start}{step}-{secrets.token_hex(4)}"

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            self._disk.remove_tree(path)
        else:
            self._disk.remove(path)

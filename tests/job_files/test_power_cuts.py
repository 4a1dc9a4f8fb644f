"""Saving and pruning, replayed operation by operation with the power cut after each, and all that was not synced in doubt."""

from __future__ import annotations

import contextlib
import random
import shutil

import pytest
from job_samples import contents, make_job, step_fields, write_adapter
from power_cuts import Recording, Volume

from gpt_notebook.job_events import StepDone
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal

CUTS = [0.0, 1.0, 0.5, 0.9, 1.0]
"""Which share of the changes of directories lasts: a cut for each, with other draws of what becomes of files."""


def save_and_prune(directory, disk, *, steps, whole, version=0):
    """Save steps one after the other, and note which is acknowledged as what."""
    checkpoints = Checkpoints(directory, disk=disk)
    for step in steps:

        def write(place, step=step):
            for name, content in contents(step + version).items():
                disk.write(place / name, content)

        saved = checkpoints.save(step, write)
        disk.note("acknowledged", step, saved.digest)
        checkpoints.prune(keep_last=1, best=[10], whole=whole)


def recorded(tmp_path, *, before=(), disk=Recording, **options):
    """Return a job with some steps, a volume with it on, and what saving more has done to it."""
    directory = make_job(tmp_path)
    with Journal(directory.events, attempt=1) as events:
        events.write(StepDone, **step_fields(1))
    for step in before:
        Checkpoints(directory).save(step, lambda place, step=step: write_adapter(place, step=step))
    known = {each.step: each.digest for each in Checkpoints(directory).infos()}
    volume, recording = Volume(directory.path), disk(directory.path)
    save_and_prune(directory, recording, **options)
    return known, volume, recording.done


def losses(tmp_path, known, volume, done, *, digests=(), whole=False, cuts=CUTS):
    """Give what would be lost by a power cut after each operation: (operation, …, what)."""
    draws = random.Random(0)
    digests = {*digests, *known.values(), *(each[2] for each in done if each[0] == "acknowledged")}
    for what, *arguments in [("begin",), *done]:
        volume.do(what, *arguments)
        if what == "acknowledged":
            known = {**known, arguments[0]: arguments[1]}
        for share in cuts:
            with after_cut(tmp_path, volume, draws, share) as directory:
                yield from ((what, *arguments[:1], each) for each in missing(directory, known, digests, whole=whole))


@contextlib.contextmanager
def after_cut(tmp_path, volume, draws, share):
    """Give the job that is found when the power comes back."""
    directory = JobDirectory(tmp_path / "after/jobs/pip")
    directory.path.parent.mkdir(parents=True)
    volume.after_cut(directory.path, draws, share)
    yield directory
    shutil.rmtree(tmp_path / "after")


def missing(directory, known, digests, *, whole):
    """Return what of that which was acknowledged does not load any more."""
    checkpoints = Checkpoints(directory)
    checkpoints.clean()
    newest, acknowledged = checkpoints.newest(), max(known, default=0)
    found = []
    if known and (newest is None or int(newest.name) < acknowledged):
        found.append(f"newest of {acknowledged}")
    if any(each.name[0] == "." for each in directory.checkpoints.glob("**/*")):
        found.append("cleanliness")
    if newest is not None and {each.digest for each in checkpoints.infos() if each.step <= acknowledged} - digests:
        found.append("the right bytes")
    # Adapters stay for good; of a model the best one does.
    wanted = [10] if whole else known
    return found + [f"step {step}" for step in wanted if step in known and not checkpoints.verify(step)]


SCENARIOS = {
    "the first": {"steps": [10], "whole": False},
    "an adapter": {"before": (10, 20), "steps": [30, 40], "whole": False},
    "a model": {"before": (10, 20), "steps": [30, 40], "whole": True},
    "a step again": {"before": (10, 20), "steps": [20], "whole": False, "version": 7},
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_wherever_the_power_is_cut_the_newest_acknowledged_checkpoint_loads(tmp_path, scenario):
    known, volume, done = recorded(tmp_path, **scenario)
    assert len(done) > 15
    assert list(losses(tmp_path, known, volume, done, whole=scenario["whole"])) == []


def test_cut_again_while_cleaning_up_nothing_more_is_lost(tmp_path):
    known, volume, done = recorded(tmp_path, **SCENARIOS["a step again"])
    digests = {each[2] for each in done if each[0] == "acknowledged"}
    draws = random.Random(1)
    for what, *arguments in done:
        volume.do(what, *arguments)
        if what == "acknowledged":
            known = {**known, arguments[0]: arguments[1]}
        if what not in ("rename", "remove"):
            continue
        with after_cut(tmp_path, volume, draws, 0.7) as directory:
            again, cleaning = Volume(directory.path), Recording(directory.path)
            Checkpoints(directory, disk=cleaning).clean()
            assert list(losses(tmp_path / "again", known, again, cleaning.done, digests=digests, cuts=CUTS[:3])) == []


class Careless(Recording):
    """A disk on which nothing of a kind is synced."""

    skips = staticmethod(lambda _path: True)

    def sync(self, path):
        if not self.skips(path):
            super().sync(path)


@pytest.mark.parametrize(
    "skips",
    [
        lambda path: path.is_file(),
        lambda path: path.name == "manifest.json",
        lambda path: path.name.startswith(".tmp-") and path.is_dir(),
        lambda path: path.name == "checkpoints",
    ],
    ids=["files", "manifest", "its directory", "the directory of all"],
)
def test_without_any_of_the_syncs_something_would_be_lost(tmp_path, skips):
    careless = type("Careless", (Careless,), {"skips": staticmethod(skips)})
    known, volume, done = recorded(tmp_path, disk=careless, **SCENARIOS["a model"])
    assert next(losses(tmp_path, known, volume, done, whole=True), None) is not None


def test_the_events_of_its_steps_last_before_a_checkpoint_does(tmp_path):
    _, _, done = recorded(tmp_path, steps=[10], whole=False)
    renamed = next(place for place, each in enumerate(done) if each[0] == "rename")
    assert ("sync", ("events.jsonl",)) in done[:renamed]

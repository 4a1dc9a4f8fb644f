"""Checkpoints that are whole or not there."""

from __future__ import annotations

import errno
import hashlib
import json

import pytest
from job_samples import contents, make_job, step_fields, write_adapter

from gpt_notebook import adapter_files
from gpt_notebook.job_events import StateChanged, StepDone
from gpt_notebook.job_files import reserve
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.disk import Disk
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_files.manifest import Manifest
from gpt_notebook.job_protocol import CheckpointInfo

LASTING = {"adapter_config.json", "adapter_model.safetensors"}
RESUME = {"optimizer.pt", "rng_state.pth", "trainer_state.json"}


@pytest.fixture
def directory(tmp_path):
    return make_job(tmp_path)


@pytest.fixture
def checkpoints(directory):
    return Checkpoints(directory)


def save(checkpoints, *steps):
    for step in steps:
        saved = checkpoints.save(step, lambda place, step=step: write_adapter(place, step=step))
    return saved


def files(place):
    return {each.relative_to(place).as_posix() for each in place.rglob("*") if each.is_file()}


def test_what_was_saved_is_there_and_is_what_was_written(directory, checkpoints):
    assert (checkpoints.newest(), checkpoints.steps(), checkpoints.infos()) == (None, [], [])
    saved = save(checkpoints, 9, 10)
    assert checkpoints.steps() == [9, 10]
    assert checkpoints.newest() == checkpoints.path(10) == directory.checkpoints / "10"
    assert files(checkpoints.path(10)) == {*LASTING, *RESUME, "manifest.json"}
    assert saved.bytes == sum(map(len, contents(10).values()))
    assert [each.name for each in directory.checkpoints.iterdir() if each.name[0] == "."] == []


def test_an_adapters_digest_is_its_identity(checkpoints):
    saved = save(checkpoints, 10)
    assert saved.digest == adapter_files.read(checkpoints.path(10)).digest
    assert checkpoints.infos() == [CheckpointInfo(step=10, bytes=saved.bytes, digest=saved.digest, can_resume=True)]


def test_a_models_digest_is_of_its_lasting_files(checkpoints):
    def write(place, optimizer):
        (place / "model.safetensors").write_bytes(b"weights")
        (place / "optimizer.pt").write_bytes(optimizer)

    one, other = (checkpoints.save(step, lambda place, step=step: write(place, b"%d" % step)) for step in (1, 2))
    assert one.digest == other.digest
    lasting = {"model.safetensors": {"bytes": 7, "sha256": hashlib.sha256(b"weights").hexdigest()}}
    assert one.digest == hashlib.sha256(json.dumps(lasting).encode()).hexdigest()


def test_directories_in_a_checkpoint_are_part_of_it(checkpoints):
    def write(place):
        (place / "tokenizer/more").mkdir(parents=True)
        (place / "tokenizer/more/words.json").write_text("[]")
        (place / "tokenizer/optimizer.json").write_text("{}")

    checkpoints.save(1, write)
    assert checkpoints.verify(1)
    assert files(checkpoints.path(1)) == {"tokenizer/more/words.json", "tokenizer/optimizer.json", "manifest.json"}
    checkpoints.save(2, write)
    assert checkpoints.prune(keep_last=1) == [1]
    assert files(checkpoints.path(1)) == {"tokenizer/more/words.json", "manifest.json"}
    assert checkpoints.verify(1)


def test_what_is_no_file_cannot_be_saved(checkpoints):
    with pytest.raises(ValueError, match="not a regular file"):
        checkpoints.save(1, lambda place: (place / "link").symlink_to("/etc/passwd"))
    assert checkpoints.steps() == []


# --- believing nothing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(LASTING | RESUME))
@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "directory"])
def test_one_byte_less_or_another_and_an_older_one_is_taken(checkpoints, name, harm):
    save(checkpoints, 10, 20)
    path = checkpoints.path(20) / name
    content = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(content[:-1])
    elif harm == "flip":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif harm == "directory":
        path.mkdir()
    assert not checkpoints.verify(20)
    assert checkpoints.newest() == checkpoints.path(10)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"step": 20, "digest": "", "lasting": {"x": 1}, "resume": {}, "let_go": []}',
        b'{"step": 20, "digest": "", "lasting": {}, "resume": {}, "let_go": ["../../../job.json"]}',
        b'{"step": 20, "digest": "", "lasting": {}, "resume": {}, "let_go": ["/etc/passwd"]}',
        b'{"step": 10, "digest": "", "lasting": {}, "resume": {}, "let_go": []}',
    ],
)
def test_a_manifest_that_is_none_makes_no_checkpoint(directory, checkpoints, text):
    save(checkpoints, 10, 20)
    (checkpoints.path(20) / "manifest.json").write_bytes(text)
    assert not checkpoints.verify(20)
    assert checkpoints.newest() == checkpoints.path(10)
    assert [each.step for each in checkpoints.infos()] == [10]
    checkpoints.clean()
    assert checkpoints.prune(keep_last=2) == []
    assert directory.exists()


def test_other_files_beside_them_do_no_harm(checkpoints):
    save(checkpoints, 10)
    (checkpoints.path(10) / "notes.txt").write_text("mine")
    checkpoints.clean()
    assert checkpoints.verify(10)
    assert (checkpoints.path(10) / "notes.txt").exists()


# --- letting go -----------------------------------------------------------------------------------------------------


def test_pruning_takes_the_resume_state_and_leaves_the_adapter(checkpoints):
    save(checkpoints, 10, 20, 30, 40, 50)
    digests = [each.digest for each in checkpoints.infos()]
    assert checkpoints.prune(keep_last=2, best=[20]) == [10, 30]
    assert checkpoints.steps() == [10, 20, 30, 40, 50]
    assert [each.can_resume for each in checkpoints.infos()] == [False, True, False, True, True]
    assert [each.digest for each in checkpoints.infos()] == digests
    assert files(checkpoints.path(10)) == {*LASTING, "manifest.json"}
    assert checkpoints.verify(10)
    assert not checkpoints.verify(10, resume=True)
    assert checkpoints.prune(keep_last=2, best=[20]) == []


def test_of_a_model_everything_goes(directory, checkpoints):
    save(checkpoints, 10, 20, 30, 40, 50)
    assert checkpoints.prune(keep_last=2, best=[20], whole=True) == [10, 30]
    assert checkpoints.steps() == [20, 40, 50]
    assert len(list(directory.checkpoints.iterdir())) == 3


def test_one_whose_resume_state_went_is_not_gone_on_from(checkpoints):
    save(checkpoints, 10, 20)
    checkpoints.prune(keep_last=1)
    checkpoints.forget(20)
    assert checkpoints.newest() is None
    assert checkpoints.steps() == [10]


def test_a_damaged_one_of_a_way_that_was_left_takes_no_place_from_those_that_are_whole(directory):
    save(Checkpoints(directory), 10, 20)
    (directory.checkpoints / "20/optimizer.pt").write_bytes(b"")
    resumed = Checkpoints(directory)
    assert resumed.newest() == resumed.path(10)
    save(resumed, 15)
    resumed.prune(keep_last=1)
    assert resumed.newest() == resumed.path(15)


def test_a_manifest_in_which_another_version_says_more_is_read(checkpoints):
    save(checkpoints, 10)
    path = checkpoints.path(10) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "time": 1.5}))
    assert checkpoints.newest() == checkpoints.path(10)
    assert checkpoints.let_go(10)
    assert checkpoints.verify(10)


def test_saved_again_a_step_has_what_was_saved_last(directory, checkpoints):
    save(checkpoints, 10)
    checkpoints.save(10, lambda place: write_adapter(place, step=11))
    assert (checkpoints.path(10) / "adapter_config.json").read_bytes() == contents(11)["adapter_config.json"]
    assert checkpoints.newest() == checkpoints.path(10)
    assert [each.name for each in directory.checkpoints.iterdir()] == ["10"]


def test_a_forgotten_step_is_not_the_best_any_more(directory, checkpoints):
    save(checkpoints, 10, 20)
    directory.write_best(10)
    checkpoints.forget(20)
    assert directory.best_step() == 10
    checkpoints.forget(10)
    checkpoints.forget(10)
    assert (directory.best_step(), checkpoints.steps()) == (None, [])


def test_what_dead_processes_have_left_is_cleaned_up(directory, checkpoints):
    checkpoints.clean()
    save(checkpoints, 10, 20, 30)
    root = directory.checkpoints
    for name in (".tmp-40-1f", ".del-5-2f"):
        (root / name / "deep").mkdir(parents=True)
        (root / name / "deep/file").write_text("x")
    (root / "20").rename(root / ".old-20-3f")
    write_adapter_at = root / ".old-30-4f"
    write_adapter_at.mkdir()
    (directory.path / ".tmp-job.json").write_text("{")
    manifest = Manifest.read(root / "10", 10)
    (root / "10/manifest.json").write_bytes(manifest.without_resume().encoded())
    (root / "10/.tmp-manifest.json").write_text("{")
    checkpoints.clean()
    assert sorted(each.name for each in root.iterdir()) == ["10", "20", "30"]
    assert files(root / "10") == {*LASTING, "manifest.json"}
    assert [checkpoints.verify(step) for step in (10, 20, 30)] == [True, True, True]
    assert not (directory.path / ".tmp-job.json").exists()


@pytest.mark.parametrize("name", [".old-abc", ".old-", ".old--3-4f"])
def test_cleaning_up_leaves_what_is_of_no_step(directory, checkpoints, name):
    save(checkpoints, 10)
    (directory.checkpoints / name).mkdir()
    checkpoints.clean()
    assert (directory.checkpoints / name).exists()
    assert checkpoints.steps() == [10]


def test_cleaning_up_removes_links_and_not_what_they_lead_to(directory, checkpoints, tmp_path):
    save(checkpoints, 10)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    (directory.checkpoints / ".tmp-1-1f").symlink_to(tmp_path / "mine")
    (directory.checkpoints / ".del-2-2f").mkdir()
    (directory.checkpoints / ".del-2-2f/link").symlink_to(tmp_path / "mine")
    checkpoints.clean()
    assert [each.name for each in directory.checkpoints.iterdir()] == ["10"]
    assert (tmp_path / "mine/file").read_text() == "x"


# --- a full disk ----------------------------------------------------------------------------------------------------


class Full(Disk):
    """A disk that is full from one operation on, for those that take room, until `is_full` is taken back."""

    def __init__(self, after):
        self.left = after
        self.is_full = True

    def take(self):
        self.left -= 1
        if self.left < 0 and self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def make_directory(self, path):
        self.take()
        super().make_directory(path)

    def write(self, path, data):
        try:
            self.take()
        except OSError:
            path.write_bytes(data[: len(data) // 2])
            raise
        super().write(path, data)

    def sync(self, path):
        self.take()
        super().sync(path)

    def rename(self, source, target):
        self.take()
        super().rename(source, target)


@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
def test_wherever_a_save_finds_the_disk_full_nothing_is_left_of_it_and_the_old_one_is_whole(directory, again):
    old = save(Checkpoints(directory), 10)
    failures = 0
    with Journal(directory.events, attempt=1) as events:
        events.write(StepDone, **step_fields(11))
        for after in range(100):
            disk = Full(after)
            checkpoints = Checkpoints(directory, disk=disk)

            def write(place, disk=disk):
                for name, content in contents(11).items():
                    disk.write(place / name, content)

            try:
                checkpoints.save(10 if again else 11, write)
                break
            except OSError as error:
                failures += error.errno == errno.ENOSPC
            assert [each.name for each in directory.checkpoints.iterdir()] == ["10"]
            assert checkpoints.newest() == checkpoints.path(10)
            assert checkpoints.infos()[0].digest == old.digest
            said = events.write(StateChanged, state="paused", reason="disk_full")
            assert said.number == failures + 1
    assert failures > 15
    assert checkpoints.newest() == checkpoints.path(10 if again else 11)
    assert checkpoints.infos()[-1].digest != old.digest


def test_pruning_on_a_full_disk_leaves_every_checkpoint_whole(directory):
    for whole in (False, True):
        save(Checkpoints(directory), 10, 20, 30)
        for after in range(6):
            checkpoints = Checkpoints(directory, disk=Full(after))
            try:
                checkpoints.prune(keep_last=1, whole=whole)
            except OSError:
                Checkpoints(directory).clean()
            assert all(checkpoints.verify(step) for step in checkpoints.steps())
            assert checkpoints.newest() == checkpoints.path(30)


def test_pruning_which_makes_room_may_use_the_reserve(directory):
    save(Checkpoints(directory), 10, 20)
    reserve.make(directory.path)

    class Fuller(Disk):
        def write(self, path, data):
            if (directory.path / reserve.NAME).stat().st_size == reserve.BYTES:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write(path, data)

    assert Checkpoints(directory, disk=Fuller()).prune(keep_last=1) == [10]
    assert files(Checkpoints(directory).path(10)) == {*LASTING, "manifest.json"}


def test_whatever_writing_raises_nothing_is_left_of_it(directory, checkpoints):
    save(checkpoints, 10)

    def fail(place):
        write_adapter(place)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(20, fail)
    assert [each.name for each in directory.checkpoints.iterdir()] == ["10"]

"""mlberth.checkpoints: what is saved is whole or not there, whatever happens."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlberth.checkpoints import Store
from mlberth.errors import PlatformError


def save(target: Store, *steps: int) -> None:
    """Save a checkpoint of two files for each step."""
    for step in steps:
        with target.save(step) as folder:
            (folder / "model.txt").write_text(f"model {step}")
            (folder / "part").mkdir()
            (folder / "part/state.txt").write_text(f"state {step}")


def steps_of(target: Store) -> list[int]:
    """Return the steps of the checkpoints that are there."""
    return [checkpoint.step for checkpoint in target.checkpoints()]


def names(folder: Path) -> set[str]:
    """Return the names in a folder."""
    return {path.name for path in folder.iterdir()}


def latest_step(target: Store) -> int | None:
    """Return the step of the newest whole checkpoint, whose files are as they were saved."""
    latest = target.latest()
    if latest is None:
        return None
    assert (latest.path / "model.txt").read_text() == f"model {latest.step}"
    assert (latest.path / "part/state.txt").read_text() == f"state {latest.step}"
    return latest.step


def test_an_empty_folder_and_no_folder_hold_no_checkpoint(tmp_path: Path) -> None:
    """A first run starts from nothing, and looking makes no folder."""
    assert Store(tmp_path).latest() is None
    assert Store(tmp_path / "none").latest() is None
    assert not (tmp_path / "none").exists()


def test_the_newest_is_found_in_numeric_order(tmp_path: Path) -> None:
    """Step 10 is after step 9, and other people's files are left alone."""
    (tmp_path / "step-99.txt").touch()
    (tmp_path / "tmp.sagemaker-ignore").touch()
    target = Store(tmp_path, keep=5)
    save(target, 8, 9, 10)
    assert latest_step(target) == 10
    assert steps_of(target) == [8, 9, 10]
    assert {"step-99.txt", "tmp.sagemaker-ignore"} <= names(tmp_path)


def test_ranks_can_agree_on_an_earlier_step(tmp_path: Path) -> None:
    """`at_most` leaves out what another rank has not reached."""
    target = Store(tmp_path)
    save(target, 1, 2, 3)
    assert [getattr(target.latest(at_most=step), "step", None) for step in (3, 2, 0)] == [3, 2, None]


def test_the_newest_n_are_kept(tmp_path: Path) -> None:
    """An older checkpoint goes when a newer one is there."""
    target = Store(tmp_path, keep=2)
    save(target, 9, 10, 11, 100)
    assert names(tmp_path) == {"step-11", "step-100"}


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    """The second one counts, and the first stays until it is old: nothing is ever replaced."""
    target = Store(tmp_path, keep=2)
    save(target, 1)
    with target.save(1) as folder:
        (folder / "again").touch()
    assert names(tmp_path) == {"step-1", "step-1.2"}
    latest = target.latest()
    assert latest
    assert names(latest.path) == {"again", "mlberth-checkpoint.json"}
    save(target, 2)
    assert names(tmp_path) == {"step-1.2", "step-2"}


@pytest.mark.parametrize(
    "marker", ["step-1.sagemaker-uploading", "step-1/part/state.txt.sagemaker-uploading"]
)
def test_a_checkpoint_is_not_removed_while_the_platform_copies_it(tmp_path: Path, marker: str) -> None:
    """The marker of the checkpoint, or of any file in it, keeps it; when the copy is done, it goes."""
    target = Store(tmp_path, keep=1)
    save(target, 1)
    (tmp_path / marker).touch()
    save(target, 2, 3)
    assert steps_of(target) == [1, 3]
    (tmp_path / marker).with_suffix(".sagemaker-uploaded").touch()
    save(target, 4)
    assert steps_of(target) == [4]


def test_a_marker_is_no_part_of_the_checkpoint(tmp_path: Path) -> None:
    """What the platform adds while a checkpoint is written can go again, and it is still whole."""
    target = Store(tmp_path)
    with target.save(1) as folder:
        marker = folder / "model.txt.sagemaker-uploading"
        marker.touch()
    next(tmp_path.rglob(marker.name)).unlink()
    assert target.latest()


def truncate(checkpoint: Path) -> None:
    """Cut a file in half."""
    os.truncate(checkpoint / "model.txt", 3)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "changed": lambda checkpoint: (checkpoint / "part/state.txt").write_text("state 9"),
    "file missing": lambda checkpoint: (checkpoint / "model.txt").unlink(),
    "record missing": lambda checkpoint: (checkpoint / "mlberth-checkpoint.json").unlink(),
    "record empty": lambda checkpoint: (checkpoint / "mlberth-checkpoint.json").write_text("{}"),
    "record with no names": lambda checkpoint: (checkpoint / "mlberth-checkpoint.json").write_text(
        '{"sha256": {"a\\u0000b": "", "\\ud800": ""}}'
    ),
    "record torn": lambda checkpoint: os.truncate(checkpoint / "mlberth-checkpoint.json", 20),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_skipped(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The one before it is resumed from, and a warning names what was skipped."""
    target = Store(tmp_path)
    save(target, 1, 2, 3)
    DAMAGE[damage](tmp_path / "step-3")
    assert latest_step(target) == 2
    assert f"Skipped the damaged checkpoint {tmp_path / 'step-3'}" in caplog.text


def test_a_damaged_checkpoint_takes_no_whole_ones_place(tmp_path: Path) -> None:
    """The whole ones are counted alone, also while a damaged one of a later step is there."""
    save(Store(tmp_path, keep=2), 1, 3)
    truncate(tmp_path / "step-3")
    target = Store(tmp_path, keep=1)
    assert latest_step(target) == 1
    save(target, 2)
    assert steps_of(target) == [2, 3]
    assert latest_step(target) == 2
    save(target, 4)
    assert steps_of(target) == [4]


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    """The program's own exception passes through, and the checkpoints are those of before."""
    target = Store(tmp_path)
    save(target, 1)
    with pytest.raises(ZeroDivisionError), target.save(2) as folder:
        (folder / "model.txt").write_text(f"half {1 / 0}")
    with pytest.raises(FileNotFoundError), target.save(2) as folder:
        (folder / "no such file").read_bytes()
    assert names(tmp_path) == {"step-1"}
    assert latest_step(target) == 1


@pytest.mark.parametrize("effect", ["fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_a_disk_error_leaves_the_old_ones(tmp_path: Path, effect: str, number: int) -> None:
    """The message names the checkpoint and the error, and nothing half-written stays."""
    save(Store(tmp_path), 1)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    failing = Store(tmp_path, fsync=fail) if effect == "fsync" else Store(tmp_path, rename=fail)
    with pytest.raises(PlatformError) as caught:
        save(failing, 2)
    assert str(tmp_path / "step-2") in str(caught.value)
    assert errno.errorcode[number] in str(caught.value)
    assert names(tmp_path) == {"step-1"}
    assert latest_step(failing) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 256 KB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_ones(small_disk: Path) -> None:
    """ENOSPC is named, the space is given back, and the next small checkpoint can be saved."""
    target = Store(small_disk)
    save(target, 1)
    with pytest.raises(PlatformError, match=r"step-2: found .*ENOSPC"), target.save(2) as folder:
        (folder / "model.txt").write_bytes(b"x" * 1_000_000)
    # torch.save raises an error of its own while it handles the disk's.
    with pytest.raises(PlatformError, match=r"step-2: found .*ENOSPC"), target.save(2) as folder:
        write_like_torch(folder / "model.txt")
    assert names(small_disk) == {"step-1"}
    assert latest_step(target) == 1
    save(target, 2)
    assert latest_step(target) == 2


def write_like_torch(path: Path) -> None:
    """Hide the disk's error."""
    try:
        path.write_bytes(b"x" * 1_000_000)
    finally:
        raise RuntimeError("unexpected pos 8576 vs 8470")


KILLED = """
import os, signal, sys
from pathlib import Path
from mlberth.checkpoints import Store

left = int(sys.argv[2])

def killing(effect):
    def call(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        effect(*arguments)
    return call

store = Store(Path(sys.argv[1]), keep=1, fsync=killing(os.fsync), rename=killing(os.rename))
with store.save(2) as folder:
    (folder / "model.txt").write_text("model 2")
    (folder / "part").mkdir()
    (folder / "part/state.txt").write_text("state 2")
"""


def test_a_kill_at_any_effect_leaves_a_whole_one(tmp_path: Path) -> None:
    """Killed before each fsync and rename in turn, also while the old one is removed, the job can resume."""
    effects = 0
    exit_code = -signal.SIGKILL
    found = []
    while exit_code == -signal.SIGKILL:
        folder = tmp_path / str(effects)
        save(Store(folder), 1)
        argv = [sys.executable, "-c", KILLED, str(folder), str(effects)]
        exit_code = subprocess.run(argv, check=False, timeout=60).returncode
        found.append(latest_step(Store(folder)))
        save(Store(folder), 3)
        assert not [name for name in names(folder) if name.endswith(".sagemaker-ignore")]
        effects += 1
    assert exit_code == 0
    # Three files, two folders, the rename that decides, its folder, the old one's rename.
    assert found == [1] * 6 + [2] * 3


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    """A store keeps at least one, and a step is a count."""
    with pytest.raises(ValueError, match="keep is 0"):
        Store(tmp_path, keep=0)
    with pytest.raises(ValueError, match="step is -1"), Store(tmp_path).save(-1):
        pass
    with pytest.raises(TypeError), Store(tmp_path).save(1.0):  # type: ignore[arg-type]
        pass

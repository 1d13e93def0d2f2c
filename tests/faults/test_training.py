"""Faults injected into `train`: each ends as it should, and leaves one line of figures."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.faults.limits import memory_cgroup
from tests.faults.load import LONG, report
from tests.support import is_alive, wait_until, within
from tests.train.running import BIN, Ended, Tree, ended

TRAIN = str(BIN / "train")
JOBS, STOPS = (20, 50) if LONG else (3, 3)
"""A thousand signals."""
AT_ONCE = 0.1 if LONG else 1.0
"""Seconds; a short form may run on a machine that has other work."""
SAVE = """
import os, mlberth.checkpoints as checkpoints
with checkpoints.store().save(int(os.environ["STEP"])) as folder:
    (folder / "weights").write_text(os.environ["STEP"])
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return an empty tree of a job."""
    return Tree(tmp_path / "ml")


def require(program: str) -> None:
    """Skip a test whose fault needs a program that is not installed."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def mounted(tree: Tree, mount: str, **environ: str) -> Ended:
    """Run `train` where a mount of its own is in place, as root of a namespace of its own."""
    require("unshare")
    argv = ["unshare", "--mount", "--map-root-user", "sh", "-c", f"{mount} && exec {TRAIN}"]
    probe = subprocess.run([*argv[:3], "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("namespaces cannot be made here")
    return ended(tree.start(argv, **environ))


def injected(tree: Tree, *faults: str, **environ: str) -> Ended:
    """Run `train` while strace makes system calls fail."""
    require("strace")
    words = [word for fault in faults for word in ("-e", f"inject={fault}")]
    return ended(tree.start(["strace", "-f", "-qq", "-o", os.devnull, *words, TRAIN], **environ))


@pytest.mark.parametrize("shell", [False, True])
def test_1_stop_reaches_the_program_at_once(tree: Tree, shell: bool) -> None:
    """Every SIGTERM is with the program within 100 ms, also below a shell script, which ends by the first."""
    program = (
        "import pathlib, signal, sys, time\n"
        "seen = []\n"
        "def stop(number, frame):\n"
        "    seen.append(time.monotonic())\n"
        f"    print(seen[-1], file=open('stopped', 'a'))\n    if len(seen) == {STOPS}: sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\npathlib.Path('ready').touch()\nwhile True: signal.pause()"
    )
    tree.code(work__py=program, run__sh="python3 work.py\n")
    stopped, ready = tree.layout.code / "stopped", tree.layout.code / "ready"

    def arrivals() -> list[float]:
        return [float(line) for line in stopped.read_text().splitlines()] if stopped.exists() else []

    latencies = []
    for _ in range(JOBS):
        command = tree.start([TRAIN], SAGEMAKER_PROGRAM="run.sh" if shell else "work.py")
        wait_until(ready.exists)
        for number in range(STOPS):
            sent = time.monotonic()
            command.send_signal(signal.SIGTERM)
            wait_until(lambda: len(arrivals()) > number)  # noqa: B023
            latencies.append(arrivals()[-1] - sent)
        assert ended(command).code == (143 if shell else 0)
        stopped.unlink()
        ready.unlink()
    failed = sum(latency > AT_ONCE for latency in latencies)
    slowest = max(latencies)
    report(f"SIGTERM{' below a shell' if shell else ''}", n=len(latencies), failed=failed, recovery=slowest)
    assert failed == 0


def test_2_program_that_ignores_the_stop_leaves_nothing(tree: Tree) -> None:
    """After the grace everything is killed, children in groups of their own as well."""
    program = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\n    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "while True: time.sleep(1)"
    )
    pid = tree.code(train__py=program).layout.code / "pid"
    command = tree.start([TRAIN], SAGEMAKER_STOP_GRACE_SECONDS="0.5")
    wait_until(lambda: pid.exists() and pid.read_text())
    began = time.monotonic()
    command.send_signal(signal.SIGTERM)
    code = ended(command).code
    took = time.monotonic() - began
    survivors = int(is_alive(int(pid.read_text())))
    report("SIGTERM ignored", n=1, failed=survivors, recovery=took)
    assert (code, survivors) == (137, 0)
    assert tree.failure.startswith("Killed: still running 0.5 s after SIGTERM")
    assert took < within(5)


def test_4_kill_of_the_program_is_reported(tree: Tree) -> None:
    """Kill -9 from outside is 137, and the report names the signal."""
    tree.code(train__py="import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(1000)")
    pid = tree.layout.code / "pid"
    command = tree.start([TRAIN])
    wait_until(lambda: pid.exists() and pid.read_text())
    began = time.monotonic()
    os.kill(int(pid.read_text()), signal.SIGKILL)
    code = ended(command).code
    report("kill -9 program", n=1, failed=int(code != 137), recovery=time.monotonic() - began)
    assert code == 137
    assert tree.failure.startswith("The program was killed by SIGKILL, possibly out of memory\n")


def test_5_out_of_memory_is_named(tree: Tree) -> None:
    """What the kernel killed for lack of memory is said to be, with the limit of the container."""
    cgroup = memory_cgroup(64 * 1024 * 1024)
    try:
        tree.code(train__py="data = []\nwhile True: data.append(bytearray(1 << 20))")
        began = time.monotonic()
        code = ended(tree.start(["sh", "-c", f"echo $$ > {cgroup}/cgroup.procs && exec {TRAIN}"])).code
        report("out of memory", n=1, failed=int(code != 137), recovery=time.monotonic() - began)
    finally:
        cgroup.rmdir()
    assert code == 137
    assert tree.failure.splitlines()[:2] == [
        "The program was killed by SIGKILL, possibly out of memory",
        "Out of memory: the kernel killed a process of this container, which may use 64 MiB.",
    ]


def test_9_full_disk_is_named(tree: Tree) -> None:
    """A model that does not fit gives the program's own error, and the folder that is full."""
    tree.layout.model.mkdir(parents=True)
    program = "import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'wb').write(bytes(1 << 20))"
    tree.code(train__py=program)
    began = time.monotonic()
    done = mounted(tree, f"mount -t tmpfs -o size=64k tmpfs {shlex.quote(str(tree.layout.model))}")
    took = time.monotonic() - began
    report("disk full", n=1, failed=int(done.code != 1), recovery=took)
    assert done.code == 1
    assert took < (5 if LONG else 20)
    assert tree.failure.startswith("OSError: [Errno 28] No space left on device")
    assert f"No space is left on the disk of {tree.layout.model}." in tree.failure


@pytest.mark.parametrize("options", ["ro", "size=4k"])
def test_10_output_that_takes_no_report_keeps_the_exit_code(tree: Tree, options: str) -> None:
    """A read-only or full output costs the report, never the program's exit code."""
    output = tree.layout.output
    output.mkdir(parents=True)
    tree.code(train__py="raise SystemExit(3)")
    fill = "" if options == "ro" else f" && head -c 4096 /dev/zero > {shlex.quote(str(output))}/full"
    began = time.monotonic()
    done = mounted(tree, f"mount -t tmpfs -o {options} tmpfs {shlex.quote(str(output))}{fill}")
    report(f"output {options}", n=1, failed=int(done.code != 3), recovery=time.monotonic() - began)
    assert done.code == 3
    assert f"WARNING mlberth_train: {tree.layout.failure} cannot be written" in done.err
    assert "The job failed. The program failed" in done.err


def test_11_broken_disk_leaves_the_last_checkpoint(tree: Tree) -> None:
    """An fsync that fails is an error of the save, and the checkpoint before stays whole."""
    assert tree.code(train__py=SAVE).train(STEP="1").code == 0
    began = time.monotonic()
    done = injected(tree, "fsync:error=EIO:when=1", STEP="2")
    report("fsync EIO", n=1, failed=int(done.code == 0), recovery=time.monotonic() - began)
    assert done.code == 1
    assert "PlatformError: " in tree.failure
    assert checkpoints(tree) == {"step-1": "1"}


def test_12_kill_between_write_and_rename_leaves_the_last_checkpoint(tree: Tree) -> None:
    """A save that is killed before its rename is not there, and the next save clears its rest away."""
    assert tree.code(train__py=SAVE).train(STEP="1").code == 0
    began = time.monotonic()
    killed = injected(tree, "rename,renameat,renameat2:signal=KILL:when=1", STEP="2")
    report("kill at rename", n=1, failed=int(killed.code == 0), recovery=time.monotonic() - began)
    assert killed.code != 0
    assert tree.train(STEP="3").code == 0
    assert checkpoints(tree) == {"step-1": "1", "step-3": "3"}


def checkpoints(tree: Tree) -> dict[str, str]:
    """Return what is in the checkpoints' folder, leftovers too."""
    return {path.name: (path / "weights").read_text() for path in tree.layout.checkpoints.iterdir()}


def test_12_report_is_whole_or_not_there(tree: Tree) -> None:
    """`train` killed while it reports leaves no half of a report, and the next run none of its rest."""
    tree.code(train__py="raise SystemExit(3)")
    killed = injected(tree, "rename,renameat,renameat2:signal=KILL:when=1")
    assert killed.code != 3
    assert tree.failure == ""
    assert tree.train().code == 3
    assert sorted(path.name for path in tree.layout.output.iterdir()) == ["data", "failure"]
    report("kill at report", n=1, failed=0)


@pytest.mark.parametrize("what", ["endless line", "many lines"])
def test_14_log_of_any_size_needs_little_memory(tree: Tree, what: str) -> None:
    """A huge log is streamed: nothing is lost, and nobody's memory grows with it."""
    megabytes = 1024 if LONG else 128
    source = "head -c {0}M /dev/zero" if what == "endless line" else "yes | head -c {0}M"
    tree.code(run__sh=f"{source.format(megabytes)} >&2")
    argv = ["sh", "-c", f"{TRAIN} 2>&1 >/dev/null | tr -d '\\n' | wc -c"]
    began = time.monotonic()
    with tree.start(argv, SAGEMAKER_PROGRAM="run.sh", SAGEMAKER_CONTAINER_LOG_LEVEL="100") as command:
        wait_until(lambda: train_below(command.pid))
        train = train_below(command.pid)
        assert train
        peak = 0
        while is_alive(train):
            peak = max(peak, resident(train))
        out, _ = command.communicate(timeout=300)
    expected = megabytes << 20 if what == "endless line" else megabytes << 19
    report(what, n=megabytes, failed=int(int(out) != expected), recovery=time.monotonic() - began)
    assert int(out) == expected
    assert peak < 100 * 1024


def train_below(pid: int) -> int | None:
    """Return the process of `train` below a shell, once it is there."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"train" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def resident(pid: int) -> int:
    """Return the peak of a process's resident memory in kB, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@pytest.mark.parametrize("calls", ["clone,clone3", "clone3"], ids=["process", "thread"])
def test_15_no_room_for_a_process_is_the_machines_fault(tree: Tree, calls: str) -> None:
    """A fork, or a thread, that fails is named with exit code 70, and nothing runs on unwatched."""
    tree.code(train__py="import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(20)")
    began = time.monotonic()
    done = injected(tree, f"{calls}:error=EAGAIN")
    report(f"EAGAIN at {calls}", n=1, failed=int(done.code != 70), recovery=time.monotonic() - began)
    assert done.code == 70
    assert tree.failure.startswith("PlatformError: ")
    pid = tree.layout.code / "pid"
    assert not (pid.exists() and pid.read_text() and is_alive(int(pid.read_text())))

"""Programs run to their end: real processes, real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support import is_alive, wait_until

from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import supervise

# Supervising ends everything below the supervisor, so each test has a supervisor of its own.
SUPERVISOR = """
import json, os, sys
from mlberth.process.descendants import descendants
from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import supervise
with SignalQueue() as signals:
    outcome = supervise(sys.argv[2:], env=dict(os.environ), signals=signals, grace=float(sys.argv[1]))
fields = outcome._asdict() | {"stderr": len(outcome.stderr), "exit_code": outcome.exit_code}
try:
    children = os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    children = None
print(json.dumps(fields | {"descendants": descendants(), "children": children}))
"""


def run(
    code: str, *, grace: float = 5.0, when: Path | None = None, stderr: int = subprocess.DEVNULL
) -> dict[str, Any]:
    """Supervise `python -c code`; send the supervisor SIGTERM once the file `when` exists."""
    argv = [sys.executable, "-c", SUPERVISOR, str(grace), sys.executable, "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr) as supervisor:
        if when:
            wait_until(when.exists)
            supervisor.send_signal(signal.SIGTERM)
        out, _ = supervisor.communicate(timeout=30)
    outcome: dict[str, Any] = json.loads(out)
    return outcome


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit(300)", 44),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
    ],
)
def test_exit_code_passes_through(code: str, exit_code: int) -> None:
    """The program's own exit code, or 128 + n for signal n, comes back."""
    assert run(code)["exit_code"] == exit_code


def test_stderr_is_streamed_byte_for_byte_and_its_tail_kept(tmp_path: Path) -> None:
    """What the program writes to standard error arrives unchanged, whatever bytes it is."""
    blob = bytes(range(256)) * 1024
    (tmp_path / "blob").write_bytes(blob)
    code = f"import sys; sys.stderr.buffer.write(open({str(tmp_path / 'blob')!r}, 'rb').read())"
    with (tmp_path / "err").open("wb") as sink:
        outcome = run(code, stderr=sink.fileno())
    assert (tmp_path / "err").read_bytes() == blob
    assert outcome["stderr"] == 65536


def test_stop_signal_reaches_the_program(tmp_path: Path) -> None:
    """A program that handles SIGTERM ends as it likes, and we know that we were asked to stop."""
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "while True: signal.pause()"
    )
    outcome = run(code, when=ready)
    assert (outcome["exit_code"], outcome["stopped_by"], outcome["overran"]) == (7, signal.SIGTERM, False)


def test_program_that_ignores_the_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    """What outlives the grace period is killed, and the outcome says so."""
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "while True: signal.pause()"
    )
    outcome = run(code, grace=0.3, when=ready)
    assert (outcome["exit_code"], outcome["overran"]) == (137, True)
    assert outcome["seconds"] < 10


def test_nothing_is_left_behind() -> None:
    """Grandchildren that left the process group are ended, and no zombie stays."""
    outcome = run("import os, time; os.fork() or (os.setsid(), os.fork() or time.sleep(1000))")
    assert (outcome["exit_code"], outcome["descendants"], outcome["children"]) == (0, [], None)


def test_orphan_that_dies_does_not_steal_the_exit_code() -> None:
    """Reaping an adopted orphan leaves the program's own exit code alone."""
    code = "import os, time\nif os.fork() == 0: os.fork(); os._exit(0)\ntime.sleep(0.2)\nraise SystemExit(3)"
    assert run(code)["exit_code"] == 3


def test_missing_program_is_the_callers_to_name() -> None:
    """A program that does not exist raises what the system says."""
    with SignalQueue() as signals, pytest.raises(FileNotFoundError):
        supervise(["/no/such/program"], env={}, signals=signals, grace=1)


def test_program_dies_with_its_supervisor(tmp_path: Path) -> None:
    """A supervisor that is killed takes its program with it."""
    pid_file = tmp_path / "pid"
    inner = f"import os, signal; open({str(pid_file)!r}, 'w').write(str(os.getpid())); signal.pause()"
    argv = [sys.executable, "-c", SUPERVISOR, "9", sys.executable, "-c", inner]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as supervisor:
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        supervisor.kill()
    wait_until(lambda: not is_alive(int(pid_file.read_text())))


TAPPED = """
import json, os, sys
from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import supervise
spared = os.fork() or os.execvp("sleep", ["sleep", "60"])
seen = {1: b"", 2: b""}
def tap(stream, chunk):
    seen[stream] += chunk
with SignalQueue() as signals:
    options = dict(env=dict(os.environ), signals=signals, grace=5, tap=tap, spared=frozenset({spared}))
    supervise(sys.argv[1:], **options)
    supervise(sys.argv[1:], merge=True, **options)
state = os.waitpid(spared, os.WNOHANG)
os.kill(spared, 9)
print(json.dumps([seen[1].decode(), seen[2].decode(), state]))
"""


def test_a_tap_is_given_both_streams() -> None:
    """They pass on as they are, and a process that is spared outlives the program."""
    code = (
        "import os; os.write(1, b'out'); os.write(2, b'err'); os.fork() or os.execlp('sleep', 'sleep', '60')"
    )
    argv = [sys.executable, "-c", TAPPED, sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    passed, _, last = done.stdout.partition("[")
    assert passed == "out"
    assert done.stderr in ("errouterr", "erreoutrr")
    assert json.loads("[" + last) == ["out", "errouterr", [0, 0]]

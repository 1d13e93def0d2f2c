"""The rules that every engine keeps; each engine's own file runs them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import wait_until

from mlberth_local.engines.base import Engine, EngineError, Host, HostState, Mount, Run
from mlberth_local.log_files import read_events

PROGRAM = "/opt/ml/input/program.py"


def ended(platform_engine: Engine, run: Run) -> list[HostState]:
    """Wait for the end of all hosts; return how they ended."""
    names = tuple(host.name for host in run.hosts)
    wait_until(
        lambda: all(state.ended for state in platform_engine.states(run.name, names).values()), timeout=60
    )
    platform_engine.flush(run.name)
    return list(platform_engine.states(run.name, names).values())


def lines(host: Host) -> list[str]:
    """Return the messages of a host's log."""
    return [event.message for event in read_events(host.log)]


def with_overlay(run: Run, source: Path, changes: Path) -> Run:
    """Return a run whose host has a channel that it may write to."""
    [host] = run.hosts
    (host.base / "input/data/train").mkdir(parents=True)
    mount = Mount(source, "/opt/ml/input/data/train", changes=changes)
    return replace(run, hosts=(replace(host, mounts=(*host.mounts, mount)),))


class Runs:
    """Makes runs of a Python program, and removes them."""

    def __init__(self, platform_engine: Engine, image: str, folder: Path) -> None:
        self.engine, self.image, self.folder = platform_engine, image, folder
        self._made: list[str] = []

    def make(self, program: str, *, hosts: int = 1, isolated: bool = False) -> Run:
        """Return a run whose hosts have `input`, `output` and `model` mounted."""
        name = "training.a.1"
        self._made.append(name)
        made = []
        for number in range(1, hosts + 1):
            base = self.folder / name / f"algo-{number}"
            for part in ("input", "output", "model"):
                (base / part).mkdir(parents=True)
            (base / "input/program.py").write_text(program)
            mounts = tuple(Mount(base / part, f"/opt/ml/{part}") for part in ("input", "output", "model"))
            log = self.folder / f"{name}-{number}.jsonl"
            made.append(Host(f"algo-{number}", base, mounts, {"GREETING": "hello"}, log))
        return Run(name, self.image, ("python3",), (PROGRAM, "/opt/ml/model"), tuple(made), isolated)

    def again(self, run: Run) -> Run:
        """Return another attempt of a run, with the same hosts."""
        name = f"{run.name}.again"
        self._made.append(name)
        return replace(run, name=name)

    def remove_all(self) -> None:
        """Leave nothing behind."""
        for name in self._made:
            self.engine.remove(name)


class EngineRules:
    """Fixtures `engine` and `image` come from the class that inherits these."""

    @pytest.fixture
    def runs(self, platform_engine: Engine, image_name: str, tmp_path: Path) -> Iterator[Runs]:
        """Return what makes runs; nothing of them is left at the end."""
        runs = Runs(platform_engine, image_name, tmp_path)
        yield runs
        runs.remove_all()

    def test_runs_to_the_end(self, platform_engine: Engine, runs: Runs) -> None:
        """Arguments, variables, mounts, output and exit code are the program's; paths lead into its tree."""
        run = runs.make(
            "import os, pathlib, sys\n"
            "print(os.environ['GREETING'], sys.argv[1:] and pathlib.Path(sys.argv[1]).is_dir())\n"
            "print('to stderr', file=sys.stderr, flush=True)\n"
            "pathlib.Path(sys.argv[1], 'weights').write_text('1')\n"
            "print('no end', end='')\n"
            "sys.exit(3)\n"
        )
        assert platform_engine.states(run.name, ("algo-1",)) == {"algo-1": HostState()}
        platform_engine.start(run)
        [state] = ended(platform_engine, run)
        assert (state.exit_code, state.problem) == (3, "")
        assert state.started
        assert state.ended
        assert 0 <= state.ended - state.started < 30
        assert abs(time.time() - state.ended) < 30
        assert sorted(lines(run.hosts[0])) == ["hello True", "no end", "to stderr"]
        assert (run.hosts[0].base / "model/weights").read_text() == "1"

    def test_starting_again_changes_nothing(self, platform_engine: Engine, runs: Runs) -> None:
        """A run that is there is not started a second time: a daemon that was killed cannot know."""
        run = runs.make("print('once')")
        platform_engine.start(run)
        platform_engine.start(run)
        ended(platform_engine, run)
        platform_engine.start(run)
        assert ended(platform_engine, run)[0].exit_code == 0
        assert lines(run.hosts[0]) == ["once"]

    def test_stop_reaches_the_program(self, platform_engine: Engine, runs: Runs) -> None:
        """SIGTERM comes to the first process, which ends as it likes."""
        run = runs.make(
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n"
        )
        platform_engine.start(run)
        wait_until(lambda: lines(run.hosts[0]) == ["ready"])
        assert platform_engine.states(run.name, ("algo-1",))["algo-1"].is_running
        platform_engine.stop(run.name)
        assert ended(platform_engine, run)[0].exit_code == 5

    def test_usage(self, platform_engine: Engine, runs: Runs) -> None:
        """CPU time and memory are those of all programs of a host, and nothing once they have ended."""
        run = runs.make(
            "import os, time\n"
            "os.fork()\n"
            "held = bytes(range(256)) * (100 * 4096)\n"
            "began = time.process_time()\n"
            "while time.process_time() < began + 0.2:\n"
            "    pass\n"
            "print('held', flush=True)\n"
            "time.sleep(60)\n",
            hosts=2,
        )
        (run.hosts[1].base / "input/program.py").write_text("import time; print('idle'); time.sleep(60)")
        assert platform_engine.usage(run.name) == {}
        platform_engine.start(run)
        wait_until(lambda: lines(run.hosts[0]) == ["held", "held"], timeout=60)
        found = platform_engine.usage(run.name)
        assert set(found) == {"algo-1", "algo-2"}
        assert 0.4 <= found["algo-1"].cpu_seconds < 30
        assert 200 << 20 <= found["algo-1"].memory < 300 << 20
        assert found["algo-2"].memory < 50 << 20
        platform_engine.kill(run.name)
        ended(platform_engine, run)
        assert platform_engine.usage(run.name) == {}

    def test_kill_ends_what_ignores_a_stop(self, platform_engine: Engine, runs: Runs) -> None:
        """SIGKILL takes the program, and what it has started."""
        run = runs.make(
            "import signal, subprocess, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n"
        )
        platform_engine.start(run)
        wait_until(lambda: lines(run.hosts[0]) == ["ready"])
        platform_engine.stop(run.name)
        platform_engine.kill(run.name)
        assert ended(platform_engine, run)[0].exit_code == 137

    def test_hosts_know_one_another(self, platform_engine: Engine, runs: Runs) -> None:
        """Each host has its name, and finds the others by theirs."""
        run = runs.make(
            "import os, socket, time\n"
            "def find(name):\n"
            "    for _ in range(300):\n"
            "        try: return socket.gethostbyname(name)\n"
            "        except OSError: time.sleep(0.1)\n"
            "print(os.uname().nodename, len({find('algo-1'), find('algo-2')} - {None}), flush=True)\n"
            "time.sleep(60)\n",
            hosts=2,
        )
        platform_engine.start(run)
        wait_until(lambda: all(lines(host) for host in run.hosts), timeout=60)
        assert [lines(host) for host in run.hosts] == [["algo-1 2"], ["algo-2 2"]]

    def test_isolation(self, platform_engine: Engine, runs: Runs) -> None:
        """An isolated host has the loopback device alone, and that works."""
        run = runs.make(
            "import os, socket\n"
            "print(sorted(os.listdir('/sys/class/net')) if os.path.ismount('/sys') else 'no /sys')\n"
            "print([name for _, name in socket.if_nameindex()])\n"
            "socket.create_server(('127.0.0.1', 5000))\n",
            isolated=True,
        )
        platform_engine.start(run)
        assert ended(platform_engine, run)[0].exit_code == 0, lines(run.hosts[0])
        assert "['lo']" in lines(run.hosts[0])

    def test_a_program_that_is_not_there(self, platform_engine: Engine, runs: Runs) -> None:
        """A command that cannot be started is said, with its name."""
        run = runs.make("")
        missing = Run(run.name, run.image, ("no-such-program",), (), run.hosts)
        try:
            platform_engine.start(missing)
            [state] = ended(platform_engine, missing)
            problem = state.problem
        except EngineError as error:
            problem = str(error)
        assert "no-such-program" in problem

    def test_removal_leaves_nothing(self, platform_engine: Engine, runs: Runs) -> None:
        """A run can be removed while it goes on, twice, and its name is free again."""
        run = runs.make("import time; print('ready', flush=True); time.sleep(60)")
        platform_engine.start(run)
        wait_until(lambda: lines(run.hosts[0]) == ["ready"])
        assert run.name in platform_engine.names()
        platform_engine.remove(run.name)
        platform_engine.remove(run.name)
        assert platform_engine.names() == set()
        assert platform_engine.states(run.name, ("algo-1",)) == {"algo-1": HostState()}

    def test_output_that_an_earlier_daemon_has_seen(self, platform_engine: Engine, runs: Runs) -> None:
        """Whoever goes on with a run finds each line once, in order, long ones too."""
        run = runs.make(
            "import time\n"
            "for n in range(200): print(n, 'x' * (40000 if n % 50 == 0 else 10), flush=True)\n"
            "time.sleep(60)\n"
        )
        platform_engine.start(run)
        wait_until(lambda: len(lines(run.hosts[0])) == 200)
        other = self.later(platform_engine)
        other.watch(run)
        other.kill(run.name)
        ended(other, run)
        other.close()
        numbers = [int(line.split()[0]) for line in lines(run.hosts[0])]
        assert numbers == list(range(200))
        assert [len(line) > 40000 for line in lines(run.hosts[0])][::50] == [True] * 4
        times = [json.loads(line)["t"] for line in run.hosts[0].log.read_text().splitlines()]
        assert times == sorted(times)

    def test_output_of_another_attempt(self, platform_engine: Engine, runs: Runs) -> None:
        """A second run with the same log adds all of its lines, also if a later daemon goes on with it."""
        first = runs.make("for n in range(5): print('first', n)")
        platform_engine.start(first)
        ended(platform_engine, first)
        platform_engine.remove(first.name)
        [host] = first.hosts
        (host.base / "input/program.py").write_text(
            "import time\nfor n in range(8): print('second', n, flush=True)\ntime.sleep(60)\n"
        )
        second = runs.again(first)
        platform_engine.start(second)
        wait_until(lambda: len(lines(host)) == 13)
        other = self.later(platform_engine)
        other.watch(second)
        other.kill(second.name)
        ended(other, second)
        other.close()
        assert lines(host) == [*(f"first {n}" for n in range(5)), *(f"second {n}" for n in range(8))]

    def test_an_end_is_told(self, platform_engine: Engine, runs: Runs) -> None:
        """Whoever watches a run need not ask again and again, also one that an earlier daemon has started."""
        run = runs.make("import time; print('ready', flush=True); time.sleep(60)")
        platform_engine.start(run)
        wait_until(lambda: lines(run.hosts[0]) == ["ready"])
        events = []
        for engine in (platform_engine, other := self.later(platform_engine)):
            engine.watch(run, (told := threading.Event()).set)
            assert not told.wait(0.1)
            events.append(told)
        platform_engine.kill(run.name)
        assert all(told.wait(10) for told in events)
        assert ended(platform_engine, run)
        other.close()

    def test_a_folder_whose_changes_go_elsewhere(
        self, platform_engine: Engine, runs: Runs, tmp_path: Path
    ) -> None:
        """A program may do with it what it likes: the source stays as it is, and nothing else is copied."""
        if not platform_engine.has_overlays(tmp_path):
            pytest.skip("this user may not mount overlays here")
        source, changes = tmp_path / "bucket", tmp_path / "changes"
        (source / "deep").mkdir(parents=True)
        for name in ("kept", "deep/longer", "removed", "replaced"):
            (source / name).write_text(name)
        run = runs.make(
            "import os, pathlib\n"
            "os.chdir('/opt/ml/input/data/train')\n"
            "pathlib.Path('deep/longer').chmod(0o700)\n"
            "with open('deep/longer', 'a') as file: file.write(' now')\n"
            "os.remove('removed'); pathlib.Path('new').write_text('new')\n"
            "pathlib.Path('other').write_text('other'); os.replace('other', 'replaced')\n"
            "for path in sorted(p for p in pathlib.Path().rglob('*') if p.is_file()):\n"
            "    print(path, path.read_text(), flush=True)\n"
        )
        run = with_overlay(run, source, changes)
        platform_engine.start(run)
        assert ended(platform_engine, run)[0].exit_code == 0, lines(run.hosts[0])
        assert lines(run.hosts[0]) == [
            "deep/longer deep/longer now",
            "kept kept",
            "new new",
            "replaced other",
        ]
        assert platform_engine.has_overlays(tmp_path)
        there = {str(path.relative_to(source)): path for path in source.rglob("*") if path.is_file()}
        assert {name: path.read_text() for name, path in there.items()} == {name: name for name in there}
        assert len(there) == 4
        platform_engine.remove(run.name, (os.geteuid(), os.getegid()))
        assert not any(path.name == "kept" for path in changes.rglob("*"))

    def later(self, platform_engine: Engine) -> Engine:
        """Return the engine as a later process has it."""
        raise NotImplementedError

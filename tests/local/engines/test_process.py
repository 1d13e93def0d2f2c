"""Hosts as plain processes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.local.engines.rules import EngineRules, Runs, ended, lines
from tests.support import is_alive, wait_until

from mlberth_local.engines.base import Engine, Host, Mount, Run
from mlberth_local.engines.namespaces import loopback_network
from mlberth_local.engines.process import ProcessEngine, argv


class TestProcessEngine(EngineRules):
    """The rules of every engine, and those of this one."""

    @pytest.fixture
    def platform_engine(self, tmp_path: Path) -> Iterator[Engine]:
        """Return an engine of its own."""
        with closing(ProcessEngine(tmp_path / "engine", os.environ)) as engine:
            yield engine

    @pytest.fixture
    def image_name(self) -> str:
        """Return a name that stands for this environment."""
        return "any"

    def later(self, platform_engine: Engine) -> Engine:
        """Return the engine as a later process has it."""
        assert isinstance(platform_engine, ProcessEngine)
        return ProcessEngine(platform_engine._folder, os.environ)

    def test_the_environment_is_private(self, platform_engine: Engine, runs: Runs, tmp_path: Path) -> None:
        """Nobody else can read a job's environment: there may be secrets in it."""
        run = runs.make("")
        platform_engine.start(run)
        ended(platform_engine, run)
        assert not (tmp_path / "engine").stat().st_mode & 0o077

    def test_a_stop_right_after_the_start_is_not_lost(self, platform_engine: Engine, runs: Runs) -> None:
        """Also if the shim has not yet said which process it is."""
        run = runs.make("import time; time.sleep(600)")
        platform_engine.start(run)
        platform_engine.stop(run.name)
        assert ended(platform_engine, run)[0].exit_code == 128 + signal.SIGTERM

    def test_a_killed_shim_is_noticed(self, platform_engine: Engine, runs: Runs, tmp_path: Path) -> None:
        """With the shim the program ends too, and the state says that nobody knows how."""
        run = runs.make("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
        platform_engine.start(run)
        wait_until(lambda: lines(run.hosts[0]))
        record = json.loads((tmp_path / "engine" / run.name / "algo-1/started.json").read_text())
        os.kill(record["pid"], signal.SIGKILL)
        [state] = ended(platform_engine, run)
        assert state.exit_code is None
        assert "killed" in state.problem
        wait_until(lambda: not is_alive(int(lines(run.hosts[0])[0])))

    def test_mounts_from_elsewhere_are_copies(
        self, platform_engine: Engine, runs: Runs, tmp_path: Path
    ) -> None:
        """What a container would have mounted is copied: the program cannot change it."""
        bucket = tmp_path / "bucket"
        bucket.mkdir()
        (bucket / "a.csv").write_text("1")
        run = runs.make(
            "import os, pathlib\n"
            "file = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'input/data/train/a.csv')\n"
            "print(file.read_text(), oct(file.stat().st_mode & 0o222))\n"
            "file.chmod(0o644); file.write_text('2')\n"
        )
        [host] = run.hosts
        mounted = Host(
            host.name,
            host.base,
            (*host.mounts, Mount(bucket, "/opt/ml/input/data/train", read_only=True)),
            {},
            host.log,
        )
        platform_engine.start(Run(run.name, run.image, run.entrypoint, run.arguments, (mounted,)))
        assert ended(platform_engine, run)[0].exit_code == 0
        assert lines(host) == ["1 0o0"]
        assert (bucket / "a.csv").read_text() == "1"

    def test_programs_find_the_tree_as_opt_ml(self, platform_engine: Engine, runs: Runs) -> None:
        """A path that a program has in itself leads into its own tree, if the kernel lets us."""
        run = runs.make("print(open('/opt/ml/input/program.py').read()[:5])")
        platform_engine.start(run)
        assert ended(platform_engine, run)[0].exit_code == 0
        assert lines(run.hosts[0]) == ["print"]


def test_two_runs_have_networks_of_their_own(tmp_path: Path) -> None:
    """So the hosts of both may use the same ports."""
    one, other = (loopback_network(tmp_path / name) for name in ("one", "other"))
    assert one != other
    assert all(ip_address(f"{network}.1").is_loopback for network in (one, other))


def test_argv() -> None:
    """Words below /opt/ml lead into the tree; our own commands are those of this environment."""
    host = Host("algo-1", Path("/base"), (), {}, Path("/log"))
    commands = Path(sys.executable).parent

    def of(entrypoint: tuple[str, ...], arguments: tuple[str, ...]) -> list[str]:
        return argv(Run("r", "i", entrypoint, arguments, (host,)), host, commands)

    assert of((), ("train",)) == [str(commands / "train")]
    assert of(("python3", "/opt/ml/processing/input/code/a.py"), ("/opt/ml", "/opt/mlx", "x/opt/ml")) == [
        "python3",
        "/base/processing/input/code/a.py",
        "/base",
        "/opt/mlx",
        "x/opt/ml",
    ]

"""Jobs that are killed at random moments, and resume: they end with the model of an undisturbed run."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.conftest import WriteConfig

from mlberth.checkpoints import Store
from mlberth.contract.layout import Layout

PROJECT = Path(__file__).parent.parent.parent / "projects" / "resume"
KILLS = 20
STEPS = 160
LONG = bool(os.environ.get("MLBERTH_LONG"))
# What each program imports, late imports too: torch reads its compiler when the first optimizer steps.
FRAMEWORKS = {"xgboost": "xgboost", "sklearn": "sklearn.neural_network", "torch": "torch._dynamo"}


class Attempts:
    """One program, run in a new process each time; see attempts.py."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server
        assert server.stdin
        assert server.stdout
        self._asks: IO[str] = server.stdin
        self._says: IO[str] = server.stdout

    def run(self, kill_after: tuple[int, float] | None = None) -> tuple[int, list[int]]:
        """Run it to its end, or SIGKILL it after steps and seconds; return exit code and printed steps."""
        self._asks.write("again\n")
        self._asks.flush()
        pid = int(self._expect("pid"))
        printed = []
        steps, delay = kill_after or (STEPS + 1, 0.0)
        while (line := self._says.readline().split())[0] == "step":
            printed.append(int(line[1]))
            if len(printed) == steps:
                deadline = time.monotonic() + delay
                while time.monotonic() < deadline:
                    pass  # finer than the scheduler's ticks: a save takes a few milliseconds
                os.kill(pid, signal.SIGKILL)
        assert line[0] == "ended", line
        return int(line[1]), printed

    def _expect(self, word: str) -> str:
        name, value = self._says.readline().split()
        assert name == word
        return value


@contextmanager
def attempts(framework: str, layout: Layout) -> Iterator[Attempts]:
    """Start attempts.py for the program of one framework."""
    settings = {
        "SAGEMAKER_BASE_DIR": str(layout.base),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # A line is one write, which a kill comes before or after: unbuffered, print makes several.
        "PYTHONUNBUFFERED": "",
    }
    program = PROJECT / f"train_{framework}.py"
    with subprocess.Popen(
        [sys.executable, PROJECT / "attempts.py", program, FRAMEWORKS[framework]],
        env=os.environ | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield Attempts(server)
        server.communicate(timeout=20)
        assert server.returncode == 0


@pytest.mark.parametrize("seed", range(10 if LONG else 1))
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_killed_job_resumes_and_ends_with_the_same_model(
    framework: str, seed: int, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each of 20 kills a whole checkpoint is there, none is lost, and the predictions are the same."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    rng = random.Random(seed)
    layout = write_config(hyperparameters={"steps": str(STEPS)})
    store = Store(layout.checkpoints)
    predictions = layout.model / "predictions.npy"
    with attempts(framework, layout) as job:
        assert job.run() == (0, list(range(STEPS)))
        undisturbed = predictions.read_bytes()
        predictions.unlink()
        for path in layout.checkpoints.iterdir():
            path.rename(layout.output / path.name)

        done = resumed = 0
        for _ in range(KILLS):
            resumed += done > 0
            exit_code, printed = job.run((rng.randint(1, 3), rng.uniform(0, 0.005)))
            assert exit_code == -signal.SIGKILL
            assert not predictions.exists()
            assert printed[0] == done
            latest = store.latest()
            done = latest.step if latest else 0
            # What was printed had been saved; not one step of it is lost.
            assert done >= printed[-1]
            assert len(store.checkpoints()) <= store.keep + 1
        assert job.run() == (0, list(range(done, STEPS)))
    assert predictions.read_bytes() == undisturbed
    with capsys.disabled():
        figures = {"fault": "SIGKILL while training", "framework": framework, "n": KILLS, "failed": 0}
        print("\n" + json.dumps(figures | {"resumed": resumed, "seed": seed}))  # noqa: T201 - the figures

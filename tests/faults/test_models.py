"""One of many models that dies, hangs or wants too much memory: the others do not notice."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from tests.faults.limits import memory_cgroup
from tests.faults.load import PATIENCE, Pings, processes, report
from tests.serve.models import ModelsServer
from tests.serve.running import Answer, children_of
from tests.support import is_alive, wait_until

from mlberth.contract.resources import memory_left, read_resident
from mlberth_serve.control.metrics.process_memory import read_proportional

pytestmark = pytest.mark.usefixtures("nginx")

_LONG = os.environ.get("MLBERTH_LONG") == "1"
_MODELS = 50 if _LONG else 6
_HANDLER = """
    import os, time
    def model_fn(model_dir):
        if os.path.exists(os.path.join(model_dir, "heavy")):
            return bytearray(int(open(os.path.join(model_dir, "heavy")).read()))
    def input_fn(body, content_type):
        return body
    def output_fn(prediction, accept):
        return prediction, "text/plain"
    def predict_fn(data, model):
        word = data if isinstance(data, str) else bytes(data).decode()
        if word.startswith("eat"):
            eaten = [bytearray(1 << 20) for _ in range(int(word[3:]))]
            return str(len(eaten))
        if word == "hang":
            while True:
                time.sleep(60)
        return str([os.getpid()])
"""
_BYTES = {"Content-Type": "application/octet-stream"}


class Others:
    """Requests to other models, one after the other, until it is left."""

    def __init__(self, server: ModelsServer, names: list[str]) -> None:
        self._server, self._names = server, names
        self._thread = threading.Thread(target=self._run)
        self._over = False
        self.count = 0
        self.failures: list[Answer] = []

    def _run(self) -> None:
        while not self._over:
            for name in self._names:
                answer = self._server.ask(name, "x", **_BYTES)
                self.count += 1
                if answer.status != 200:
                    self.failures.append(answer)

    def __enter__(self) -> Others:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()


@contextmanager
def one_of_many(server: ModelsServer, fault: str) -> Iterator[None]:
    """Load models, ask all but the first while something befalls that one, and tell what the others saw."""
    names = [f"m{number}" for number in range(_MODELS)]
    for name in names:
        server.write(name, _HANDLER)
        assert server.load(name).status == 200
    with Pings(server) as pings, Others(server, names[1:]) as others:
        wait_until(lambda: others.count > _MODELS, timeout=PATIENCE)
        began = time.monotonic()
        yield
        wait_until(lambda: server.ask("m0", "x", **_BYTES).status == 200, timeout=PATIENCE)
        recovery = time.monotonic() - began
        before = others.count
        wait_until(lambda: others.count > before + _MODELS, timeout=PATIENCE)
    report(fault, n=others.count, failed=len(others.failures), recovery=recovery, pings=pings)
    assert [failure.body for failure in others.failures] == []


@contextmanager
def limited(tmp_path: Path, megabytes: int, **variables: str) -> Iterator[ModelsServer]:
    """Run a server in a cgroup with so much memory."""
    cgroup = memory_cgroup(megabytes << 20)
    server = ModelsServer(tmp_path, **variables)
    server.wrapper = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs && exec "$@"', "sh"]
    try:
        with server:
            server.wait_ready()
            yield server
    finally:
        wait_until(lambda: not (cgroup / "cgroup.procs").read_text())
        cgroup.rmdir()


def test_models_one_whose_processes_are_killed(tmp_path: Path) -> None:
    """The arbiter of one of many models is killed: its clients get 503 until it is started again."""
    server = ModelsServer(tmp_path)
    with server:
        server.wait_ready()
        with one_of_many(server, "one of many models is killed"):
            arbiter = server.arbiter("m0")
            os.kill(arbiter, signal.SIGKILL)
            wait_until(lambda: not is_alive(arbiter))


def test_models_one_that_hangs(tmp_path: Path) -> None:
    """Its client gets 504, its worker is replaced, and requests that waited for it are answered."""
    server = ModelsServer(tmp_path, SAGEMAKER_MODEL_SERVER_TIMEOUT="2")
    with server:
        server.wait_ready()
        with one_of_many(server, "one of many models hangs"):
            answer = server.ask("m0", "hang", **_BYTES)
            assert (answer.status, answer.error["code"]) == (504, "timeout")


def test_models_one_that_runs_out_of_memory(tmp_path: Path) -> None:
    """The kernel takes its worker and no other process; its client gets 507: the platform makes room."""
    with (
        limited(tmp_path, 600 if not _LONG else 2000) as server,
        one_of_many(server, "one of many models runs out of memory"),
    ):
        answer = server.ask("m0", "eat100000", **_BYTES)
        assert (answer.status, answer.error["code"]) == (507, "out_of_memory")


@pytest.mark.parametrize(
    ("when", "write"),
    [
        ("before", lambda path: _hole(path / "weights", 1 << 40)),
        ("during", lambda path: (path / "heavy").write_text(str(4 << 30))),
        ("after", lambda path: (path / "heavy").write_text(str(int(os.environ["LEFT"])))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_models_one_for_which_there_is_no_memory(
    tmp_path: Path, when: str, write: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """507 before, during and after the load; what serves already serves on, and the name is free."""
    with limited(tmp_path, 400) as server:
        server.write("small", _HANDLER)
        assert server.load("small").status == 200
        pid = server.pids("small")[0]
        monkeypatch.setenv("LEFT", str(_left(server) - (12 << 20)))
        write(server.write("large", _HANDLER))
        answer = server.load("large")
        assert answer.status == 507, answer.body
        assert b'"type": "InsufficientStorageException"' in answer.body
        assert server.names() == ["small"]
        assert server.pids("small") == [pid]
        assert is_alive(pid)
        server.write("other", _HANDLER)
        assert server.load("other").status == 200
    report(f"no memory for a model, {when} its load", n=1, failed=0)


def _hole(path: Path, size: int) -> None:
    """Write a file that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size)


def _left(server: ModelsServer) -> int:
    """Return the bytes of memory that the server's cgroup has left."""
    root = server.log.parent / "root"
    (root / "proc" / "self").mkdir(parents=True)
    lines = Path(f"/proc/{server.process.pid}/cgroup").read_text()
    (root / "proc" / "self" / "cgroup").write_text(lines)
    (root / "proc" / "meminfo").write_text(Path("/proc/meminfo").read_text())
    (root / "sys").symlink_to("/sys")
    return memory_left(root)


def test_models_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    """Loads and unloads leak no process, descriptor, file or memory of the processes that stay.

    MLBERTH_ROUNDS is how many of them; 10,000 in the long form.
    """
    server = ModelsServer(tmp_path)
    rounds = int(os.environ.get("MLBERTH_ROUNDS", "10000" if _LONG else "5"))
    with server:
        server.wait_ready()
        server.write("m0", _HANDLER)

        def come_and_go() -> None:
            assert server.load("m0").status == 200
            assert server.ask("m0", "x", **_BYTES).status == 200
            assert server.unload("m0").status == 200

        for _ in range(100 if rounds > 100 else 3):
            come_and_go()
        before = _state(server)
        for _ in range(rounds):
            come_and_go()
        after = _state(server)
        # A connection that ends may still have been there before.
        assert all(now <= then for now, then in zip(after[:3], before[:3], strict=True)), (before, after)
        assert after[3] - before[3] < 2 << 20
    report("models come and go", n=rounds, failed=0)


def _state(server: ModelsServer) -> tuple[int, int, int, int]:
    """Return the manager's processes, descriptors, files in the private folder, and resident bytes."""
    manager = server.children()["gunicorn"]
    files = sum(len(names) for _, _, names in os.walk(server.temporary))
    descriptors = len(list(Path(f"/proc/{manager}/fd").iterdir()))
    return len(children_of(manager)), descriptors, files, read_resident(manager) or 0


def test_models_by_the_hundred(tmp_path: Path) -> None:
    """So many models of scikit-learn are loaded at once, answer and are unloaded, and leave no process."""
    server = ModelsServer(tmp_path)
    count = 500 if _LONG else 6
    rows, kinds = load_iris(return_X_y=True)
    trained = LogisticRegression(max_iter=1000).fit(rows, kinds)
    names = [f"m{number:03}" for number in range(count)]
    for name in names:
        folder = server.models / name / "model"
        folder.mkdir(parents=True)
        joblib.dump(trained, folder / "model.joblib")

    def ask(name: str) -> None:
        answer = server.ask(name, "5.1,3.5,1.4,0.2", **{"Content-Type": "text/csv"})
        assert (answer.status, answer.body) == (200, b"[0]"), name

    with server, Pings(server) as pings:
        server.wait_ready()
        assert server.load(names[0]).status == 200
        ask(names[0])
        at_first, before = _memory(server), children_of(server.children()["gunicorn"])
        loads = []
        for name in names[1:]:
            began = time.monotonic()
            assert server.load(name).status == 200, name
            loads.append(time.monotonic() - began)
            ask(name)
        memory = (_memory(server) - at_first) / len(loads)
        for name in names:
            ask(name)
        for name in names[1:]:
            assert server.unload(name).status == 200
        after = children_of(server.children()["gunicorn"])
        assert server.names() == names[:1]
    assert len(after) == len(before)
    figures = {"load_ms": 1000 * statistics.median(loads), "mb_a_model": memory / (1 << 20)}
    report(f"{count} models at once", n=count, failed=0, pings=pings, **figures)


def _memory(server: ModelsServer) -> int:
    """Return the bytes of all processes of a server, what they share counted once."""
    pids, found = processes(server), 0
    for pid in pids:  # an arbiter's workers are children of its own
        pids += [child for child in children_of(pid) if child not in pids]
        found += read_proportional(pid, read_resident(pid) or 0) or 0
    return found

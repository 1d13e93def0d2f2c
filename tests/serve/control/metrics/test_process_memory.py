"""What serving costs in memory: one model for all workers, little for each, and no more with time."""

from __future__ import annotations

import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.serve.running import Server, children_of
from tests.support import wait_until

from mlberth_serve.control.commands import APPLICATION

LONG = os.environ.get("MLBERTH_LONG") == "1"
MB = 1024**2
MODEL_MB = 300 if LONG else 100
WARM_UP, REQUESTS = (10_000, 100_000) if LONG else (1_000, 2_000)
MAX_GROWTH = 0.01
ROUNDS = 3
"""How often memory may settle: what leaks grows in every round."""
_CELL_BYTES = 112
"""A list of one float, and its place in another list."""
HANDLER = """
import os
import time

def model_fn(model_dir):
    return [[float(number)] for number in range(int(os.environ["CELLS"]))]

def predict_fn(data, model):
    time.sleep(float(os.environ["SECONDS"]))
    return [model[int(data[0][0]) % len(model)][0], os.getpid()]
"""


def serving(folder: Path, *, workers: int, megabytes: int, seconds: float) -> Server:
    """Return a server whose model is very many small objects, each with a count of its references."""
    folder.mkdir()
    code = folder / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(HANDLER)
    return Server(
        folder,
        APPLICATION,
        CELLS=str(1 + megabytes * MB // _CELL_BYTES),
        SECONDS=str(seconds),
        SAGEMAKER_MODEL_SERVER_WORKERS=str(workers),
        SAGEMAKER_USE_NGINX="false",
    )


def memory(pid: int, field: str) -> int:
    """Return the bytes of one field of what the kernel says of a process's memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def tree_memory(pid: int) -> int:
    """Return the memory of a process and all below it, shared pages counted once."""
    return memory(pid, "Pss") + sum(map(tree_memory, children_of(pid)))


def memory_of(folder: Path, workers: int) -> int:
    """Return what a server takes when each of its workers has predicted."""
    with serving(folder, workers=workers, megabytes=MODEL_MB, seconds=0.05) as server:
        wait_until(lambda: server.ping() == 200, timeout=60)
        seen: set[int] = set()

        def predict(number: int) -> None:
            answer = server.invoke(f"{number}", **{"Content-Type": "text/csv"})
            seen.add(json.loads(answer.body)[1])

        def all_seen() -> bool:
            with ThreadPoolExecutor(2 * workers) as pool:
                list(pool.map(predict, range(4 * workers)))
            return len(seen) == workers

        wait_until(all_seen, timeout=60, message=server.text)
        return tree_memory(server.process.pid)


def test_workers_share_the_model(tmp_path: Path) -> None:
    """A further worker costs less than 10 MB beside a model of Python objects: 5 % of 300 MB for three."""
    one, four = (memory_of(tmp_path / str(workers), workers) for workers in (1, 4))
    assert one > MODEL_MB * MB
    assert (four - one) / 3 < 10 * MB
    if LONG:
        assert four <= 1.05 * one


def test_memory_does_not_grow(tmp_path: Path) -> None:
    """After a warm-up, what a worker has for itself grows by 1 % at most in 2,000 requests, or in 100,000."""
    with serving(tmp_path / "one", workers=1, megabytes=0, seconds=0) as server:
        server.wait_ready()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

        def own_after(requests: int) -> int:
            for _ in range(requests):
                connection.request("POST", "/invocations", b"1,2,3", {"Content-Type": "text/csv"})
                worker = json.loads(connection.getresponse().read())[1]
            return memory(worker, "Private_Dirty")

        own = [own_after(WARM_UP)]
        while len(own) <= ROUNDS:
            own.append(own_after(REQUESTS))
            if own[-1] <= (1 + MAX_GROWTH) * own[-2]:
                break
        connection.close()
    assert own[-1] <= (1 + MAX_GROWTH) * own[-2], own

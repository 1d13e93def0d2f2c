"""A long run: load, kills and reloads, then load alone; fails where memory grows or anything is left.

python -m tests.faults.soak MINUTES

Two thirds of the time workers are killed and the model is reloaded under load, and after each round the
server is measured in the same state: fresh workers after the same number of requests. In the last third
the same workers serve on. The first quarter of the figures of each is the warm-up.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.load import FAULTY, KEPT_FILES, Load, open_files, processes, wait_for_answers, workers
from tests.serve.running import Server
from tests.support import is_alive, wait_until

from mlberth.contract.resources import read_resident
from mlberth_serve.control.metrics.process_memory import read_proportional

PATIENCE = 60.0
KILLS = 5
"""In each round."""
MAX_GROWTH = 0.01


@dataclass(frozen=True)
class Sample:
    """What the whole server has at one moment."""

    memory: int
    """Bytes, what is shared counted once."""
    descriptors: int
    processes: int
    files: int


def sample(server: Server) -> Sample:
    """Measure a server that is at rest, or whose workers at least stay the same."""
    pids = processes(server)
    memory = sum(read_proportional(pid, read_resident(pid) or 0) or 0 for pid in pids)
    return Sample(memory, open_files(pids), len(belonging(server)), len(list(server.temporary.rglob("*"))))


def belonging(server: Server) -> list[int]:
    """Return the processes that have the server's environment, those that it has lost included."""
    mark = f"TMPDIR={server.temporary}\0".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        pid = int(path.parent.name)
        try:
            if mark in path.read_bytes() and is_alive(pid):
                found.append(pid)
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def reload(server: Server, *, kill: bool) -> None:
    """Load the model anew, and kill one of the workers that serve meanwhile; wait for the old ones' end."""
    old, victim = server.children()["gunicorn"], workers(server)[0]
    server.process.send_signal(signal.SIGHUP)
    if kill:
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(old), timeout=PATIENCE)
    wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)


def storm(server: Server, until: float) -> tuple[list[Sample], list[Load]]:
    """Kill and reload under load, in rounds; return what is measured after each, and the load."""
    samples, loads = [], []
    while time.monotonic() < until:
        with Load(server) as load:
            for _ in range(KILLS):
                victim = workers(server)[0]
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda: len(set(workers(server)) - {victim}) == 2, timeout=PATIENCE)  # noqa: B023
                wait_for_answers(load, 200)
            reload(server, kill=True)
            wait_for_answers(load, 200)
        reload(server, kill=False)
        with Load(server) as after:
            wait_for_answers(after, 1000)
        samples.append(at_rest(server))
        loads += [load, after]
    return samples, loads


def at_rest(server: Server) -> Sample:
    """Measure when descriptors are no longer opened or closed."""
    counts = [-1]

    def settled() -> bool:
        counts.append(open_files(processes(server)))
        return len(counts) > 50 and len(set(counts[-50:])) == 1

    wait_until(settled, timeout=PATIENCE)
    return sample(server)


def calm(server: Server, until: float) -> tuple[list[Sample], list[Load]]:
    """Serve on with the same workers, and measure meanwhile."""
    samples = []
    with Load(server) as load:
        while time.monotonic() < until:
            wait_for_answers(load, 500)
            samples.append(sample(server))
    return samples, [load]


def growth(samples: Sequence[Sample]) -> float:
    """Return by what share the memory grew from the second quarter, after the warm-up, to the last.

    What leaks grows in every quarter, so the lesser of two steps counts twice: Python makes its table of
    interned strings larger once, by half a megabyte, and never again.
    """
    quarter = max(1, len(samples) // 4)
    parts = [samples[-count * quarter :][:quarter] for count in (3, 2, 1)]
    second, third, last = (statistics.median(each.memory for each in part) for part in parts)
    return 2 * min(third - second, last - third) / second


def main() -> int:
    """Run, print the figures as a line of JSON, and return 1 where a bar is missed."""
    minutes = float(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Server(Path(folder), FAULTY) as server:
        server.wait_ready()
        began = time.monotonic()
        stormy, loads = storm(server, began + minutes * 40)
        still, more = calm(server, began + minutes * 60)
        last = at_rest(server)
        code = server.stop()
        left = len(belonging(server)) + len(list(server.temporary.iterdir()))
    first = stormy[len(stormy) // 4]
    figures = {
        "fault": "soak",
        "minutes": minutes,
        "n": sum(load.count for load in loads + more),
        "failed": sum(len(load.failures) for load in loads + more),
        "rounds": len(stormy),
        "memory_mb": round(last.memory / (1 << 20), 1),
        "growth_under_faults": round(growth(stormy), 4),
        "growth_under_load": round(growth(still), 4),
        "calm": sum(load.count for load in more),
        # What is kept open is another after each round.
        "descriptors_leaked": max(
            0, stormy[-1].descriptors - first.descriptors - KEPT_FILES * loads[0].clients
        ),
        "processes_leaked": last.processes - first.processes,
        "files_leaked": last.files - first.files,
        "left_after_the_stop": left,
        "exit_code": code,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    bars = dict.fromkeys(("growth_under_faults", "growth_under_load"), MAX_GROWTH)
    missed = [name for name in figures if name in bars and float(str(figures[name])) > bars[name]]
    missed += [name for name in ("failed", "left_after_the_stop", "exit_code") if figures[name]]
    missed += [name for name in figures if name.endswith("_leaked") and int(str(figures[name])) > 0]
    if missed:
        sys.stdout.write(f"missed: {', '.join(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

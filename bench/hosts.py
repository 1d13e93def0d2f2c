"""What hosts cost the leader of a distributed job: joining, starting, and being there.

    python -m bench.hosts

The leader's own link takes in as many connections as there are hosts, all on this machine; only its CPU time
counts. Results go to bench/results/hosts.json, from which docs/explanation/sizes.md takes its figures.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import socket
import tempfile
import time
from pathlib import Path

from mlberth_train.ranks.coordinator import Coordinator
from mlberth_train.ranks.link import LeaderLink
from mlberth_train.ranks.plan import Plan

RESULTS = Path(__file__).resolve().parent / "results/hosts.json"
HOSTS = (10, 100, 1000)
_STEPS = 20
_SECONDS = 60


def main() -> int:
    """Measure, print and write the results."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    figures = {str(hosts): measure(hosts) for hosts in HOSTS}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    RESULTS.write_text(json.dumps({"machine": machine, "hosts": figures}, indent=2) + "\n")
    for hosts, figure in figures.items():
        print(hosts, figure)
    return 0


def measure(hosts: int) -> dict[str, float]:
    """Return milliseconds of the leader's CPU until all hosts may start, and for one look at all of them."""
    names = [f"host-{number}" for number in range(hosts)]
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan(names, folder)
        link = LeaderLink(plan, Coordinator(plan), lambda _: None)
        link.send({"kind": "join", "processes": 1, "host": names[0], "job": plan.job})
        clients = []
        spent = 0.0
        for name in names[1:]:
            client = socket.create_connection(("127.0.0.1", plan.port))
            clients.append(client)
            joining = {"kind": "join", "processes": 1, "host": name, "job": plan.job}
            client.sendall(json.dumps(joining).encode() + b"\n")
            if len(clients) % 100 == 0:  # a backlog is no longer than that
                spent += _step(link)[0]
        deadline = time.monotonic() + _SECONDS
        started = False
        while not started:
            assert time.monotonic() < deadline, "not all hosts have joined"
            took, started = _step(link)
            spent += took
        looks = [_step(link)[0] for _ in range(_STEPS)]
        link.close()
        for client in clients:
            client.close()
    return {"start_ms": round(spent * 1e3, 2), "look_ms": round(sum(looks) / _STEPS * 1e3, 3)}


def _step(link: LeaderLink) -> tuple[float, bool]:
    """Return the CPU seconds of a step, and whether it has let the hosts start."""
    began = time.thread_time()
    messages = link.step()
    return time.thread_time() - began, any(message["kind"] == "start" for message in messages)


def _plan(names: list[str], folder: str) -> Plan:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Plan(
        folder=folder,
        launcher="torchrun",
        host=names[0],
        hosts=names,
        processes=1,
        equal=True,
        port=port,
        wait=_SECONDS,
        grace=1.0,
        patience=0.0,
        min_hosts=len(names),
        restarts=0,
        collapse=False,
        program=[],
        code=folder,
        pythonpath="",
        argv=[],
        environs=[{}],
        helpers=[],
        counted={},
        job="job",
    )


if __name__ == "__main__":
    raise SystemExit(main())

"""torchrun: PET_*, from which it takes its arguments, and what it gives each rank.

Source: `torch/distributed/run.py` and `argparse_util.py`; Kubeflow Trainer sets PET_* for each pod, the
PyTorchJob of the older operator those of an elastic job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlberth.engines import Machine
from mlberth.engines.found import TORCHRUN, Fields, Found, Partial, numbered, split_address

_ENGINE = "Kubeflow (torch)"
_NODES = re.compile(r"([0-9]{1,6})(?::([0-9]{1,6}))?")
_TRIGGERS = ("PET_NNODES", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_RDZV_ENDPOINT")
_WORDS = ("auto", "gpu", "cpu")


def read(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:
    """Return what PET_* says to a torchrun that is still to be started."""
    if not any(environ.get(name) for name in _TRIGGERS):
        return None
    fields = Fields(_ENGINE, environ)
    least, hosts = _nodes(fields)
    per_host = fields.text("PET_NPROC_PER_NODE", "PET_N_PROC_PER_NODE").lower()
    if per_host and per_host not in _WORDS and not (per_host.isdecimal() and 0 < int(per_host) < 1024):
        fields.add(fields.names[-1], repr(per_host), f"a number of processes, or {', '.join(_WORDS)}")
    if hosts == 1 and len(fields.names) == 1 and not environ.get("PET_MASTER_ADDR"):
        return Found(_ENGINE, tuple(fields.names), 1, 0)  # PET_NNODES=1, and nothing that asks for torchrun
    leader, port = split_address(fields.text("PET_MASTER_ADDR", "PET_RDZV_ENDPOINT", needed=hosts != 1))
    port = fields.port("PET_MASTER_PORT") or port
    names: tuple[str, ...] = ()
    if environ.get("PET_NODE_RANK"):
        host = fields.rank("PET_NODE_RANK", of=hosts)
        # Pods of a Job with an index have names that follow from the first one's.
        if hosts and host is not None and environ.get("JOB_COMPLETION_INDEX") == str(host):
            names = numbered(leader, hosts, host, machine.name)
    else:
        host, names = _from_own_name(leader, hosts, machine.name)
        if host is None:
            fields.rank("PET_NODE_RANK", of=hosts)
    restarts = fields.count("PET_MAX_RESTARTS", least=0, needed=False)
    if fields.faults or hosts is None or host is None:
        return fields.partial()
    return Found(
        _ENGINE,
        tuple(fields.names),
        hosts,
        host,
        names=names,
        leader=leader,
        port=port,
        launcher="torchrun",
        per_host=per_host,
        least=least,
        restarts=restarts,
    )


def read_started(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:  # noqa: ARG001 - all alike
    """Return what a torchrun says that has started this `train`."""
    if not environ.get("TORCHELASTIC_RUN_ID"):
        return None
    fields = Fields(TORCHRUN, environ)
    size = fields.count("WORLD_SIZE")
    rank = fields.rank("RANK", of=size)
    local_size = fields.count("LOCAL_WORLD_SIZE")
    local = fields.rank("LOCAL_RANK", of=local_size)
    hosts = fields.count("GROUP_WORLD_SIZE", needed=False)
    if hosts is None and size and local_size:
        hosts = max(1, size // local_size)
    host = fields.rank("GROUP_RANK", of=hosts)
    leader = fields.text("MASTER_ADDR", needed=True)
    if size is None or rank is None or local_size is None or local is None or hosts is None or host is None:
        return fields.partial()
    if fields.faults:
        return fields.partial()
    return Found(
        TORCHRUN,
        tuple(fields.names),
        hosts,
        host,
        leader=leader,
        port=fields.port("MASTER_PORT"),
        process=(rank, size),
        local=(local, local_size),
    )


def _nodes(fields: Fields) -> tuple[int | None, int | None]:
    """Return how many hosts are enough, if that is fewer, and how many there are."""
    text = fields.text("PET_NNODES", needed=True)
    match = _NODES.fullmatch(text)
    if match is None:
        if text:
            fields.add("PET_NNODES", repr(text), "a number of hosts, or a range such as 1:4")
        return None, None
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last:
        fields.add("PET_NNODES", repr(text), "a number of hosts, or a range such as 1:4")
        return None, None
    return (first if first < last else None), last


def _from_own_name(leader: str, hosts: int | None, own: str) -> tuple[int | None, tuple[str, ...]]:
    """Return the position and the names of hosts that are numbered, from this one's own."""
    if hosts == 1:
        return 0, ()
    label = own.partition(".")[0].rpartition("-")[2]
    if not hosts or not label.isdecimal() or int(label) >= hosts:
        return None, ()
    names = numbered(leader, hosts, int(label), own)
    return (int(label), names) if names else (None, ())

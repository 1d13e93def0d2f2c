"""Slurm: `srun train`, one task on each node, or several that are ranks by themselves.

Source: srun(1), OUTPUT ENVIRONMENT VARIABLES. Only those of a step count: a shell of `salloc` or `sbatch` has
the variables of the whole job, and runs on one node.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth.engines import Machine
from mlberth.engines.found import Fields, Found, Partial
from mlberth.engines.hostlist import expand_counts, expand_hosts

_ENGINE = "Slurm"


def read(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:  # noqa: ARG001 - all alike
    """Return what a step of Slurm says; None outside of one."""
    if not (environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_STEP_ID")):
        return None
    fields = Fields(_ENGINE, environ)
    listed = fields.text("SLURM_STEP_NODELIST", needed=True)
    names, counts = _names(fields, listed), _counts(fields)
    host = fields.rank("SLURM_NODEID", of=len(names) or None)
    tasks = fields.count("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    rank = fields.rank("SLURM_PROCID", of=tasks)
    local = fields.rank("SLURM_LOCALID", of=counts[host] if host is not None and host < len(counts) else None)
    if names and counts and len(names) != len(counts):
        found = f"numbers of {len(counts)} nodes, with {len(names)} in SLURM_STEP_NODELIST"
        fields.add("SLURM_STEP_TASKS_PER_NODE", found, "one number for each node")
    elif tasks is not None and counts and sum(counts) != tasks:
        found = f"{sum(counts)} tasks on all nodes"
        fields.add("SLURM_STEP_TASKS_PER_NODE", found, f"{tasks}, as SLURM_STEP_NUM_TASKS says")
    if fields.faults or host is None or tasks is None or rank is None or local is None:
        return fields.partial()
    return Found(
        _ENGINE,
        tuple(fields.names),
        len(names),
        host,
        names=tuple(names),
        leader=fields.text("MASTER_ADDR"),
        port=fields.port("MASTER_PORT"),
        process=(rank, tasks),
        local=(local, counts[host]),
    )


def _names(fields: Fields, listed: str) -> list[str]:
    try:
        names = expand_hosts(listed) if listed else []
    except ValueError:
        names = []
        fields.add("SLURM_STEP_NODELIST", repr(listed), "a list of hosts such as node[01-03]")
    if len(set(names)) < len(names):
        fields.add("SLURM_STEP_NODELIST", repr(listed), "each host once")
    return names


def _counts(fields: Fields) -> list[int]:
    text = fields.text("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE", needed=True)
    try:
        return expand_counts(text) if text else []
    except ValueError:
        fields.add("SLURM_STEP_TASKS_PER_NODE", repr(text), "numbers such as 2(x3),1")
        return []

"""MASTER_ADDR, WORLD_SIZE and RANK, which the older operators and many scripts set for each process.

Source: the PyTorchJob and the XGBoostJob of kubeflow/training-operator; torch.distributed's `env://`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth.engines import Machine
from mlberth.engines.found import Fields, Found, Partial

_ENGINE = "MASTER_ADDR"


def read(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:  # noqa: ARG001 - all alike
    """Return what the variables say; one process alone may have any part of them."""
    fields = Fields(_ENGINE, environ)
    size = fields.count("WORLD_SIZE", needed=False)
    rank = fields.rank("RANK", of=size, needed=False)
    if not fields.faults and size in (None, 1) and rank in (None, 0):
        return None
    if size is None or rank is None:
        for name in ("WORLD_SIZE", "RANK"):
            if not environ.get(name, "").strip():
                fields.text(name, needed=True)
        return fields.partial()
    leader = fields.text("MASTER_ADDR", needed=True)
    local_size = fields.count("LOCAL_WORLD_SIZE", needed=False)
    local = fields.rank("LOCAL_RANK", of=local_size, needed=bool(local_size and local_size > 1))
    if local and local_size is None:
        fields.text("LOCAL_WORLD_SIZE", needed=True)
    each = local_size or 1
    if not fields.faults and (size % each or rank % each != (local or 0)):
        found = f"{local or 0} of {each} on this host, with the rank {rank} of {size}"
        fields.add("LOCAL_RANK", found, "as many ranks on each host, one host after the other")
    if fields.faults:
        return fields.partial()
    return Found(
        _ENGINE,
        tuple(fields.names),
        size // each,
        rank // each,
        names=_names(fields, leader, size // each),
        leader=leader,
        port=fields.port("MASTER_PORT"),
        process=(rank, size),
        local=(local or 0, each),
    )


def _names(fields: Fields, leader: str, hosts: int) -> tuple[str, ...]:
    """Return the names of all hosts, which the XGBoostJob gives."""
    workers = [name.strip() for name in fields.text("WORKER_ADDRS").split(",") if name.strip()]
    names = (leader, *workers)
    return names if len(set(names)) == len(names) == hosts else ()

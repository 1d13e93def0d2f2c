"""Open MPI: `mpirun train`, so that each `train` is a rank already.

Source: the variables that Open MPI documents for each process. They name no host, so that the position of
this one follows from the ranks, which fill one host after the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth.engines import Machine
from mlberth.engines.found import Fields, Found, Partial

_ENGINE = "Open MPI"


def read(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:  # noqa: ARG001 - all alike
    """Return what mpirun says to a process; None outside of one."""
    if not (environ.get("OMPI_COMM_WORLD_RANK") or environ.get("OMPI_COMM_WORLD_SIZE")):
        return None
    fields = Fields(_ENGINE, environ)
    size = fields.count("OMPI_COMM_WORLD_SIZE")
    rank = fields.rank("OMPI_COMM_WORLD_RANK", of=size)
    local_size = fields.count("OMPI_COMM_WORLD_LOCAL_SIZE")
    local = fields.rank("OMPI_COMM_WORLD_LOCAL_RANK", of=local_size)
    if fields.faults or size is None or rank is None or local_size is None or local is None:
        return fields.partial()
    if size % local_size or rank % local_size != local:
        found = f"rank {rank} of {size}, and {local} of {local_size} on this host"
        expected = "as many ranks on each host, one host after the other (mpirun --map-by slot)"
        fields.add("OMPI_COMM_WORLD_LOCAL_RANK", found, expected)
        return fields.partial()
    return Found(
        _ENGINE,
        tuple(fields.names),
        size // local_size,
        rank // local_size,
        leader=fields.text("MASTER_ADDR"),
        port=fields.port("MASTER_PORT"),
        process=(rank, size),
        local=(local, local_size),
    )

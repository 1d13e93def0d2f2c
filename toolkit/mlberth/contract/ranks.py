"""The rank of this process among those that train together."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth.contract.hosts import Hosts
from mlberth.envvars import Reader, Variable, optional, whole_number

_COUNT = optional(whole_number(0, 2**31))
# What the launchers give each process: torchrun, and Open MPI.
_LAUNCHERS = {"RANK": "WORLD_SIZE", "OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE"}
_LOCAL = {
    "LOCAL_RANK": "LOCAL_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK": "OMPI_COMM_WORLD_LOCAL_SIZE",
}


def read_rank(environ: Mapping[str, str], hosts: Hosts) -> tuple[int, int]:
    """Return this process's rank and the number of ranks: the launcher's, else the host's.

    Raises ContractError for a rank that is not a number.
    """
    return _read(environ, _LAUNCHERS) or (hosts.rank, len(hosts.names))


def read_local_rank(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return this process's rank among those of its host, and their number: 0 and 1 without a launcher."""
    return _read(environ, _LOCAL) or (0, 1)


def _read(environ: Mapping[str, str], names: Mapping[str, str]) -> tuple[int, int] | None:
    reader = Reader(environ)
    for rank_name, size_name in names.items():
        rank = reader.get(Variable(rank_name, _COUNT, None, "The rank that a launcher gave."))
        size = reader.get(Variable(size_name, _COUNT, None, "The number of ranks of a launcher."))
        if rank is not None and size is not None:
            reader.check()
            return rank, size
    reader.check()
    return None

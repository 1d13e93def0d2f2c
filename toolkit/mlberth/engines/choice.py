"""The choice among the engines whose variables are there.

The nearest process wins: torchrun, then mpirun, have started this very `train`. Then those that are meant
for one framework, then Slurm, which names all hosts, then the bare MASTER_ADDR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlberth.engines import Machine, kubernetes, mpi, plain, slurm, tensorflow, torch
from mlberth.engines.found import TORCHRUN, Found, Partial
from mlberth.errors import ContractError, Fault

_Reader = Callable[[Mapping[str, str], Machine], "Found | Partial | None"]
_STARTERS: tuple[_Reader, ...] = (torch.read_started, mpi.read)
_ENGINES: tuple[_Reader, ...] = (
    torch.read,
    kubernetes.read_jax,
    kubernetes.read_dmlc,
    tensorflow.read,
    kubernetes.read_group,
    slurm.read,
    plain.read,
)


def find_engine(environ: Mapping[str, str], machine: Machine) -> Found | None:
    """Return what an engine says of the job's hosts; None for one process alone.

    Raises ContractError that names the variables if they contradict each other, or if they say too little
    and nothing else says more.
    """
    for read in _STARTERS:
        found = read(environ, machine)
        if isinstance(found, Partial):
            raise ContractError(*found.faults)
        if found and not found.is_alone:
            # Slurm's variables are those of what has started mpirun; a rank in RANK is this one's.
            return _checked(found, [] if found.engine == TORCHRUN else [plain.read(environ, machine)])
    readings = [read(environ, machine) for read in _ENGINES]
    for position, reading in enumerate(readings):
        if isinstance(reading, Partial):
            raise ContractError(*reading.faults)
        if reading and not reading.is_alone:
            return _checked(reading, readings[position + 1 :])
    return None


def _checked(found: Found, others: list[Found | Partial | None]) -> Found:
    """Return what was found, if no other engine's variables contradict it."""
    faults = [
        Fault(
            ", ".join(other.variables),
            f"{_position(other)} ({other.engine})",
            f"{_position(found)}, as {', '.join(found.variables)} say ({found.engine})",
            "Unset those of one of them, or write resourceconfig.json.",
        )
        for other in others
        if isinstance(other, Found) and not other.is_alone and not found.agrees_with(other)
    ]
    if faults:
        raise ContractError(*faults)
    return found


def _position(found: Found) -> str:
    rank = f"rank {found.process[0]} of {found.process[1]} on " if found.process and found.is_rank else ""
    return f"{rank}host {found.host} of {found.hosts}"


def host_names(found: Found, machine: Machine) -> list[str]:
    """Return a name for each host: the engine's, or the leader's address and numbers for the others."""
    if found.hosts == 1:
        return [machine.name]
    if found.names:
        return list(found.names)
    return [found.leader or "host-0", *(f"host-{number}" for number in range(1, found.hosts))]


def program_variables(found: Found) -> dict[str, str]:
    """Return what torch.distributed's `env://` reads, for the program of a `train` that is a rank itself."""
    if found.process is None:
        return {}
    (rank, size), (local, local_size) = found.process, found.local
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(local),
        "LOCAL_WORLD_SIZE": str(local_size),
    }


def describe(found: Found, current: str) -> str:
    """Return what was taken, for one line of text."""
    names = ", ".join(dict.fromkeys(found.variables))
    parts = [f"{found.engine} ({names}): host {found.host} of {found.hosts}"]
    if found.hosts > 1:
        parts[0] += f", called {current}"
        if not found.names:
            parts.append("hosts that the variables do not name are called by their numbers")
    if found.is_rank and found.process:
        (rank, size), (local, local_size) = found.process, found.local
        parts.append(f"this `train` is rank {rank} of {size}, and {local} of {local_size} on its host")
    return "; ".join(parts)

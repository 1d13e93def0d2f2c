"""The hosts of a job as the engine that started it says by its own variables: Kubernetes, Slurm, MPI.

Pure functions of the environment, in the commands and in the user's program. Standard library; may import
the root.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlberth._typing import NamedTuple

_PREFIXES = ("PET_", "JAX_", "DMLC_", "LWS_", "SLURM_", "OMPI_", "TORCHELASTIC_")
_NAMES = frozenset({"TF_CONFIG", "RANK", "WORLD_SIZE", "COORDINATOR_ADDRESS"})


def may_be_named(variables: Iterable[str]) -> bool:
    """Return whether any variable may be an engine's; if none is, nothing of this room need be imported."""
    return any(name.startswith(_PREFIXES) or name in _NAMES for name in variables)


class Machine(NamedTuple):
    """What an engine's variables are read with."""

    name: str
    """The name that this machine has for itself."""
    gpus: int = 0

"""The launchers that there are, and which of them a job asks for.

A job that asks for one that there is not must not run as a plain script and succeed: it would have trained
something else.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth._typing import TYPE_CHECKING, OnDemand, typing
from mlberth.contract.environment import DISTRIBUTION_SWITCHES, Environment
from mlberth.envvars import SWITCH, Reader
from mlberth.errors import ContractError, Fault
from mlberth_train.launch.encryption import find_unencrypted
from mlberth_train.variables import ENCRYPTION, LAUNCHER

if TYPE_CHECKING:
    from mlberth.engines import found as engine
    from mlberth_train.launch.launchers import launcher
else:
    engine = OnDemand("mlberth.engines.found")
    launcher = OnDemand("mlberth_train.launch.launchers.launcher")

# Of sagemaker-training-toolkit and of the containers of PyTorch and TensorFlow.
_SWITCHES = {
    "sagemaker_mpi_enabled": "mpi",
    "sagemaker_torch_distributed_enabled": "torchrun",
    # There it is mpirun and a starter that sets what `env://` reads, as torchrun does.
    "sagemaker_pytorch_ddp_enabled": "torchrun",
    "sagemaker_parameter_server_enabled": "parameter_server",
    "sagemaker_multi_worker_mirrored_strategy_enabled": "multi_worker_mirrored",
}
_ACTIONS = {
    "sagemaker_distributed_dataparallel_enabled": "It needs smdistributed, a library of AWS's own "
    "images alone; with DistributedDataParallel of PyTorch, set sagemaker_pytorch_ddp_enabled. "
}
"""What else to say of a launcher that there is not."""


def find_launcher(name: str) -> launcher.Launcher:
    """Return a launcher by its name; few jobs have one, and none imports the others."""
    from mlberth_train.launch.launchers import (
        dask,
        mpi,
        multi_worker,
        parameter_server,
        plain,
        torchrun,
        xgboost,
    )

    modules = (plain, torchrun, mpi, parameter_server, multi_worker, xgboost, dask)
    launchers: list[launcher.Launcher] = [module.LAUNCHER for module in modules]
    return next(one for one in launchers if one.name == name)


def choose_launcher(environment: Environment, environ: Mapping[str, str]) -> str | None:
    """Return the name of the launcher that a job asks for; None is one process that is told nothing.

    SAGEMAKER_LAUNCHER wins over the hyperparameters, and these over the engine's variables. A host outside of
    the instance groups that train together has none. Raises ContractError for each hyperparameter that asks
    for one that there is not, for a launcher below another one, and for encryption that there is not.
    """
    reader = Reader(environ)
    named = reader.get(LAUNCHER)
    reader.get(ENCRYPTION)
    reader.check()
    if not named:
        named = _switched_on(environment)
    found = environment.hosts.found
    if named and found and found.is_rank:
        raise ContractError(_started_twice(named, found))
    named = named or (found.launcher if found else None)
    takes_part = environment.hosts.current in (environment.distribution_hosts or environment.hosts.names)
    named = named if takes_part else None
    if plain_text := find_unencrypted(named, environment.hosts.names, environ):
        raise ContractError(plain_text)
    return named


def _started_twice(named: str, found: engine.Found) -> Fault:
    """Return what is wrong with a launcher if each `train` is a rank of an engine's already."""
    rank, size = found.process or (0, 1)
    return Fault(
        f"the launcher {named}",
        f"one `train` for each rank (this is {rank} of {size}, by {found.engine})",
        "one `train` on each host, which starts the processes there",
        "Start one task on each host (srun --ntasks-per-node=1, mpirun --map-by ppr:1:node), or take the "
        f"launcher away ({LAUNCHER.name}, or its hyperparameter).",
    )


def _switched_on(environment: Environment) -> str | None:
    on = {
        name: value
        for name in DISTRIBUTION_SWITCHES
        if _is_on(value := environment.parameters.framework.get(name))
    }
    faults = [
        Fault(
            f"the hyperparameter {name}",
            repr(value),
            f"a job for one of the launchers that there are ({', '.join(sorted(set(_SWITCHES.values())))})",
            _ACTIONS.get(name, "")
            + f"Remove it, and choose one of these with {LAUNCHER.name}; or start the processes in the "
            "program itself (SM_HOSTS, SM_CURRENT_HOST and SM_MASTER_ADDR say where).",
        )
        for name, value in on.items()
        if name not in _SWITCHES
    ]
    if not faults and len({_SWITCHES[name] for name in on}) > 1:
        found, action = "all of them on", f"Switch the others off, or set {LAUNCHER.name}."
        faults = [Fault(f"the hyperparameters {', '.join(on)}", found, "one of them", action)]
    if faults:
        raise ContractError(*faults)
    return next((_SWITCHES[name] for name in on), None)


def _is_on(value: typing.Any) -> bool:
    return (
        SWITCH.get(value.strip().lower(), True) if isinstance(value, str) else bool(value)
    ) and value != ""

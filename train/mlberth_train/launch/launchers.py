"""Launchers start the processes of a distributed program; `plain`, one process on each host, is the only one.

A job that asks for another must not run as a plain script and succeed: it would have trained something else.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlberth.contract.environment import DISTRIBUTION_SWITCHES, Environment
from mlberth.envvars import SWITCH
from mlberth.errors import ContractError, Fault


def check_launcher(environment: Environment) -> None:
    """Raise ContractError for each hyperparameter that asks for a launcher that there is not."""
    faults = [
        Fault(
            f"the hyperparameter {name}",
            repr(value),
            "a job that needs no launcher: this version starts one process on each host and nothing else",
            "Remove it and start the processes in the program itself (SM_HOSTS, SM_CURRENT_HOST and "
            "SM_MASTER_ADDR say where), or use the framework's own container.",
        )
        for name, value in _switched_on(environment)
    ]
    if faults:
        raise ContractError(*faults)


def _switched_on(environment: Environment) -> Iterator[tuple[str, object]]:
    for name in DISTRIBUTION_SWITCHES:
        value = environment.parameters.framework.get(name)
        on = SWITCH.get(value.strip().lower(), True) if isinstance(value, str) else bool(value)
        if on and value != "":
            yield name, value

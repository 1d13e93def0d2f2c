"""An algorithm as data: its hyperparameters, its channels, and the function that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mlberth.contract.channels import Channel
from mlberth.contract.environment import Environment
from mlberth.contract.hosts import Hosts
from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.channels import ChannelRule, channel_faults
from mlberth_train.algorithms.hyperparameters import Hyperparameter, checked


class AlgorithmJob(NamedTuple):
    """One job of an algorithm, checked."""

    hyperparameters: dict[str, Any]
    """By their own names, with the types of their kinds; those with a default are always there."""
    channels: dict[str, Channel]
    environment: Environment
    """Folders, hosts and everything else that the contract says of the job."""
    environ: Mapping[str, str]


def _no_rules(hyperparameters: Mapping[str, Any]) -> Iterable[Fault]:  # noqa: ARG001 - one shape for all
    return ()


def _no_metrics(hyperparameters: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: ARG001 - the same
    return {}


class Algorithm(NamedTuple):
    """One algorithm. Its module is in `registry.ALGORITHMS`, and calls this ALGORITHM."""

    name: str
    help: str
    """One sentence on what it learns."""
    hyperparameters: tuple[Hyperparameter, ...]
    channels: tuple[ChannelRule, ...]
    train: Callable[[AlgorithmJob], None]
    """Trains, and leaves the model in `job.environment.layout.model`.

    Raises MlberthError for what the user can mend; anything else ends in a traceback and exit code 1.
    """
    rules: Callable[[Mapping[str, Any]], Iterable[Fault]] = _no_rules
    """Yields what is wrong between hyperparameters that are right by themselves."""
    launcher: str | None = None
    """What starts its processes on several hosts, one on each; None if it trains on one host alone."""
    needs: Mapping[str, str] = {}
    """The modules that it imports, and how each is installed."""
    metrics: Callable[[Mapping[str, Any]], Mapping[str, str]] = _no_metrics
    """Returns which metrics it prints with such hyperparameters.

    They are regular expressions, each of which finds a number in the output, by the metrics' names.
    """

    def read(self, environment: Environment, environ: Mapping[str, str]) -> AlgorithmJob:
        """Return the job; raises ContractError with everything that is wrong with it."""
        names = {name for one in self.hyperparameters for name in (one.name, *one.aliases)}
        parameters = environment.parameters
        # `_tuning_objective_metric` is the platform's, and an algorithm's if it is in its table.
        own = {name: value for name, value in parameters.platform.items() if name in names}
        values, faults = checked(self.hyperparameters, {**parameters.user, **own}, self.rules)
        faults += channel_faults(self.channels, environment.channels)
        faults += self._host_faults(environment.hosts)
        if faults:
            raise ContractError(*faults)
        return AlgorithmJob(values, environment.channels, environment, environ)

    def _host_faults(self, hosts: Hosts) -> list[Fault]:
        """Return what is wrong with several hosts, if the algorithm has no way to use them."""
        if self.launcher or len(hosts.names) == 1:
            return []
        found = f"{len(hosts.names)} hosts ({', '.join(hosts.names)})"
        action = (
            "Ask for one instance, a larger one if there are many data. Several train xgboost, or a program "
            "of your own with a launcher (SAGEMAKER_LAUNCHER)."
        )
        return [Fault(hosts.source, found, f"one host, on which {self.name} trains", action)]

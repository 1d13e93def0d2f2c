"""Everything about a training job that its program may want to know."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth._typing import NamedTuple, typing
from mlberth.contract.channels import Channel, read_channels
from mlberth.contract.hosts import Hosts, read_hosts
from mlberth.contract.hyperparameters import Hyperparameters, read_hyperparameters
from mlberth.contract.json_files import read_object
from mlberth.contract.layout import Layout
from mlberth.contract.resources import count_visible, cpu_count, gpu_count, neuron_count
from mlberth.envvars import LOG_LEVEL, OPTIONAL_TEXT, Reader, Variable, overlaid

PROGRAM = Variable(
    "SAGEMAKER_PROGRAM",
    OPTIONAL_TEXT,
    None,
    "The user's program, relative to the code folder or with an absolute path; wins over the hyperparameter "
    "sagemaker_program.",
    default_text="the hyperparameter sagemaker_program, else train.py",
)
JOB_NAME = Variable(
    "TRAINING_JOB_NAME",
    OPTIONAL_TEXT,
    None,
    "The job's name.",
    aliases=("SAGEMAKER_JOB_NAME",),
    default_text="the hyperparameter sagemaker_job_name",
)
LOG_LEVEL_VARIABLE = Variable(
    "SAGEMAKER_CONTAINER_LOG_LEVEL",
    LOG_LEVEL,
    20,
    "What is logged, by name or by number; wins over the hyperparameter of the same name.",
    default_text="INFO",
)
TRAINING_MODULE = Variable(
    "SAGEMAKER_TRAINING_MODULE",
    OPTIONAL_TEXT,
    None,
    "A framework's own training loop, as package.module:function, run in place of the program.",
    default_text="none",
)

# A job is distributed when one of these framework hyperparameters is on (sagemaker-training-toolkit).
DISTRIBUTION_SWITCHES = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_torch_distributed_enabled",
)
MASTER_PORT = 7777


class Environment(NamedTuple):
    """A read-only picture of one training job on one host."""

    layout: Layout
    parameters: Hyperparameters
    channels: dict[str, Channel]
    hosts: Hosts
    input_data_config: dict[str, typing.Any]
    checkpoint_config: dict[str, typing.Any]
    program: str | None
    """What to run, relative to the code folder."""
    module: str | None
    """The framework hook, as `package.module:function`."""
    job_name: str | None
    log_level: int
    num_cpus: int
    num_gpus: int
    num_neurons: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, engines: bool = False) -> Environment:
        """Read the job from /opt/ml and the environment; raises ContractError for what is wrong there.

        With `engines`, the hosts may be those of an engine's variables (see `read_hosts`).
        """
        layout = Layout.from_environ(environ)
        parameters = read_hyperparameters(layout.hyperparameters)
        channels, input_data_config = read_channels(layout)
        # The environment wins over the hyperparameter of the same meaning; both are checked alike.
        reader = Reader(overlaid(_platform_settings(parameters.platform), environ))
        environment = cls(
            layout=layout,
            parameters=parameters,
            channels=channels,
            hosts=read_hosts(layout.resource_config, environ, engines=engines),
            input_data_config=input_data_config,
            checkpoint_config=read_object(layout.checkpoint_config, default={}),
            program=reader.get(PROGRAM) or None,
            module=reader.get(TRAINING_MODULE) or None,
            job_name=reader.get(JOB_NAME) or None,
            log_level=reader.get(LOG_LEVEL_VARIABLE),
            num_cpus=cpu_count(),
            num_gpus=count_visible(environ.get("CUDA_VISIBLE_DEVICES"), gpu_count()),
            num_neurons=neuron_count(),
        )
        reader.check()
        return environment

    @property
    def hyperparameters(self) -> dict[str, typing.Any]:
        """The user's hyperparameters, typed."""
        return self.parameters.user

    @property
    def model_dir(self) -> str:
        """Where the program leaves its model."""
        return str(self.layout.model)

    @property
    def output_data_dir(self) -> str:
        """Where the program leaves files for its user."""
        return str(self.layout.output_data)

    @property
    def checkpoint_dir(self) -> str:
        """Where checkpoints are saved and found again."""
        return str(self.checkpoint_config.get("LocalPath") or self.layout.checkpoints)

    @property
    def channel_dirs(self) -> dict[str, str]:
        """The folder of each channel."""
        return {name: str(channel.path) for name, channel in self.channels.items()}

    @property
    def rank(self) -> int:
        """This host's rank, from 0."""
        return self.hosts.rank

    @property
    def distribution_groups(self) -> list[str]:
        """The instance groups that a distributed job runs on; empty if the job is not distributed."""
        named = self.parameters.framework.get("sagemaker_distribution_instance_groups")
        if isinstance(named, list):
            return named
        switched_on = any(self.parameters.framework.get(name) for name in DISTRIBUTION_SWITCHES)
        return [self.hosts.group] if switched_on else []

    @property
    def distribution_hosts(self) -> list[str]:
        """The hosts that a distributed job runs on."""
        if not self.hosts.groups:
            return list(self.hosts.names)
        chosen = (group for name, group in self.hosts.groups.items() if name in self.distribution_groups)
        return [host for group in chosen for host in group["hosts"]]

    @property
    def master(self) -> str:
        """The host that leads."""
        return (self.distribution_hosts or self.hosts.names)[0]

    @property
    def is_master(self) -> bool:
        """Whether this host leads."""
        return self.hosts.current == self.master


def _platform_settings(platform: Mapping[str, typing.Any]) -> dict[str, str]:
    """Return the platform's hyperparameters under the names of the variables that mean the same."""
    return {name.upper(): str(value) for name, value in platform.items() if value is not None}

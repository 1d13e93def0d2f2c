"""The SM_* variables: what the user's program finds in its environment.

Source: `to_env_vars` of sagemaker-training-toolkit's `environment.py` and `mapping.py`, reproduced
exactly (names, JSON without spaces, keys sorted), and then more names (ours, or those of the SDK
v3's drivers). docs/reference/variables.md shows them all.
"""

from __future__ import annotations

import json
import os

from mlberth._typing import typing
from mlberth.contract.arguments import to_argparse
from mlberth.contract.environment import MASTER_PORT, Environment
from mlberth.errors import ContractError, Fault


def sm_variables(environment: Environment) -> dict[str, str]:
    """Return every SM_* variable by its exact name, and by a shell-safe alias."""
    values = _fixed(environment) | _ours(environment)
    values |= {f"channel_{name}": path for name, path in environment.channel_dirs.items()}
    values |= {f"hp_{name}": value for name, value in environment.hyperparameters.items()}
    exact = {f"SM_{name.upper()}": _text(value) for name, value in values.items()}
    aliases = {_shell_safe(name): value for name, value in exact.items()}
    # A name that a process cannot have, because of its "=", lives on as its alias.
    variables = aliases | {
        name: value for name, value in exact.items() if "=" not in name and not unfit(name)
    }
    faults = [
        Fault(name, reason, "text that an environment variable can hold")
        for name, value in variables.items()
        if (reason := unfit(value))
    ]
    if faults:
        raise ContractError(*faults)
    return variables


def unfit(text: str) -> str:
    """Return what in a text no process can be given; "" if one can be given all of it."""
    if "\0" in text:
        return "a NUL character"
    if text.isascii():
        return ""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "a character that is no text"  # such as half of a surrogate pair
    return ""


def _fixed(environment: Environment) -> dict[str, typing.Any]:
    """Return the values that sagemaker-training-toolkit exports."""
    hosts, layout = environment.hosts, environment.layout
    fixed = {
        "hosts": hosts.names,
        "network_interface_name": hosts.network_interface,
        "hps": environment.hyperparameters,
        "user_entry_point": environment.program,
        "framework_params": environment.parameters.framework,
        "resource_config": hosts.raw,
        "input_data_config": environment.input_data_config,
        "output_data_dir": environment.output_data_dir,
        "channels": sorted(environment.channels),
        "current_host": hosts.current,
        "current_instance_type": hosts.instance_type,
        "current_instance_group": hosts.group,
        "current_instance_group_hosts": hosts.group_hosts,
        "instance_groups": list(hosts.groups),
        "instance_groups_dict": hosts.groups,
        "distribution_instance_groups": environment.distribution_groups,
        "is_hetero": len(hosts.groups) > 1,
        "module_name": _module_name(environment),
        "log_level": environment.log_level,
        "framework_module": environment.module,
        "input_dir": str(layout.input),
        "input_config_dir": str(layout.config),
        "output_dir": str(layout.output),
        "num_cpus": environment.num_cpus,
        "num_gpus": environment.num_gpus,
        "num_neurons": environment.num_neurons,
        "model_dir": environment.model_dir,
        "module_dir": str(environment.parameters.platform.get("sagemaker_submit_directory") or layout.code),
        "training_env": training_env(environment),
        "user_args": to_argparse(environment.hyperparameters),
        "output_intermediate_dir": str(layout.output_intermediate),
    }
    return fixed | ({"topology": hosts.topology} if hosts.topology else {})


def _ours(environment: Environment) -> dict[str, typing.Any]:
    """Return what the SDK v3's drivers export, and what nobody did."""
    layout = environment.layout
    return {
        "job_name": environment.job_name,
        "checkpoint_dir": environment.checkpoint_dir,
        "input_data_dir": str(layout.data),
        "output_failure": str(layout.failure),
        # Those that the images of scikit-learn and XGBoost set.
        "input": str(layout.input),
        "input_training_config_file": str(layout.hyperparameters),
        "input_data_config_file": str(layout.input_data_config),
        "checkpoint_config_file": str(layout.checkpoint_config),
        "source_dir": str(layout.code),
        "entry_script": environment.program,
        "master_addr": environment.master,
        "master_port": MASTER_PORT,
        "host_count": len(environment.hosts.names),
        "current_host_rank": environment.hosts.rank,
    }


def training_env(environment: Environment) -> dict[str, typing.Any]:
    """Return the properties of sagemaker-training-toolkit's `Environment`, by their names there."""
    hosts, layout = environment.hosts, environment.layout
    return {
        "additional_framework_parameters": environment.parameters.framework,
        "channel_input_dirs": environment.channel_dirs,
        "current_host": hosts.current,
        "current_instance_group": hosts.group,
        "current_instance_group_hosts": hosts.group_hosts,
        "current_instance_type": hosts.instance_type,
        "distribution_hosts": environment.distribution_hosts,
        "distribution_instance_groups": environment.distribution_groups,
        "framework_module": environment.module,
        "hosts": hosts.names,
        "hyperparameters": environment.hyperparameters,
        "input_config_dir": str(layout.config),
        "input_data_config": environment.input_data_config,
        "input_dir": str(layout.input),
        "instance_groups": list(hosts.groups),
        "instance_groups_dict": hosts.groups,
        "is_hetero": len(hosts.groups) > 1,
        "is_master": environment.is_master,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": environment.job_name,
        "log_level": environment.log_level,
        "master_hostname": environment.master,
        "model_dir": environment.model_dir,
        "module_dir": str(environment.parameters.platform.get("sagemaker_submit_directory") or layout.code),
        "module_name": _module_name(environment),
        "network_interface_name": hosts.network_interface,
        "num_cpus": environment.num_cpus,
        "num_gpus": environment.num_gpus,
        "num_neurons": environment.num_neurons,
        "output_data_dir": environment.output_data_dir,
        "output_dir": str(layout.output),
        "output_intermediate_dir": str(layout.output_intermediate),
        "resource_config": hosts.raw,
        "topology": hosts.topology or [],
        "user_entry_point": environment.program,
    }


def _shell_safe(name: str) -> str:
    """Return a name with an underscore for everything that a shell's variable cannot have."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)


def _module_name(environment: Environment) -> str:
    return (environment.program or "None").removesuffix(".py")


def _text(value: typing.Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))

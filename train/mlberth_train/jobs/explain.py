"""The plan of `train` in words: what it would fetch, install and run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from mlberth.code.install import install_command
from mlberth.contract.environment import Environment
from mlberth.contract.hyperparameters import Hyperparameters
from mlberth.contract.sm_variables import sm_variables
from mlberth.engines import choice
from mlberth.log_escapes import one_line
from mlberth.masking import masked_mapping, masked_text, secret_values
from mlberth.paths import local_path, real
from mlberth_train.jobs.training import Training, make_job, packed_code, resolved


def explain(environ: Mapping[str, str], python: str) -> str:
    """Return what `train` would run here, secrets masked; nothing is run or changed.

    Raises ContractError if it could run nothing.
    """
    training = Training.from_environ(environ)
    environment = training.environment
    code = environment.layout.code
    hosts = environment.hosts
    lines = {
        "host": f"{hosts.current}, rank {hosts.rank} of {len(hosts.names)}",
        **({"cluster": choice.describe(hosts.found, hosts.current)} if hosts.found else {}),
        "channels": ", ".join(f"{name} ({path})" for name, path in environment.channel_dirs.items())
        or "none",
        "folder": str(code),
    }
    if training.source and real(local_path(training.source[0])) != real(code):
        source, where = training.source
        lines["code"] = f"fetched from {masked_text(source)} ({where})"
        lines["install"] = lines["command"] = "known once the code is there"
    elif archive := packed_code(training):
        lines["code"] = f"unpacked from {archive}"
        lines["install"] = lines["command"] = "known once the code is there"
    else:
        job = make_job(training, environ, python)
        environment, place = resolved(training)
        code = place.folder
        lines["folder"] = str(code)
        lines["install"] = (
            shlex.join(install_command(python, code, training.settings.installs) or []) or "nothing"
        )
        lines["command"] = job.context.mask(shlex.join(job.shown))
        if job.metrics and (found := job.metrics.text):
            lines["metrics"] = found
        if job.launch:
            from mlberth_train.launch.launched import host_command

            lines["launcher"] = f"{job.launch}; {shlex.join(host_command(job.launch))}"
    if hosts.reachable and (limit := training.settings.host_wait):
        lines["wait"] = f"at most {limit:g} s, until {', '.join(hosts.reachable)} have an address"
    lines["stop"] = f"SIGTERM is passed on; SIGKILL after {training.settings.grace:g} s"
    text = [f"{name + ':':<10}{value}" for name, value in lines.items()]
    secrets = secret_values(environ) | secret_values(environment.hyperparameters)
    shown = [*text, "environment:", *_variables(environment)]
    return "\n".join(one_line(masked_text(line, secrets)) for line in shown)


def _variables(environment: Environment) -> list[str]:
    parameters = environment.parameters
    masked = Hyperparameters(*map(masked_mapping, parameters))
    variables = sm_variables(environment._replace(parameters=masked))
    return [f"  {name}={shlex.quote(value)}" for name, value in masked_mapping(variables).items()]

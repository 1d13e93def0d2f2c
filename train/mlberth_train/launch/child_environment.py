"""The environment that the user's program is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, OnDemand
from mlberth.compat import missing_packages_path
from mlberth.contract.environment import MASTER_PORT, Environment
from mlberth.contract.layout import exported_base
from mlberth.contract.sm_variables import sm_variables
from mlberth.envvars import is_set, overlaid

if TYPE_CHECKING:
    from mlberth.engines import choice
    from mlberth.engines import found as engine
else:
    choice = OnDemand("mlberth.engines.choice")
    engine = OnDemand("mlberth.engines.found")


def child_environ(
    environ: Mapping[str, str], environment: Environment, code: Path | None = None
) -> dict[str, str]:
    """Return the environment of a training program: that of any program, and the SM_* variables.

    `code` is where the program is, the code folder unless said otherwise.

    A variable that the user set keeps its value unless it is one of the contract's own.
    """
    region = environment.parameters.platform.get("sagemaker_region") or environ.get("AWS_REGION")
    unless_set = {"SAGEMAKER_REGION": region, "SAGEMAKER_JOB_NAME": environment.job_name}
    known = {name: str(value) for name, value in unless_set.items() if value}
    own = {"CURRENT_HOST": environment.hosts.current}
    # What torch.distributed's env:// reads.
    if found := environment.hosts.found:
        known |= _address(environment, found)
        own |= _ranks(environ, choice.program_variables(found))
    elif len(environment.hosts.names) > 1:
        known |= {"MASTER_ADDR": environment.master, "MASTER_PORT": str(MASTER_PORT)}
    layout = environment.layout
    program = overlaid(known, program_environ(environ, code or layout.code, layout.code))
    elsewhere = {"SM_SOURCE_DIR": str(code)} if code and code != layout.code else {}
    if environment.hosts.found and "MASTER_PORT" in program:
        elsewhere["SM_MASTER_PORT"] = program["MASTER_PORT"]
    return program | own | sm_variables(environment) | elsewhere


def _ranks(environ: Mapping[str, str], ranks: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of a rank, none if the user counts otherwise, such as all GPUs of a host."""
    alone = {"RANK": "0", "WORLD_SIZE": "1"}  # which a shell may have left
    counts = any(
        is_set(environ, name) and environ[name].strip() not in (one, ranks.get(name))
        for name, one in alone.items()
    )
    return {} if counts else ranks


def _address(environment: Environment, found: engine.Found) -> dict[str, str]:
    """Return where the first rank is, if anything says so."""
    if len(environment.hosts.names) == 1:
        address = "127.0.0.1" if found.is_rank else ""
    else:
        address = environment.master if found.names or found.leader else ""
    return {"MASTER_ADDR": address, "MASTER_PORT": str(found.port or MASTER_PORT)} if address else {}


def too_large(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that Linux gives to no program, since one of them has 32 pages at most."""
    room = 32 * os.sysconf("SC_PAGE_SIZE")
    # Four bytes a character and the name's: what is far from the limit need not be encoded.
    candidates = [item for item in environ.items() if 5 * len(item[1]) > room]
    return [
        name for name, value in candidates if len(f"{name}={value}".encode(errors="surrogatepass")) >= room
    ]


def program_environ(environ: Mapping[str, str], *code: Path) -> dict[str, str]:
    """Return the environment of any program of the user: ours, with its code first on PYTHONPATH.

    Last come the compatibility packages that it may import and that are not installed.
    """
    folders = dict.fromkeys(map(str, code))
    path = [*folders, *filter(None, [environ.get("PYTHONPATH")]), *missing_packages_path()]
    return {
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        **environ,
        **exported_base(environ),
        "PYTHONPATH": ":".join(path),
    }

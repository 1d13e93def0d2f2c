"""The jobs of a home, opened with the engine that the settings name."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

from mlberth_local.engines.base import Engine
from mlberth_local.engines.process import ProcessEngine
from mlberth_local.files import write_atomically
from mlberth_local.images import FindImage, as_named
from mlberth_local.inputs.objects import FolderObjects, Objects
from mlberth_local.jobs.capacity import read_capacity
from mlberth_local.jobs.context import JobContext
from mlberth_local.jobs.jobs import Jobs
from mlberth_local.other_s3 import open_client
from mlberth_local.platform import Platform
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources

SPOT = "MLBERTH_SPOT_SECONDS"
ENGINES = ("docker", "process")


def open_jobs(
    platform: Platform,
    resources: Resources,
    metrics: Metrics,
    *,
    host_environ: Mapping[str, str],
    find_image: FindImage = as_named,
) -> Jobs:
    """Return the jobs of a platform; `start` takes up those that an earlier daemon has left.

    `host_environ` lets the programs of jobs reach the platform, and `find_image` knows the local images.
    Raises ValueError for a setting that is not valid.
    """
    home, settings = platform.home, platform.settings
    in_containers = settings.engine == "docker"
    context = JobContext(
        resources=resources,
        metrics=metrics,
        engine=open_engine(settings.engine, home, settings.environ),
        helpers=ProcessEngine(home / "helpers", settings.environ),
        objects=open_objects(platform),
        runs=home / "runs",
        logs=platform.log_folder,
        capacity=read_capacity(settings.environ),
        clock=platform.clock,
        region=platform.region,
        find_image=find_image,
        host_environ=host_environ,
        in_containers=in_containers,
        spot_seconds=read_spot_seconds(settings.environ),
        # Containers write as root, whoever runs us.
        owner=(os.getuid(), os.getgid()) if in_containers and os.getuid() else None,
    )
    return Jobs(context)


def read_spot_seconds(environ: Mapping[str, str]) -> float:
    """Return how long a spot instance stays on average. Raises ValueError that names the variable."""
    text = environ.get(SPOT) or "0"
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < math.inf:
        raise ValueError(f"{SPOT} is {text!r}; expected a number of seconds, or 0 for no interruptions")
    return found


def open_objects(platform: Platform) -> Objects:
    """Return the objects of the home, or those of the other S3 that the settings name."""
    settings = platform.settings
    if not settings.s3_endpoint:
        return FolderObjects(platform.buckets)
    # botocore's client takes a while to import.
    from mlberth_local.inputs.remote_objects import RemoteObjects

    connect = partial(open_client, settings.s3_endpoint, settings.region, settings.environ)
    return RemoteObjects(connect, platform.home / "s3-cache")


def open_engine(name: str, home: Path, environ: Mapping[str, str]) -> Engine:
    """Return the engine of a name. Raises ValueError if there is none."""
    if name == "process":
        return ProcessEngine(home / "engine", environ)
    if name == "docker":
        # The SDK takes a while to import, and the other engine does without it.
        from mlberth_local.engines.docker import DockerEngine

        return DockerEngine(home_id(home), environ)
    raise ValueError(f"engine {name!r}: expected one of {', '.join(ENGINES)}")


def home_id(home: Path) -> str:
    """Return what tells this home's containers from those of others; made once."""
    file = home / "id"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        write_atomically(file, uuid4().hex[:8].encode())
    return file.read_text()

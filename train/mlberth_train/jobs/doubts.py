"""Doubts about a job that runs all the same: names that are almost right, and files that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlberth.contract.layout import Layout
from mlberth.contract.near_misses import near_files, near_variables
from mlberth.paths import exists, is_folder
from mlberth_train.variables import ALL

_ONLY_HOST = "this machine is the job's only host"
_CHANNELS = "each folder of input/data is a channel"


def training_doubts(layout: Layout, environ: Mapping[str, str], *, hosts_found: bool = False) -> list[str]:
    """Return a sentence for each doubt about a training job; `hosts_found` if an engine has its hosts."""
    files = {layout.input_data_config: _CHANNELS}
    if not hosts_found:
        files = {layout.resource_config: _ONLY_HOST, **files}
    doubts = [*near_variables(environ, ALL), *near_files(layout), *_defaults(layout.config, files)]
    if not hosts_found and not exists(layout.resource_config):
        doubts += _without_srun(environ)
    return doubts


def processing_doubts(layout: Layout, environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each doubt about a processing job."""
    file = layout.processing_resource_config
    return [*near_variables(environ, ALL), *_defaults(file.parent, {file: _ONLY_HOST})]


def _without_srun(environ: Mapping[str, str]) -> list[str]:
    nodes = environ.get("SLURM_JOB_NUM_NODES", "1")
    if nodes == "1" or environ.get("SLURM_STEP_NODELIST"):
        return []
    return [f"Slurm gave this job {nodes} nodes, but srun has not started `train`: this host is its only one"]


# Only if there is a folder of configuration: without one, as on a laptop, nothing has been left out.
def _defaults(folder: Path, files: Mapping[Path, str]) -> list[str]:
    absent = {file.name: default for file, default in files.items() if not exists(file)}
    if not absent or not is_folder(folder):
        return []
    return [f"{folder} has no {' and no '.join(absent)}: {', and '.join(absent.values())}"]

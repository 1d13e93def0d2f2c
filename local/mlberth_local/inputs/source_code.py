"""The source code of a script-mode job, brought into its tree, so that `train` need not ask S3.

What asks there is botocore, whose import takes longer than all else of a short job.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mlberth.contract.hyperparameters import typed
from mlberth.contract.layout import DEFAULT_BASE, Layout
from mlberth.transfer.names import is_relative
from mlberth_local.engines.trees import copy_file
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import SCHEME, Objects

SOURCE_FILE = "MLBERTH_SOURCE_FILE"
"""Tells `train` where the source is."""
_SETTING = "sagemaker_submit_directory"


def bring_source(hyperparameters: Mapping[str, str], objects: Objects, layout: Layout) -> str:
    """Copy the object that a job names as its source; returns its path inside the host.

    Nothing if it names none that is there: `train` says then what is wrong with it.
    """
    address = typed(hyperparameters.get(_SETTING, ""))
    if not isinstance(address, str) or not address.startswith(SCHEME) or address.endswith("/"):
        return ""
    name = PurePosixPath(address).name
    if not is_relative(name):
        return ""
    try:
        found = objects.find(address)
    except (ServiceError, ValueError):
        return ""
    copy_file(found.path, layout.input / "source" / name)
    return str(Path(DEFAULT_BASE, "input", "source", name))

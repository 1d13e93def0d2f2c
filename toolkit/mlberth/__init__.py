"""mlberth: the SageMaker container contract without AWS.

For a program that runs under `train`:

    import mlberth

    job = mlberth.environment()
    rows = read(job.channel_dirs["training"], job.hyperparameters["rows"])
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mlberth._typing import TYPE_CHECKING, OnDemand

# On demand, so that `import mlberth` costs nothing.
if TYPE_CHECKING:
    from mlberth.contract import environment as _job
else:
    _job = OnDemand("mlberth.contract.environment")

__version__ = "0.1.0"
__all__ = ["__version__", "environment"]


def environment(environ: Mapping[str, str] | None = None) -> _job.Environment:
    """Return the job that this process belongs to: typed hyperparameters, channels, folders, hosts, rank.

    Reads the /opt/ml tree (or SAGEMAKER_BASE_DIR) each time it is called; nothing happens at import.
    Raises `mlberth.errors.ContractError` that lists everything that is wrong there.
    """
    return _job.Environment.from_environ(os.environ if environ is None else environ)

"""mlberth: the SageMaker container contract without AWS.

For a program that runs under `train`:

    import mlberth

    job = mlberth.environment()
    rows = read(job.channel_dirs["training"], job.hyperparameters["rows"])
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlberth.contract.environment import Environment

__version__ = "0.1.0"
__all__ = ["__version__", "environment"]


def environment(environ: Mapping[str, str] | None = None) -> Environment:
    """Return the job that this process belongs to: typed hyperparameters, channels, folders, hosts, rank.

    Reads the /opt/ml tree (or SAGEMAKER_BASE_DIR) each time it is called; nothing happens at import.
    Raises `mlberth.errors.ContractError` that lists everything that is wrong there.
    """
    import os  # noqa: PLC0415 - imports here, so that `import mlberth` costs nothing

    from mlberth.contract.environment import Environment as Job  # noqa: PLC0415

    return Job.from_environ(os.environ if environ is None else environ)

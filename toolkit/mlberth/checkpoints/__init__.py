"""Checkpoints that are whole or not there, for programs that can be killed at any time.

    import mlberth.checkpoints

    store = mlberth.checkpoints.store()
    start = 0
    if checkpoint := store.latest():
        start = checkpoint.step
        model = read(checkpoint.path / "model.bin")
    for step in range(start, steps):
        train(model)
        with store.save(step + 1) as folder:
            write(model, folder / "model.bin")

`mlberth.checkpoints.torch`, `.sklearn` and `.xgboost` do this for their frameworks; importing this
package imports none of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlberth.checkpoints.stop_request import StopRequest
from mlberth.checkpoints.stores import Checkpoint, Store
from mlberth.contract.environment import Environment
from mlberth.contract.ranks import read_rank

__all__ = ["Checkpoint", "StopRequest", "Store", "store"]


def store(*, keep: int = 3, environ: Mapping[str, str] | None = None) -> Store:
    """Return the store of the job that this process belongs to; `keep` is how many checkpoints stay.

    It is the folder that checkpointconfig.json names, /opt/ml/checkpoints without one; if several
    ranks train together, the folder `rank-<n>` in it. Raises ContractError for what is wrong there.
    """
    environ = os.environ if environ is None else environ
    job = Environment.from_environ(environ)
    rank, ranks = read_rank(environ, job.hosts)
    directory = Path(job.checkpoint_dir)
    return Store(directory / f"rank-{rank}" if ranks > 1 else directory, keep)

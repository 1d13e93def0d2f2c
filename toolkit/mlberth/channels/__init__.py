"""The job's input channels: the same few calls in File, FastFile and Pipe mode.

    import mlberth.channels

    training = mlberth.channels.channel("training")
    for epoch in range(10):
        for record in training.records():
            learn(record)

Runs in the user's program. Standard library; may import the root and `contract`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mlberth.channels.examples import Example, Tensor, read_example, write_example
from mlberth.channels.files import shard, shuffled
from mlberth.channels.inputs import Input
from mlberth.channels.manifests import read_manifest
from mlberth.channels.recordio import read_records, write_record, write_records
from mlberth.contract.environment import Environment
from mlberth.contract.ranks import read_local_rank, read_rank
from mlberth.errors import ContractError, Fault

__all__ = [
    "Example",
    "Input",
    "Tensor",
    "channel",
    "read_example",
    "read_manifest",
    "read_records",
    "shard",
    "shuffled",
    "write_example",
    "write_record",
    "write_records",
]

WAIT_SECONDS = 900.0


def channel(
    name: str,
    *,
    sharded: bool = False,
    seed: int | None = None,
    wait: float = WAIT_SECONDS,
    environ: Mapping[str, str] | None = None,
) -> Input:
    """Return a channel of the job that this process belongs to.

    With `sharded`, each rank reads its own part of it. `seed` shuffles the order of files anew in each epoch,
    alike on every host; the channel's own ShuffleConfig is the default. `wait` is for the FIFO of an epoch in
    Pipe mode, in seconds. Raises ContractError for a channel that the job does not have.
    """
    environ = os.environ if environ is None else environ
    job = Environment.from_environ(environ)
    if name not in job.channels:
        known = ", ".join(sorted(job.channels)) or "none"
        action = "Add it to the job, or read another."
        raise ContractError(Fault("the channel", repr(name), f"one that the job has ({known})", action))
    info = job.channels[name]
    part, local = (0, 1), read_local_rank(environ)
    if sharded:
        if info.mode == "Pipe" and local[1] > 1:
            found = f"{local[1]} processes on this host that read parts of a FIFO"
            action = "Read it in one process, or use File or FastFile mode."
            raise ContractError(Fault(f"the channel {name!r}", found, "one process", action))
        # The platform has given each host its own part already.
        part = local if info.distribution == "ShardedByS3Key" else read_rank(environ, job.hosts)
    return Input(info, part=part, seed=info.shuffle_seed if seed is None else seed, wait=wait)

"""TF_CONFIG, as sagemaker-tensorflow-training builds it: who is who in a cluster of TensorFlow's."""

from __future__ import annotations

import json
from collections.abc import Sequence

_PORT, _SERVER_PORT, _MIRRORED_PORT = 2222, 2223, 8890


def parameter_server_config(hosts: Sequence[str], current: str, *, serves: bool = False) -> str:
    """Return what a worker reads, or with `serves` the host's parameter server.

    The first host is the master, the others are workers, and each has a parameter server beside it.
    """
    cluster = {"master": _at(hosts[:1], _PORT)}
    if len(hosts) > 1:
        cluster |= {"ps": _at(hosts, _SERVER_PORT), "worker": _at(hosts[1:], _PORT)}
    index = list(hosts).index(current)
    if serves:
        task = {"index": index, "type": "ps"}
    elif index == 0:
        task = {"index": 0, "type": "master"}
    else:
        task = {"index": index - 1, "type": "worker"}
    return json.dumps({"cluster": cluster, "environment": "cloud", "task": task})


def mirrored_config(hosts: Sequence[str], current: str) -> str:
    """Return what MultiWorkerMirroredStrategy reads: every host is a worker."""
    task = {"index": list(hosts).index(current), "type": "worker"}
    cluster = {"worker": _at(hosts, _MIRRORED_PORT)}
    return json.dumps({"cluster": cluster, "environment": "cloud", "task": task})


def _at(hosts: Sequence[str], port: int) -> list[str]:
    return [f"{host}:{port}" for host in hosts]

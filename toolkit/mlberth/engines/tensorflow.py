"""TF_CONFIG: the tasks of a TensorFlow cluster with their addresses, as the TFJob of Kubeflow sets it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlberth._typing import typing
from mlberth.engines import Machine
from mlberth.engines.found import Fields, Found, Partial, split_address

_ORDER = ("chief", "master", "worker", "ps")
_EXPECTED = (
    'JSON such as {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
)


def read(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:  # noqa: ARG001 - all alike
    """Return what TF_CONFIG says; the chief leads, then come the workers and the parameter servers.

    An evaluator is in no cluster: it is a job of its own.
    """
    fields = Fields("TF_CONFIG", environ, "Mend it, or unset it.")
    text = fields.text("TF_CONFIG")
    if not text:
        return None
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster") or {}, config.get("task") or {}
        tasks = _tasks(cluster)
        me = (str(task.get("type")), int(task.get("index", 0)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        fields.add("TF_CONFIG", repr(text[:200]), _EXPECTED)
        return fields.partial()
    if not tasks or me[0] == "evaluator":
        return None
    if me not in tasks:
        known = ", ".join(f"{kind} {index}" for kind, index in tasks)
        fields.add("TF_CONFIG", f"the task {me[0]} {me[1]}", f"one of the cluster's ({known})")
        return fields.partial()
    addresses = [split_address(address)[0] for address in tasks.values()]
    host = list(tasks).index(me)
    # Two tasks on one machine are two hosts of the job all the same, which then have no names of their own.
    names = tuple(addresses) if len(set(addresses)) == len(addresses) else ()
    return Found(
        "TF_CONFIG",
        ("TF_CONFIG",),
        len(tasks),
        host,
        names=names,
        leader=addresses[0],
        process=(host, len(tasks)),
    )


def _tasks(cluster: Mapping[str, typing.Any]) -> dict[tuple[str, int], str]:
    """Return the addresses of all tasks by type and index, the leader's first."""
    kinds = sorted(cluster, key=lambda kind: (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), kind))
    found: dict[tuple[str, int], str] = {}
    for kind in kinds:
        if kind == "evaluator":
            continue
        listed = cluster[kind]
        entries = listed.items() if isinstance(listed, dict) else enumerate(listed)
        for index, address in entries:
            if not isinstance(address, str) or not address:
                raise TypeError(kind)
            found[kind, int(index)] = address
    return found

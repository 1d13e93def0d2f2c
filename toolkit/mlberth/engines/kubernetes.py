"""One process a pod: JAX_* and DMLC_* of Kubeflow Trainer, and LeaderWorkerSet.

Source: the plugins `jax` and `xgboost` of kubeflow/trainer, the JAXJob of kubeflow/training-operator,
`AddLWSVariables` of kubernetes-sigs/lws.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth.engines import Machine
from mlberth.engines.found import Fields, Found, Partial, numbered, split_address


def read_jax(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:
    """Return what JAX_* says; the older operator's names have no prefix, and count only all together."""
    prefix = "JAX_"
    names = ("COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID")
    if not any(environ.get(f"JAX_{name}") for name in names):
        prefix = ""
        if not all(environ.get(name) for name in names):
            return None
    fields = Fields("Kubeflow (JAX)", environ)
    hosts = fields.count(f"{prefix}NUM_PROCESSES")
    host = fields.rank(f"{prefix}PROCESS_ID", of=hosts)
    # Without the port: what listens there is JAX's coordinator, as XGBoost's tracker at its own below.
    leader, _ = split_address(fields.text(f"{prefix}COORDINATOR_ADDRESS", needed=hosts != 1))
    if fields.faults or hosts is None or host is None:
        return fields.partial()
    return _one_each(Found(fields.engine, tuple(fields.names), hosts, host, (), leader), environ, machine)


def read_dmlc(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:
    """Return what DMLC_* says to a worker of XGBoost."""
    if not any(environ.get(name) for name in ("DMLC_TRACKER_URI", "DMLC_NUM_WORKER", "DMLC_TASK_ID")):
        return None
    fields = Fields("Kubeflow (XGBoost)", environ)
    hosts = fields.count("DMLC_NUM_WORKER")
    if hosts and machine.gpus > 1 and hosts % machine.gpus == 0:
        hosts //= machine.gpus  # the workers are counted, one for each GPU, and the pods numbered
    host = fields.rank("DMLC_TASK_ID", of=hosts)
    leader = fields.text("DMLC_TRACKER_URI", needed=hosts != 1)
    if fields.faults or hosts is None or host is None:
        return fields.partial()
    return _one_each(Found(fields.engine, tuple(fields.names), hosts, host, (), leader), environ, machine)


def read_group(environ: Mapping[str, str], machine: Machine) -> Found | Partial | None:  # noqa: ARG001 - all alike
    """Return what LeaderWorkerSet says; its pods are the leader's name and a number."""
    if not any(environ.get(f"LWS_{name}") for name in ("LEADER_ADDRESS", "GROUP_SIZE", "WORKER_INDEX")):
        return None
    fields = Fields("LeaderWorkerSet", environ)
    hosts = fields.count("LWS_GROUP_SIZE")
    host = fields.rank("LWS_WORKER_INDEX", of=hosts)
    leader = fields.text("LWS_LEADER_ADDRESS", needed=hosts != 1)
    if fields.faults or hosts is None or host is None:
        return fields.partial()
    label, dot, rest = leader.partition(".")
    is_ordinal = dot and "-" in label and label.rpartition("-")[2].isdecimal()
    workers = [f"{label}-{number}.{rest}" for number in range(1, hosts)]
    names = (leader, *workers) if is_ordinal else ()
    read = tuple(fields.names)
    return Found(fields.engine, read, hosts, host, names=names, leader=leader, process=(host, hosts))


def _one_each(found: Found, environ: Mapping[str, str], machine: Machine) -> Found:
    """Return the job with one process on each pod, and with the names that follow from the first pod's."""
    names: tuple[str, ...] = ()
    if environ.get("JOB_COMPLETION_INDEX") == str(found.host):
        names = numbered(found.leader, found.hosts, found.host, machine.name)
    return found._replace(names=names, process=(found.host, found.hosts))

"""Transform jobs: a model served on each host, and its objects sent to it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth_local import log_files
from mlberth_local.engines.base import Host, HostState, Mount, Run
from mlberth_local.engines.ports import free_port
from mlberth_local.inputs.channels import Item, check_names, select, share
from mlberth_local.inputs.files import place_of
from mlberth_local.inputs.model_data import bring_model
from mlberth_local.job_failure import program_failure, read_failure
from mlberth_local.jobs.driver import JobDriver
from mlberth_local.jobs.kind import status_at_the_end
from mlberth_local.jobs.side_work import SideWork, Work
from mlberth_local.jobs.transform_servers import Server, count_of, instance_stream, servers_of
from mlberth_local.store.resources import Resource
from mlberth_local.transform.json_path import JsonPath
from mlberth_local.transform.records import CSV, DataProcessing
from mlberth_local.transform.senders import Share, TransformSenders
from mlberth_local.transform.transformation import Form

KIND = "transform-job"
LOG_GROUP = "/aws/sagemaker/TransformJobs"
log = logging.getLogger(__name__)


class TransformDriver(JobDriver):
    """Brings a transform job to its end. The model servers never end by themselves: they are stopped."""

    log_group = LOG_GROUP

    other_hosts_seconds = 0.0
    """What a server has left undone nobody does: the others finish what they are at, and end."""
    _outcome: Mapping[str, Any] = MappingProxyType({})
    """Of the senders of this process; the record has it too, unless it could not be written."""

    def begin(self, job: Resource) -> None:
        """Choose the ports: a later daemon has to find the servers at the same ones."""
        job.state["ports"] = [free_port() for _ in range(count_of(job))]

    def prepare(self, job: Resource) -> None:
        """Unpack the models of each host."""
        # An input that is not there, or has an impossible name, fails the job before a server is started.
        for item in self._select(job):
            place_of(item.object, self.record.folder, item.name)
        for server in self._servers(job):
            bring_model(server.container, self._base(server) / "model", self.context.objects)

    def _select(self, job: Resource) -> tuple[Item, ...]:
        source = job.request["TransformInput"]["DataSource"]["S3DataSource"]
        items = select(source, self.context.objects).items
        check_names(items)
        return items

    def _servers(self, job: Resource) -> list[Server]:
        return [server for instance in servers_of(job) for server in instance]

    def _base(self, server: Server) -> Path:
        return self.record.folder / server.host

    def make_run(self, job: Resource) -> Run:
        """Return the model servers."""
        servers = self._servers(job)
        return Run(
            self.record.run_name,
            self.context.find_image(servers[0].container["Image"], "serve"),
            (),
            ("serve",),
            tuple(self._host(job, server) for server in servers),
            # The platform itself has to reach the server, so its network cannot be taken away here.
            isolated=False,
        )

    def _host(self, job: Resource, server: Server) -> Host:
        environ = {} if job.state["isolated"] else dict(self.context.host_environ)
        environ |= {"AWS_REGION": self.context.region, "SAGEMAKER_BATCH": "true"}
        environ |= _batch_environ(job.request) | (server.container.get("Environment") or {})
        environ |= job.request.get("Environment") or {}
        return Host(
            server.host,
            self._base(server),
            (Mount(self._base(server) / "model", f"{DEFAULT_BASE}/model"),),
            environ,
            self._log(server.stream),
            server.port,
            self.context.find_image(server.container["Image"], "serve"),
            # The containers of a pipeline share their instance's.
            self.gpus(job, server.member.name),
            self.context.capacity.host_limits(server.member.instance_type),
        )

    def _log(self, stream: str) -> Path:
        return log_files.stream_file(self.context.logs, LOG_GROUP, stream)

    def note_running(self, job: Resource, now: float) -> None:
        """Note when the transformation begins."""
        job.state["transform_started"] = now

    @staticmethod
    def instance_of(host: str) -> str:
        """Return the instance of a server: those of a pipeline are on one."""
        return "-".join(host.split("-")[:2])

    def side_work(self, job: Resource) -> Work:
        """Send the objects to the servers; when that is done, the servers are stopped."""
        if job.state.get("transformed"):
            return SideWork()
        items, instances = self._select(job), servers_of(job)
        shares = []
        for number, servers in enumerate(instances):
            member = servers[0].member
            shares.append(
                Share(
                    tuple(server.port for server in servers),
                    tuple(server.name for server in servers),
                    share(items, "ShardedByS3Key", number, len(instances)),
                    self.record.folder / f"{member.name}.results",
                    self._log(f"{instance_stream(job, member)}/data-log"),
                )
            )
        return TransformSenders(
            job.request, form_of(job.request), shares, self.context.objects, self._note_done
        )

    def _note_done(self, failure: str) -> None:
        self._outcome = {"transformed": True, "failed": failure}
        try:
            self.record.update(**self._outcome)
        except (OSError, sqlite3.OperationalError):  # a full disk; the driver waits until its end has room
            log.warning("%s: what it has come to cannot be written now", self.record.name, exc_info=True)
        self._changed.set()

    def time_limit(self, job: Resource) -> tuple[float, str] | None:
        """Return the present once all objects were sent."""
        return (0.0, "Transformed") if {**job.state, **self._outcome}.get("transformed") else None

    def stop_programs(self, run: str, ending: str) -> None:
        """Stop the servers; with the job itself at once, since nobody waits for the answers on their way."""
        if ending in ("Transformed", "HostFailed"):
            self.context.engine.stop(run)
        else:
            self.context.engine.kill(run)

    def has_failed(self, state: HostState) -> bool:
        """Return whether a server does not run: none ends by itself."""
        return not state.is_running

    def failure(self, run: Run, host: str, state: HostState) -> str:
        """Return the last lines of a server that has ended before its time, named if it is of a pipeline."""
        [failed] = [one for one in run.hosts if one.name == host]
        [server] = [one for one in self._servers(self.record.read()) if one.host == host]
        text = "the model server has ended by itself"
        if state.exit_code:
            text = read_failure(failed.base / "none", failed.log, state.problem)
        return program_failure(f"{server.place}: {text}" if server.place else text, state.exit_code)

    def note_uploading(self, job: Resource, now: float) -> None:  # noqa: ARG002 - as the others
        """Take the reason that the senders have left."""
        job.state["reason"] = job.state["reason"] or {**job.state, **self._outcome}.get("failed", "")

    def upload(self, job: Resource) -> None:
        """Do nothing: each object's results were stored when they were whole."""

    def end(self, job: Resource, now: float) -> None:
        """Note the last status."""
        if job.state.get("ending") == "Transformed":
            del job.state["ending"]
        job.status = status_at_the_end(job.state, job.status)
        job.state["transform_ended"] = now


def _batch_environ(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that tell a server of the job's own parameters: only those that it has."""
    found = {
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms")
        or None,  # 0: it decides
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}.get(
            request.get("BatchStrategy") or ""
        ),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def form_of(request: Mapping[str, Any]) -> Form:
    """Return how the objects of a request are cut and put together."""
    given, output = request["TransformInput"], request["TransformOutput"]
    processing = request.get("DataProcessing") or {}
    data = DataProcessing(
        (given.get("ContentType") or CSV).split(";")[0].strip(),
        JsonPath(processing.get("InputFilter") or "$"),
        JsonPath(processing.get("OutputFilter") or "$"),
        processing.get("JoinSource") == "Input",
    )
    return Form(
        given.get("SplitType") or "None",
        output.get("AssembleWith") or "None",
        given.get("CompressionType") == "Gzip",
        None if data.changes_nothing else data,
    )

"""Transform jobs: a model served on each host, and its objects sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth_local import log_files
from mlberth_local.engines.base import Host, HostState, Mount, Run
from mlberth_local.engines.ports import free_port
from mlberth_local.inputs.channels import Item, select, share
from mlberth_local.inputs.model_data import bring_model
from mlberth_local.jobs.cluster import Member, members
from mlberth_local.jobs.driver import JobDriver, program_failure, read_failure, status_at_the_end
from mlberth_local.jobs.side_work import SideWork, Work
from mlberth_local.jobs.transform_senders import Share, TransformSenders
from mlberth_local.store.resources import Resource
from mlberth_local.transform.json_path import JsonPath
from mlberth_local.transform.records import CSV, DataProcessing
from mlberth_local.transform.transformation import Form

KIND = "transform-job"
LOG_GROUP = "/aws/sagemaker/TransformJobs"


class TransformDriver(JobDriver):
    """Brings a transform job to its end. The model servers never end by themselves: they are stopped."""

    def begin(self, job: Resource) -> None:
        """Choose the ports: a later daemon has to find the servers at the same ones."""
        job.state["ports"] = [free_port() for _ in self._members(job)]

    def prepare(self, job: Resource) -> None:
        """Unpack the model for each host."""
        for member in self._members(job):
            bring_model(job.state["container"], self._base(member) / "model", self.context.objects)
        self._select(job)  # an input that is not there fails the job before a server is started

    def _select(self, job: Resource) -> tuple[Item, ...]:
        source = job.request["TransformInput"]["DataSource"]["S3DataSource"]
        return select(source, self.context.objects).items

    def _members(self, job: Resource) -> list[Member]:
        return members(job.request["TransformResources"])

    def _base(self, member: Member) -> Path:
        return self.record.folder / member.name

    def make_run(self, job: Resource) -> Run:
        """Return the model servers."""
        container, request = job.state["container"], job.request
        isolated = job.state["isolated"]
        environ = {} if isolated else dict(self.context.host_environ)
        environ |= {"AWS_REGION": self.context.region, "SAGEMAKER_BATCH": "true"}
        environ |= _batch_environ(request) | (container.get("Environment") or {})
        environ |= request.get("Environment") or {}
        hosts = self._members(job)
        return Run(
            self.record.run_name,
            self.context.find_image(container["Image"]),
            (),
            ("serve",),
            tuple(
                Host(
                    member.name,
                    self._base(member),
                    (Mount(self._base(member) / "model", f"{DEFAULT_BASE}/model"),),
                    environ,
                    self._log(job, f"{member.name}-{job.state['stream']}"),
                    port,
                )
                for member, port in zip(hosts, job.state["ports"], strict=True)
            ),
            # The platform itself has to reach the server, so its network cannot be taken away here.
            isolated=False,
            limits=self.context.capacity.limits(hosts[0].instance_type)
            if self.context.capacity.has_limits
            else None,
        )

    def _log(self, job: Resource, stream: str) -> Path:
        return log_files.stream_file(self.context.logs, LOG_GROUP, f"{job.name}/{stream}")

    def note_running(self, job: Resource, now: float) -> None:
        """Note when the transformation begins."""
        job.state["transform_started"] = now

    def side_work(self, job: Resource) -> Work:
        """Send the objects to the servers; when that is done, the servers are stopped."""
        if job.state.get("transformed"):
            return SideWork()
        hosts, items = self._members(job), self._select(job)
        shares = [
            Share(
                port,
                share(items, "ShardedByS3Key", number, len(hosts)),
                self.record.folder / f"{member.name}.results",
                self._log(job, f"{member.name}-{job.state['stream']}/data-log"),
            )
            for number, (member, port) in enumerate(zip(hosts, job.state["ports"], strict=True))
        ]
        return TransformSenders(
            job.request, form_of(job.request), shares, self.context.objects, self._note_done
        )

    def _note_done(self, failure: str) -> None:
        self.record.update(transformed=True, failed=failure)
        self._changed.set()

    def time_limit(self, job: Resource) -> tuple[float, str] | None:
        """Return the present once all objects were sent."""
        return (0.0, "Transformed") if job.state.get("transformed") else None

    def stop_programs(self, run: str, ending: str) -> None:
        """Stop the servers; with the job itself at once, since nobody waits for the answers on their way."""
        if ending == "Transformed":
            self.context.engine.stop(run)
        else:
            self.context.engine.kill(run)

    def failure(self, run: Run, host: str, state: HostState) -> str:
        """Return the last lines of a server that has ended before its time."""
        [failed] = [one for one in run.hosts if one.name == host]
        return program_failure(read_failure(failed.base / "none", failed.log, state), state.exit_code)

    def note_uploading(self, job: Resource, now: float) -> None:  # noqa: ARG002 - as the others
        """Take the reason that the senders have left."""
        reason = job.state["reason"] or job.state.get("failed", "")
        if not reason and not job.state.get("ending"):
            reason = "AlgorithmError: the model server has ended by itself, exit code: 0"
        job.state["reason"] = reason

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
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms"),
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
        data if processing else None,
    )

"""Processing jobs: inputs to folders, outputs from folders, and a last word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE, Layout
from mlberth_local import log_files
from mlberth_local.engines.base import Host, HostState, Mount, Run
from mlberth_local.inputs.channels import select
from mlberth_local.inputs.delivery import Channel, deliver, mount_of, write_feeds
from mlberth_local.inputs.feeding import Feeding
from mlberth_local.inputs.objects import below
from mlberth_local.job_failure import JobFailure, program_failure, read_failure
from mlberth_local.jobs.cluster import Member, members, write_json
from mlberth_local.jobs.driver import JobDriver
from mlberth_local.jobs.kind import INPUT_FAILED, MAX_RUNTIME, status_at_the_end
from mlberth_local.jobs.side_work import FolderSync, SideWork, files_below
from mlberth_local.store.resources import Resource

KIND = "processing-job"
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
FOLDER = f"{DEFAULT_BASE}/processing"
_DEFAULT_RUNTIME = 86400
_LARGEST_MESSAGE = 1024
CONFIG_MEMBERS = (
    "AppSpecification",
    "Environment",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
)
"""What processingjobconfig.json has of the request."""


class ProcessingDriver(JobDriver):
    """Brings a processing job to its end."""

    log_group = LOG_GROUP

    def begin(self, job: Resource) -> None:
        """Do nothing: these jobs have one status from the request to the end."""

    def prepare(self, job: Resource) -> None:
        """Bring each host its inputs and its configuration, and make the folders of the outputs."""
        hosts = self._members(job)
        channels = inputs(job.request)
        selections = [select(channel.source, self.context.objects) for channel in channels]
        mounts: dict[str, dict[str, dict[str, str]]] = {member.name: {} for member in hosts}
        apart = _apart(job.request)
        for number, member in enumerate(hosts):
            layout = self._layout(member)
            for folder in (layout.processing, layout.output):
                folder.mkdir(parents=True, exist_ok=True)
            feeds = []
            for channel, selection in zip(channels, selections, strict=True):
                found = deliver(
                    channel,
                    selection,
                    layout.base,
                    host=number,
                    hosts=len(hosts),
                    mounts_folders=False,
                    changes=self.record.changes(member.name, channel.name) if channel.name in apart else None,
                    is_stopped=self.stopped,
                )
                feeds += [found["feed"]] if "feed" in found else []
                if "mount" in found:
                    mounts[member.name][channel.name] = found
            if feeds:
                write_feeds(feeds, self._feeding(job).base(member.name))
            for output in outputs(job.request):
                self._folder(member, output).mkdir(parents=True, exist_ok=True)
            self._write_config(job, hosts, member)
        self.record.update(mounts=mounts)

    def _members(self, job: Resource) -> list[Member]:
        return members(job.request["ProcessingResources"]["ClusterConfig"])

    def _layout(self, member: Member) -> Layout:
        return Layout(self.record.folder / member.name)

    def _folder(self, member: Member, output: Mapping[str, Any]) -> Path:
        return self._layout(member).base / _inside(output["LocalPath"])

    def _feeding(self, job: Resource) -> Feeding:
        hosts = [member.name for member in self._members(job)]
        return Feeding(self.context.helpers, self.record.run_name, self.record.folder, hosts)

    def _write_config(self, job: Resource, hosts: list[Member], member: Member) -> None:
        layout = self._layout(member)
        config = {name: job.request[name] for name in CONFIG_MEMBERS if name in job.request}
        config |= {"ProcessingJobArn": job.arn, "ProcessingJobName": job.name}
        write_json(layout.processing_job_config, config)
        names = [host.name for host in hosts]
        write_json(layout.processing_resource_config, {"current_host": member.name, "hosts": names})

    def make_run(self, job: Resource) -> Run:
        """Return what runs on the hosts; without an entry point, what the image starts by itself."""
        app = job.request["AppSpecification"]
        hosts = self._members(job)
        isolated = bool((job.request.get("NetworkConfig") or {}).get("EnableNetworkIsolation"))
        environ = {} if isolated else dict(self.context.host_environ)
        environ |= {"AWS_REGION": self.context.region} | (job.request.get("Environment") or {})
        made = []
        for member in hosts:
            base = self._layout(member).base
            mounts = [
                Mount(base / name, f"{DEFAULT_BASE}/{name}") for name in ("processing", "config", "output")
            ]
            found = job.state.get("mounts", {}).get(member.name, {})
            mounts += [mount_of(one, f"{DEFAULT_BASE}/{name}") for name, one in found.items()]
            made.append(
                Host(
                    member.name,
                    base,
                    tuple(mounts),
                    environ,
                    self._log(job, member.name),
                    gpus=self.gpus(job, member.name),
                    limits=self.context.capacity.host_limits(member.instance_type),
                )
            )
        return Run(
            self.record.run_name,
            self.context.find_image(app["ImageUri"]),
            tuple(app.get("ContainerEntrypoint") or ()),
            tuple(app.get("ContainerArguments") or ()),
            tuple(made),
            isolated,
        )

    def _log(self, job: Resource, host: str) -> Path:
        stream = f"{job.name}/{host}-{job.state['stream']}"
        return log_files.stream_file(self.context.logs, LOG_GROUP, stream)

    def note_running(self, job: Resource, now: float) -> None:
        """Note when the program begins."""
        job.state["processing_started"] = now

    def side_work(self, job: Resource) -> SideWork:
        """Feed the pipes, and copy continuous outputs out as they are written."""
        feeding = self._feeding(job)
        feeding.start()
        return SideWork(
            [
                FolderSync(
                    self._folder(member, output),
                    output["S3Uri"],
                    self.context.objects,
                    self.record.folder / f"{member.name}.output-{number}.json",
                    deletes=False,
                )
                for number, output in enumerate(outputs(job.request))
                if output.get("S3UploadMode") == "Continuous"
                for member in self._members(job)
            ],
            feeding.check,
        )

    def time_limit(self, job: Resource) -> tuple[float, str]:
        """Return the time of the StoppingCondition; the present if the input has failed."""
        if self._feeding(job).failure():
            return 0.0, INPUT_FAILED
        condition = job.request.get("StoppingCondition") or {}
        runtime = condition.get("MaxRuntimeInSeconds") or _DEFAULT_RUNTIME
        return job.state["began"] + runtime, MAX_RUNTIME

    def failure(self, run: Run, host: str, state: HostState) -> str:
        """Return what the program has said last."""
        [failed] = [one for one in run.hosts if one.name == host]
        return program_failure(
            read_failure(failed.base / "output/message", failed.log, state.problem), state.exit_code
        )

    def note_uploading(self, job: Resource, now: float) -> None:
        """Note when the program ended."""
        job.state["processing_ended"] = now

    def upload(self, job: Resource) -> None:
        """Store the message, and the outputs of a job that has not failed."""
        message = self._message(job)
        if message:
            self.record.update(message=message)
        if job.state["reason"]:
            return
        for output in outputs(job.request):
            for member in self._members(job):
                for name, path in files_below(self._folder(member, output)).items():
                    self.context.objects.put(below(output["S3Uri"], name), path)

    def _message(self, job: Resource) -> str:
        """Return the first message of a host; raises JobFailure for one that is no text."""
        for member in self._members(job):
            path = self._layout(member).message
            if not path.is_file():
                continue
            with path.open("rb") as file:
                start = file.read(_LARGEST_MESSAGE + 4)
            try:
                text = _decode(start)
            except UnicodeDecodeError:
                raise JobFailure(
                    f"AlgorithmError: {member.name}: /opt/ml/output/message is not UTF-8"
                ) from None
            if text.strip():
                return text
        return ""

    def end(self, job: Resource, now: float) -> None:
        """Note the last status."""
        job.status = status_at_the_end(job.state, job.status)
        job.state["processing_ended"] = now
        if job.state.get("ending") == MAX_RUNTIME:
            job.state["exit_reason"] = "The job ran longer than MaxRuntimeInSeconds"


def _decode(start: bytes) -> str:
    """Return the first 1024 bytes as text, without half a character at the end."""
    if len(start) <= _LARGEST_MESSAGE:
        return start.decode()
    cut = start[:_LARGEST_MESSAGE]
    while (start[len(cut)] & 0xC0) == 0x80:
        cut = cut[:-1]
    return cut.decode()


def inputs(request: Mapping[str, Any]) -> list[Channel]:
    """Return the inputs that the platform brings; each is named by its folder below /opt/ml."""
    found = []
    for entry in request.get("ProcessingInputs") or []:
        if entry.get("AppManaged") or "S3Input" not in entry:
            continue
        source = entry["S3Input"]
        config = {"DataSource": {"S3DataSource": source}, "CompressionType": source.get("S3CompressionType")}
        found.append(Channel(_inside(source["LocalPath"]), source.get("S3InputMode") or "File", config))
    return found


def outputs(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the S3Output of each output that the platform stores."""
    entries = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    return [entry["S3Output"] for entry in entries if "S3Output" in entry and not entry.get("AppManaged")]


def _apart(request: Mapping[str, Any]) -> set[str]:
    """Return the names of the inputs of files that have a folder for themselves: a mount hides nothing."""
    channels = inputs(request)
    names = [channel.name for channel in channels]
    places = [*map(Path, names), *(Path(_inside(output["LocalPath"])) for output in outputs(request))]

    def is_apart(name: str) -> bool:
        place = Path(name)
        return [one for one in places if one.is_relative_to(place) or place.is_relative_to(one)] == [place]

    return {channel.name for channel in channels if channel.mode == "File" and is_apart(channel.name)}


def _inside(path: str) -> str:
    return path.rstrip("/").removeprefix(f"{DEFAULT_BASE}/")

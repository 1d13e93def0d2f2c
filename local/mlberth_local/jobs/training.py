"""Training jobs: channels and configuration in, checkpoints meanwhile, model and output at the end."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE, Layout
from mlberth.transfer.names import collect
from mlberth_local import log_files
from mlberth_local.engines.base import Host, HostState, Mount, Run
from mlberth_local.inputs.channels import Selection, select
from mlberth_local.inputs.delivery import channels_of, deliver, mount_of, write_feeds
from mlberth_local.inputs.feeding import Feeding
from mlberth_local.inputs.files import bring
from mlberth_local.inputs.objects import below, files
from mlberth_local.inputs.source_code import SOURCE_FILE, bring_source
from mlberth_local.job_failure import JobFailure, program_failure, read_failure
from mlberth_local.job_metrics.definitions import final, find
from mlberth_local.job_metrics.printed import PrintedMetrics
from mlberth_local.jobs import artifacts
from mlberth_local.jobs.algorithm_images import algorithm_variables
from mlberth_local.jobs.cluster import Member, members, resource_config, write_json
from mlberth_local.jobs.context import enter
from mlberth_local.jobs.driver import JobDriver
from mlberth_local.jobs.kind import INPUT_FAILED, MAX_PENDING, MAX_RUNTIME, MAX_WAIT, status_at_the_end
from mlberth_local.jobs.side_work import FolderSync, SideWork
from mlberth_local.store.metrics import Series
from mlberth_local.store.resources import Resource

KIND = "training-job"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_DEFAULT_RUNTIME = 86400
_ENDINGS = {MAX_RUNTIME, MAX_WAIT}


class TrainingDriver(JobDriver):
    """Brings a training job to its end."""

    log_group = LOG_GROUP

    @staticmethod
    def note_waiting(job: Resource, now: float) -> None:
        """Note that the job is pending, unless an earlier daemon has."""
        if job.status == "InProgress" and job.state["secondary"] != "Pending":
            enter(job.state, "Pending", "Training job waiting for capacity", now)

    def begin(self, job: Resource) -> None:
        """Note that the machine is being prepared."""
        now = self.context.clock()
        job.state.setdefault("training_started", now)
        enter(job.state, "Downloading", "Downloading input data", now)

    def prepare(self, job: Resource) -> None:
        """Write the configuration of each host, and bring its channels and checkpoints."""
        hosts = members(job.request["ResourceConfig"])
        selections: dict[str, Selection] = {}
        mounts, source = {}, ""
        for member in hosts:
            layout = self._layout(member)
            for folder in (layout.config, layout.data, layout.model, layout.output_data):
                folder.mkdir(parents=True, exist_ok=True)
            mounts[member.name] = self._bring_channels(job, hosts, member, selections)
            self._write_config(job, hosts, member)
            self._bring_checkpoints(job, member)
            if not job.request.get("EnableNetworkIsolation"):  # such a job reaches no S3
                source = bring_source(job.request.get("HyperParameters") or {}, self.context.objects, layout)
            if self.stopped():
                return
        self.record.update(mounts=mounts, source=source)

    def _layout(self, member: Member) -> Layout:
        return Layout(self.record.folder / member.name)

    def _bring_channels(
        self, job: Resource, hosts: list[Member], member: Member, selections: dict[str, Selection]
    ) -> dict[str, dict[str, str]]:
        """Bring the channels of a host; returns what has to be mounted, by channel: see `mount_of`."""
        layout, feeds, mounts = self._layout(member), [], {}
        for channel in channels_of(job.request, member.group):
            if channel.name not in selections:
                selections[channel.name] = select(channel.source, self.context.objects)
            groups = channel.source.get("InstanceGroupNames") or [host.group for host in hosts]
            sharing = [host for host in hosts if host.group in groups]
            found = deliver(
                channel,
                selections[channel.name],
                layout.data,
                host=sharing.index(member),
                hosts=len(sharing),
                mounts_folders=self.context.in_containers,
                changes=self.record.changes(member.name, channel.name) if channel.mode == "File" else None,
                is_stopped=self.stopped,
            )
            if "feed" in found:
                feeds.append(found["feed"])
            if "mount" in found:
                mounts[channel.name] = found
        if feeds:
            write_feeds(feeds, self._feeding(job).base(member.name))
        return mounts

    def _feeding(self, job: Resource) -> Feeding:
        hosts = [member.name for member in members(job.request["ResourceConfig"])]
        return Feeding(self.context.helpers, self.record.run_name, self.record.folder, hosts)

    def _write_config(self, job: Resource, hosts: list[Member], member: Member) -> None:
        layout = self._layout(member)
        channels = channels_of(job.request, member.group)
        write_json(layout.hyperparameters, job.request.get("HyperParameters") or {})
        write_json(layout.input_data_config, {channel.name: channel.contract() for channel in channels})
        network = "eth0" if self.context.in_containers else "lo"
        write_json(layout.resource_config, resource_config(member, hosts, network))
        if config := job.request.get("CheckpointConfig"):
            path = checkpoint_path(config) if self.context.in_containers else self._checkpoints(job, member)
            write_json(layout.checkpoint_config, {"LocalPath": str(path), "S3Uri": config["S3Uri"]})

    def _checkpoints(self, job: Resource, member: Member) -> Path:
        """Return the folder of a host's checkpoints."""
        path = checkpoint_path(job.request["CheckpointConfig"])
        return self._layout(member).base / path.removeprefix(f"{DEFAULT_BASE}/")

    def _bring_checkpoints(self, job: Resource, member: Member) -> None:
        """Bring what an earlier attempt, or an earlier job, has saved."""
        config = job.request.get("CheckpointConfig")
        if not config:
            return
        folder = self._checkpoints(job, member)
        folder.mkdir(parents=True, exist_ok=True)
        prefix = below(config["S3Uri"], "")
        for one in files(self.context.objects, prefix):
            if not self.stopped():
                bring(one, folder, one.address.removeprefix(prefix))
        self._sync(job, member).note_restored()

    def make_run(self, job: Resource) -> Run:
        """Return what runs on the hosts."""
        request, algorithm = job.request, job.request["AlgorithmSpecification"]
        entrypoint = tuple(algorithm.get("ContainerEntrypoint") or ())
        arguments = tuple(algorithm.get("ContainerArguments") or ())
        if not entrypoint and not arguments:
            arguments = ("train",)
        hosts = members(request["ResourceConfig"])
        isolated = bool(request.get("EnableNetworkIsolation"))
        return Run(
            self.record.run_name,
            self.context.find_image(_image(job)),
            entrypoint,
            arguments,
            tuple(self._host(job, member, isolated=isolated) for member in hosts),
            isolated,
        )

    def _host(self, job: Resource, member: Member, *, isolated: bool) -> Host:
        layout = self._layout(member)
        folders = {f"{DEFAULT_BASE}/{name}": layout.base / name for name in ("input", "model", "output")}
        if config := job.request.get("CheckpointConfig"):
            folders[checkpoint_path(config)] = self._checkpoints(job, member)
        mounts = [Mount(folder, target) for target, folder in folders.items()]
        found = job.state.get("mounts", {}).get(member.name, {})
        mounts += [mount_of(one, f"{DEFAULT_BASE}/input/data/{channel}") for channel, one in found.items()]
        environ = {} if isolated else dict(self.context.host_environ)
        environ |= {
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            "AWS_REGION": self.context.region,
            **algorithm_variables(_image(job), self.context.find_image(_image(job))),
        }
        if source := job.state.get("source"):
            environ[SOURCE_FILE] = source
        environ |= job.request.get("Environment") or {}
        return Host(
            member.name,
            layout.base,
            tuple(mounts),
            environ,
            self._log(job, member.name),
            gpus=self.gpus(job, member.name),
            limits=self.context.capacity.host_limits(member.instance_type),
        )

    def _log(self, job: Resource, host: str) -> Path:
        stream = f"{job.name}/{host}-{job.state['stream']}"
        return log_files.stream_file(self.context.logs, LOG_GROUP, stream)

    def note_running(self, job: Resource, now: float) -> None:
        """Note that training begins."""
        enter(job.state, "Training", "Training image download completed. Training in progress.", now)

    def side_work(self, job: Resource) -> SideWork:
        """Feed the pipes, and copy checkpoints out as they are written."""
        feeding = self._feeding(job)
        feeding.start()
        hosts = members(job.request["ResourceConfig"]) if job.request.get("CheckpointConfig") else []
        return SideWork([self._sync(job, member) for member in hosts], feeding.check)

    def _sync(self, job: Resource, member: Member) -> FolderSync:
        """Return what copies a host's checkpoints out."""
        hosts = members(job.request["ResourceConfig"])
        return FolderSync(
            self._checkpoints(job, member),
            job.request["CheckpointConfig"]["S3Uri"],
            self.context.objects,
            self.record.folder / f"{member.name}.checkpoints.json",
            others=[self._checkpoints(job, other) for other in hosts if other != member],
        )

    def time_limit(self, job: Resource) -> tuple[float, str]:
        """Return the earlier time of the StoppingCondition's two; the present if the input has failed."""
        if self._feeding(job).failure():
            return 0.0, INPUT_FAILED
        condition = job.request.get("StoppingCondition") or {}
        runtime = condition.get("MaxRuntimeInSeconds") or _DEFAULT_RUNTIME
        ran = job.state.get("run_seconds", 0.0)
        return min((job.state["began"] + runtime - ran, MAX_RUNTIME), (self.wait_limit(job), MAX_WAIT))

    @staticmethod
    def wait_limit(job: Resource) -> float:
        """Return when MaxWaitTimeInSeconds is over: it counts from the job's creation."""
        wait = (job.request.get("StoppingCondition") or {}).get("MaxWaitTimeInSeconds")
        return job.created + wait if wait else math.inf

    @classmethod
    def queue_limit(cls, job: Resource) -> float:
        """Return when the first of MaxPendingTimeInSeconds and MaxWaitTimeInSeconds is over."""
        pending = (job.request.get("StoppingCondition") or {}).get("MaxPendingTimeInSeconds")
        return min(job.created + pending if pending else math.inf, cls.wait_limit(job))

    def interruption_time(self, job: Resource) -> float:
        """Return when the spot instance of the present attempt is taken away: the same for a later daemon."""
        mean = self.context.spot_seconds
        if not mean or not job.request.get("EnableManagedSpotTraining"):
            return math.inf
        moments = random.Random(f"{job.arn}/{job.created}/{job.state['attempt']}")  # noqa: S311 - no secret
        return float(job.state["began"]) + moments.expovariate(1 / mean)

    def failure(self, run: Run, host: str, state: HostState) -> str:
        """Return what the failure file says, or the last lines of the log."""
        [failed] = [one for one in run.hosts if one.name == host]
        return program_failure(
            read_failure(failed.base / "output/failure", failed.log, state.problem), state.exit_code
        )

    def note_uploading(self, job: Resource, now: float) -> None:
        """Note that the results are being stored."""
        enter(job.state, "Uploading", "Uploading generated training model", now)

    def note_interruption(self, job: Resource, now: float) -> None:
        """Note that the spot instance has gone, and that another is being looked for."""
        enter(job.state, "Interrupted", "Training job interrupted: the spot instance was taken away", now)
        enter(job.state, "Starting", "Starting the training job", now)

    def printed_metrics(self, job: Resource) -> PrintedMetrics:
        """Return what publishes the metrics of MetricDefinitions."""
        return PrintedMetrics(
            self._definitions(job),
            {f"{KIND}/{job.name}/{host}": path for host, path in self._logs(job).items()},
            Series(LOG_GROUP, "", {"TrainingJobName": job.name}),
            self.context.metrics,
        )

    @staticmethod
    def _definitions(job: Resource) -> list[dict[str, str]]:
        return job.request["AlgorithmSpecification"].get("MetricDefinitions") or []

    def _logs(self, job: Resource) -> dict[str, Path]:
        hosts = members(job.request["ResourceConfig"])
        return {member.name: self._log(job, member.name) for member in hosts}

    def _publish_metrics(self, job: Resource) -> None:
        """Publish what the programs have printed last, and note the last value of each metric."""
        if "metrics" in job.state:
            return
        self.printed_metrics(job).publish()
        wanted, found = self._definitions(job), []
        for path in self._logs(job).values() if wanted else ():
            found += find(wanted, log_files.read_events(path))
        # Those of several hosts in the order of their times.
        self.record.update(metrics=final(sorted(found, key=lambda metric: metric[2])))

    def upload(self, job: Resource) -> None:
        """Store metrics, model and output; of a job that has failed, what it has left for its user."""
        self._publish_metrics(job)
        config = job.request["OutputDataConfig"]
        address = below(config["S3OutputPath"], job.name, "output")
        packed = config.get("CompressionType") != "NONE"
        layouts = [self._layout(member) for member in members(job.request["ResourceConfig"])]
        objects, scratch = self.context.objects, self.record.folder
        try:
            if not job.state["reason"]:
                files = collect([layout.model for layout in layouts])
                model = artifacts.upload(files, address, "model", objects, scratch, packed=packed)
                self.record.update(model=model)
            files = collect([layout.output_data for layout in layouts])
            if files:
                name = "output" if packed else "data"
                artifacts.upload(files, address, name, objects, scratch, packed=packed)
        except ValueError as error:
            raise JobFailure(f"ClientError: OutputDataConfig: {error}") from None

    def end(self, job: Resource, now: float) -> None:
        """Note the last status."""
        job.status = status_at_the_end(job.state, job.status)
        ending = job.state.get("ending", "")
        secondary = ending if job.status == "Stopped" and ending in _ENDINGS else job.status
        messages = {
            "Completed": "Training job completed",
            "Failed": "Training job failed",
            "Stopped": "Training job stopped",
            MAX_RUNTIME: "Training job runtime exceeded MaxRuntimeInSeconds provided",
            MAX_WAIT: "Training job wait time exceeded MaxWaitTimeInSeconds provided",
        }
        if ending == MAX_PENDING:
            messages["Stopped"] = "Training job stopped: it was pending for MaxPendingTimeInSeconds"
        enter(job.state, secondary, messages[secondary], now)
        job.state["transitions"][-1]["EndTime"] = now
        if "training_started" in job.state:
            job.state["training_ended"] = now
            job.state["training_seconds"] = math.ceil(now - job.state["training_started"])


def _image(job: Resource) -> str:
    algorithm = job.request["AlgorithmSpecification"]
    return str(algorithm.get("TrainingImage") or algorithm.get("AlgorithmName") or "")


def checkpoint_path(config: Mapping[str, Any]) -> str:
    """Return the folder of checkpoints inside a host."""
    return (config.get("LocalPath") or f"{DEFAULT_BASE}/checkpoints").rstrip("/")

"""Jobs in the queue of a platform, with real processes."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.local.jobs.job_platform import JobPlatform, training
from tests.local.jobs.test_training import SLEEP, is_ready, statuses
from tests.support import wait_until

from mlberth_local.errors import ServiceError
from mlberth_local.jobs.context import new_state
from mlberth_local.sagemaker import training_jobs
from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resource, Resources

BEFORE = ("Starting", "Downloading")
"""The statuses of a job that finds room at once, up to its training."""


def test_the_queue(tmp_path: Path) -> None:
    """Jobs start in their order as there is room; one that waits can be stopped."""
    with closing(JobPlatform(tmp_path / "home", MLBERTH_CPUS="1")) as jobs:
        jobs.train(SLEEP, "first", wait=False)
        jobs.train("", "second", wait=False)
        jobs.train("", "third", wait=False)
        wait_until(lambda: is_ready(jobs, "first"))
        assert jobs.describe("second")["SecondaryStatus"] == "Pending"
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "second"})
        wait_until(lambda: jobs.describe("second")["TrainingJobStatus"] == "Stopped")
        assert jobs.describe("third")["TrainingJobStatus"] == "InProgress"
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "first"})
        assert jobs.jobs.join(30)
        assert jobs.describe("third")["TrainingJobStatus"] == "Completed"
        assert statuses(jobs.describe("first")) == [*BEFORE, "Training", "Stopping", "Uploading", "Stopped"]
        assert statuses(jobs.describe("second")) == ["Starting", "Pending", "Stopping", "Stopped"]
        third = jobs.describe("third")
        assert statuses(third) == ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]
        times = [
            one[edge] for one in third["SecondaryStatusTransitions"] for edge in ("StartTime", "EndTime")
        ]
        assert times == sorted(times)


def test_a_job_that_is_stopping(tmp_path: Path) -> None:
    """Describe and List show it alike, as long as its program takes."""
    with closing(JobPlatform(tmp_path / "home", stop_seconds=60)) as jobs:
        jobs.train(
            "import pathlib, signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: print('stopping', flush=True))\n"
            "print('ready', flush=True)\n"
            "while not pathlib.Path('/opt/ml/output/go').exists(): time.sleep(0.01)\n",
            wait=False,
        )
        wait_until(lambda: is_ready(jobs))
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "job"})
        wait_until(lambda: "stopping" in jobs.lines()["algo-1"])
        [listed] = training_jobs.list_training_jobs(jobs.platform, {})["TrainingJobSummaries"]
        for found in (jobs.describe(), listed):
            assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopping", "Stopping")
        (jobs.home / "runs/training-job.job.1/algo-1/output/go").touch()
        assert jobs.jobs.join(30)
        assert statuses(jobs.describe()) == [*BEFORE, "Training", "Stopping", "Uploading", "Stopped"]


def test_a_job_that_is_stopped_while_its_machine_goes(tmp_path: Path) -> None:
    """There is no other attempt: what its program has left is stored."""
    with closing(JobPlatform(tmp_path / "home", stop_seconds=60)) as jobs:
        jobs.train(
            "import pathlib, signal, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: print('going', flush=True))\n"
            "print('ready', flush=True)\n"
            "while not pathlib.Path('/opt/ml/output/go').exists(): time.sleep(0.01)\n"
            "pathlib.Path('/opt/ml/model/saved').write_text('1')\n",
            wait=False,
        )
        wait_until(lambda: is_ready(jobs))
        training_jobs.interrupt_training_job(jobs.platform, {"TrainingJobName": "job"})
        wait_until(lambda: "going" in jobs.lines()["algo-1"])
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "job"})
        (jobs.home / "runs/training-job.job.1/algo-1/output/go").touch()
        assert jobs.jobs.join(30)
        found = jobs.describe()
        assert statuses(found) == [*BEFORE, "Training", "Stopping", "Uploading", "Stopped"]
        assert "ModelArtifacts" in found


def test_a_job_that_waits_too_long(tmp_path: Path) -> None:
    """MaxWaitTimeInSeconds counts in the queue, too: the job ends there; MaxRuntimeInSeconds does not."""
    with closing(JobPlatform(tmp_path / "home", MLBERTH_CPUS="1")) as jobs:
        jobs.train(SLEEP, "first", wait=False)
        condition = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
        jobs.train("", "second", wait=False, EnableManagedSpotTraining=True, StoppingCondition=condition)
        wait_until(lambda: jobs.describe("second")["TrainingJobStatus"] == "Stopped", timeout=60)
        found = jobs.describe("second")
        assert statuses(found) == ["Starting", "Pending", "Stopping", "MaxWaitTimeExceeded"]
        assert "TrainingStartTime" not in found
        assert is_ready(jobs, "first") or jobs.describe("first")["TrainingJobStatus"] == "InProgress"


def test_a_job_that_is_pending_too_long(tmp_path: Path) -> None:
    """After MaxPendingTimeInSeconds it is stopped; once it has left the queue, that is over."""
    pending = {"MaxRuntimeInSeconds": 60, "MaxPendingTimeInSeconds": 1}
    with closing(JobPlatform(tmp_path / "home", MLBERTH_CPUS="1")) as jobs:
        program = "import time; time.sleep(1.5)"
        assert jobs.train(program, "runs", StoppingCondition=pending)["TrainingJobStatus"] == "Completed"
        jobs.train(SLEEP, "first", wait=False)
        jobs.train("", "second", wait=False, StoppingCondition=pending)
        wait_until(lambda: jobs.describe("second")["TrainingJobStatus"] == "Stopped", timeout=60)
        found = jobs.describe("second")
        assert statuses(found) == ["Starting", "Pending", "Stopping", "Stopped"]
        assert "MaxPendingTimeInSeconds" in found["SecondaryStatusTransitions"][-1]["StatusMessage"]
        assert jobs.describe("first")["TrainingJobStatus"] == "InProgress"


def test_runtime_begins_with_the_program(tmp_path: Path) -> None:
    """A job that has waited for longer than it may run has all of its time."""
    later = 0.0
    with closing(JobPlatform(tmp_path / "home", clock=lambda: time.time() + later, MLBERTH_CPUS="1")) as jobs:
        jobs.train(SLEEP, "first", wait=False)
        jobs.train("", "second", wait=False)
        later = 3600.0
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "first"})
        assert jobs.jobs.join(60)
        assert jobs.describe("second")["TrainingJobStatus"] == "Completed"


def test_jobs_for_gpus(tmp_path: Path) -> None:
    """Each host has its own GPUs, one without has none, and what the machine does not have is refused."""
    program = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['SM_CURRENT_INSTANCE_TYPE'])"
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2},
        {"InstanceGroupName": "b", "InstanceType": "ml.m5.large", "InstanceCount": 1},
    ]
    with closing(JobPlatform(tmp_path / "home", MLBERTH_GPUS="3")) as jobs:
        jobs.put("code/train.py", program)
        parameters = {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": str(jobs.bucket / "code"),
        }
        request = training(
            "", HyperParameters=parameters, ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1}
        )
        del request["AlgorithmSpecification"]["ContainerEntrypoint"]
        training_jobs.create_training_job(jobs.platform, request)
        assert jobs.jobs.join(60)
        said = {"algo-1": "0 ml.g5.xlarge", "algo-2": "1 ml.g5.xlarge", "algo-3": " ml.m5.large"}
        assert {host: line for host, line in said.items() if line in jobs.lines()[host]} == said
        request["TrainingJobName"] = "large"
        request["ResourceConfig"] = {"InstanceType": "ml.p3.8xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        with pytest.raises(ServiceError, match=r"ml\.p3\.8xlarge has 4 GPUs, and this machine 3") as raised:
            training_jobs.create_training_job(jobs.platform, request)
        assert raised.value.code == "ResourceLimitExceeded"


def test_a_machine_without_gpus(tmp_path: Path) -> None:
    """A job for GPUs runs on the CPU, and its status says so."""
    with closing(JobPlatform(tmp_path / "home", MLBERTH_GPUS="0")) as jobs:
        resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
        found = jobs.train("", ResourceConfig=resources)
        assert found["TrainingJobStatus"] == "Completed"
        assert found["SecondaryStatusTransitions"][0]["StatusMessage"] == (
            "Starting the training job. 2 * ml.g5.xlarge has GPUs, and this machine none: it runs on the CPU"
        )


def test_a_daemon_with_fewer_gpus(tmp_path: Path) -> None:
    """A job that waits for more than the next daemon has fails by name, and holds up nobody."""
    home = tmp_path / "home"
    resources = {"InstanceType": "ml.p3.8xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    home.mkdir()
    with closing(Database(home / "db")) as database:
        state = new_state(0, "Starting", "")
        request = training("", ResourceConfig=resources)
        job = Resource("training-job", "job", "arn", 0, 0, "InProgress", request, state)
        Resources(database).create(job)
    with closing(JobPlatform(home, MLBERTH_GPUS="1")) as jobs:
        assert jobs.jobs.join(60)
        reason = jobs.describe()["FailureReason"]
        assert reason.startswith("ClientError: ml.p3.8xlarge has 4 GPUs, and this machine 1; choose")


def test_a_daemon_that_ended_before_it_could_note_who_waits(tmp_path: Path) -> None:
    """The next one does, once."""
    home = tmp_path / "home"
    home.mkdir()
    with closing(Database(home / "db")) as database:
        for number, program in enumerate([SLEEP, ""]):
            request = training(program, f"job-{number}")
            job = Resource(
                "training-job",
                f"job-{number}",
                "arn",
                number,
                number,
                "InProgress",
                request,
                new_state(number, "Starting", ""),
            )
            Resources(database).create(job)
    with closing(JobPlatform(home, MLBERTH_CPUS="1")) as jobs:
        assert statuses(jobs.describe("job-1")) == ["Starting", "Pending"]
        jobs.jobs.start()
        assert statuses(jobs.describe("job-1")) == ["Starting", "Pending"]
        wait_until(lambda: is_ready(jobs, "job-0"))
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "job-0"})
        assert jobs.jobs.join(60)
        assert statuses(jobs.describe("job-1"))[:3] == ["Starting", "Pending", "Downloading"]

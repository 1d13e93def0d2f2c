"""Training jobs, with real processes."""

from __future__ import annotations

import json
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform, channel, training
from tests.support import wait_until

from mlberth_local.jobs.opening import read_spot_seconds
from mlberth_local.sagemaker import training_jobs
from mlberth_local.store.metrics import Series

READY = "print('ready', flush=True)\n"
SLEEP = f"import time\n{READY}time.sleep(60)\n"
STOPPABLE = (
    "import pathlib, signal, sys, time\n"
    "def stop(*_):\n"
    "    pathlib.Path('/opt/ml/model/saved').write_text('late')\n"
    "    sys.exit(0)\n"
    f"signal.signal(signal.SIGTERM, stop)\n{READY}time.sleep(60)\n"
)


def members_of(path: Path) -> dict[str, str]:
    """Return the files of an archive."""
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read().decode() for one in tar.getmembers()}  # type: ignore[union-attr]


def is_ready(jobs: JobPlatform, name: str = "job") -> bool:
    """Return whether every host's program says so."""
    found = jobs.lines(name)
    return bool(found) and all("ready" in lines for lines in found.values())


def statuses(found: dict[str, Any]) -> list[str]:
    """Return the secondary statuses that a job has had."""
    return [entry["Status"] for entry in found["SecondaryStatusTransitions"]]


def test_a_job_from_its_request_to_its_model(jobs: JobPlatform) -> None:
    """The program finds its configuration, data and variables; its results are in their places."""
    jobs.put("data/train/a.csv", "1,2")
    jobs.put("data/train/deep/b.csv", "3")
    jobs.put("data/train-not/c.csv", "4")
    found = jobs.train(
        "import json, os, pathlib\n"
        "config = pathlib.Path('/opt/ml/input/config')\n"
        "print(json.dumps({file.name: json.loads(file.read_text()) for file in config.iterdir()}))\n"
        "data = pathlib.Path('/opt/ml/input/data/train')\n"
        "print(sorted(str(file.relative_to(data)) for file in data.rglob('*') if file.is_file()))\n"
        "(data / 'a.csv').write_text('changed')\n"
        "print(os.environ['TRAINING_JOB_NAME'], os.environ['COLOUR'], os.environ['FROM_PLATFORM'])\n"
        "pathlib.Path('/opt/ml/model/deep').mkdir()\n"
        "pathlib.Path('/opt/ml/model/deep/weights').write_text('1')\n"
        "pathlib.Path('/opt/ml/output/data').mkdir(exist_ok=True)\n"
        "pathlib.Path('/opt/ml/output/data/report').write_text('2')\n"
        "print('epoch 1 loss=0.75 acc=0.5')\n"
        "print('epoch 2 loss=0.25')\n",
        HyperParameters={"epochs": "2"},
        Environment={"COLOUR": "blue"},
        InputDataConfig=[channel("train", "data/train/", ContentType="text/csv")],
        AlgorithmSpecification={
            "MetricDefinitions": [
                {"Name": "loss", "Regex": "loss=([0-9.]+)"},
                {"Name": "acc", "Regex": "acc=([0-9.]+)"},
            ]
        },
    )
    assert found["TrainingJobStatus"] == "Completed", (found.get("FailureReason"), jobs.lines())
    assert statuses(found) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(entry["EndTime"] >= entry["StartTime"] for entry in found["SecondaryStatusTransitions"])
    config, files, variables, *_ = jobs.lines()["algo-1"]
    assert json.loads(config) == {
        "hyperparameters.json": {"epochs": "2"},
        "inputdataconfig.json": {
            "train": {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
                "CompressionType": "None",
                "ContentType": "text/csv",
            }
        },
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": "ml.m5.large",
                    "hosts": ["algo-1"],
                }
            ],
            "network_interface_name": "lo",
        },
    }
    assert files == "['a.csv', 'deep/b.csv']"
    assert variables == "job blue 1"
    assert (jobs.bucket / "data/train/a.csv").read_text() == "1,2"
    assert found["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://{BUCKET}/out/job/output/model.tar.gz"}
    assert members_of(jobs.bucket / "out/job/output/model.tar.gz") == {"deep/weights": "1"}
    assert members_of(jobs.bucket / "out/job/output/output.tar.gz") == {"report": "2"}
    assert {one["MetricName"]: one["Value"] for one in found["FinalMetricDataList"]} == {
        "loss": 0.25,
        "acc": 0.5,
    }
    series = Series("/aws/sagemaker/TrainingJobs", "loss", {"TrainingJobName": "job"})
    [period] = jobs.jobs.context.metrics.periods(series, 0, 1e12, 1e11)
    assert [point.sum for point in period.points] == [0.75, 0.25]
    assert found["OutputDataConfig"]["KmsKeyId"] == ""
    assert found["TrainingStartTime"] <= found["TrainingEndTime"]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import sys; open('/opt/ml/output/failure', 'w').write('no data'); sys.exit(3)", "no data"),
        ("import sys; print('first'); print('last'); sys.exit(3)", "first\nlast"),
        ("import sys; open('/opt/ml/output/failure', 'w').write('x' * 5000); sys.exit(3)", "x" * 100),
        ("import sys; sys.exit(3)", "no failure file and no output"),
    ],
    ids=["failure file", "last lines", "long", "nothing"],
)
def test_why_a_job_has_failed(jobs: JobPlatform, program: str, expected: str) -> None:
    """The reason has the program's own words, and always the exit code."""
    found = jobs.train(program)
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Failed", "Failed")
    reason = found["FailureReason"]
    assert reason.startswith(f"AlgorithmError: {expected}")
    assert reason.endswith(", exit code: 3")
    assert len(reason) <= 1024
    assert "ModelArtifacts" not in found


def test_output_of_a_failed_job(jobs: JobPlatform) -> None:
    """What the program has left for its user is stored, its model is not."""
    jobs.train(
        "import sys; open('/opt/ml/output/data/a', 'w').write('1'); open('/opt/ml/model/m', 'w'); sys.exit(1)"
    )
    assert [path.name for path in (jobs.bucket / "out/job/output").iterdir()] == ["output.tar.gz"]


def test_a_loss_that_is_no_number(jobs: JobPlatform) -> None:
    """A job whose training diverges comes to its end, with the metrics that are numbers."""
    definitions = [{"Name": name, "Regex": f"{name}=([0-9a-z.]+)"} for name in ("loss", "other")]
    found = jobs.train(
        "print('loss=0.5'); print('loss=nan other=inf')",
        AlgorithmSpecification={"MetricDefinitions": definitions},
    )
    assert found["TrainingJobStatus"] == "Completed", found
    assert [(one["MetricName"], one["Value"]) for one in found["FinalMetricDataList"]] == [("loss", 0.5)]


def test_missing_input(jobs: JobPlatform) -> None:
    """A channel without objects fails the job, in the service's words."""
    found = jobs.train("", InputDataConfig=[channel("train", "none/")])
    assert f'No S3 objects found under S3 URL "s3://{BUCKET}/none/"' in found["FailureReason"]
    assert statuses(found) == ["Starting", "Downloading", "Failed"]


def test_stop(jobs: JobPlatform) -> None:
    """The program gets SIGTERM and saves; the model is stored, and the job is Stopped."""
    jobs.train(STOPPABLE, wait=False)
    wait_until(lambda: is_ready(jobs))
    training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "job"})
    assert jobs.describe()["TrainingJobStatus"] in ("Stopping", "Stopped")
    assert jobs.jobs.join(30)
    found = jobs.describe()
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert members_of(jobs.bucket / "out/job/output/model.tar.gz") == {"saved": "late"}
    assert "FailureReason" not in found


def test_a_program_that_keeps_sigterm_to_itself(tmp_path: Path) -> None:
    """It is killed when its time is over, and the job is Stopped."""
    with closing(JobPlatform(tmp_path / "home", stop_seconds=0.2)) as jobs:
        jobs.train(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLEEP}", wait=False)
        wait_until(lambda: is_ready(jobs))
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "job"})
        assert jobs.jobs.join(30)
        assert jobs.describe()["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("condition", "ending"),
    [
        ({"MaxRuntimeInSeconds": 1}, "MaxRuntimeExceeded"),
        # Long enough for the program to start: one that has waited too long before is not started at all.
        ({"MaxRuntimeInSeconds": 4, "MaxWaitTimeInSeconds": 4}, "MaxWaitTimeExceeded"),
    ],
    ids=["runtime", "wait"],
)
def test_time_limits(jobs: JobPlatform, condition: dict[str, int], ending: str) -> None:
    """A job that runs too long is stopped, with its model, and says why."""
    found = jobs.train(STOPPABLE, StoppingCondition=condition, EnableManagedSpotTraining="Wait" in ending)
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", ending)
    assert statuses(found)[-4:] == ["Training", "Stopping", "Uploading", ending]
    assert "ModelArtifacts" in found


def test_several_hosts(jobs: JobPlatform) -> None:
    """Each host has its own configuration and its share of the keys; their results are put together."""
    for number in range(5):
        jobs.put(f"data/{number}.csv", str(number))
    group = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "data"}
    other = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "other"}
    found = jobs.train(
        "import json, os, pathlib\n"
        "host = json.load(open('/opt/ml/input/config/resourceconfig.json'))\n"
        "data = pathlib.Path('/opt/ml/input/data')\n"
        "print(sorted(str(file.relative_to(data)) for file in data.rglob('*.csv')))\n"
        "print(host['current_group_name'], host['current_instance_type'], host['hosts'])\n"
        "pathlib.Path('/opt/ml/model', host['current_host']).write_text('1')\n"
        "pathlib.Path('/opt/ml/model/same').write_text(host['current_host'])\n",
        ResourceConfig={"InstanceGroups": [group, other], "VolumeSizeInGB": 1},
        InputDataConfig=[
            channel("a", "data/", S3DataDistributionType="ShardedByS3Key", InstanceGroupNames=["data"])
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", found
    hosts = "['algo-1', 'algo-2', 'algo-3']"
    assert jobs.lines() == {
        "algo-1": ["['a/0.csv', 'a/2.csv', 'a/4.csv']", f"data ml.m5.large {hosts}"],
        "algo-2": ["['a/1.csv', 'a/3.csv']", f"data ml.m5.large {hosts}"],
        "algo-3": ["[]", f"other ml.c5.xlarge {hosts}"],
    }
    model = members_of(jobs.bucket / "out/job/output/model.tar.gz")
    assert model == {"algo-1": "1", "algo-2": "1", "algo-3": "1", "same": "algo-3"}


def test_checkpoints(jobs: JobPlatform) -> None:
    """They are there at the start, are copied out while the program runs, and go when it removes them."""
    jobs.put("saved/old", "1")
    jobs.put("saved/deep/older", "0")
    jobs.train(
        "import pathlib, signal, time\n"
        "folder = pathlib.Path('/opt/ml/checkpoints')\n"
        "print(sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file()))\n"
        "(folder / 'one').write_text('1')\n"
        "(folder / 'x.sagemaker-ignore').write_text('1')\n"
        f"{READY}"
        "while not pathlib.Path('/opt/ml/output/go').exists(): time.sleep(0.01)\n"
        "(folder / 'one').unlink()\n"
        "(folder / 'two').write_text('2')\n",
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/saved"},
        wait=False,
    )
    wait_until((jobs.bucket / "saved/one").exists)
    jobs.put("saved/by-hand", "not the job's")
    (jobs.home / "runs/training-job.job.1/algo-1/output/go").touch()
    assert jobs.jobs.join(30)
    assert jobs.lines()["algo-1"][0] == "['deep/older', 'old']"
    assert sorted(path.name for path in (jobs.bucket / "saved").iterdir()) == [
        "by-hand",
        "deep",
        "old",
        "two",
    ]


@pytest.mark.parametrize("folder", ["/opt/ml/state/here", "/opt/ml/state/", "/opt/ml/model/state"])
def test_checkpoints_elsewhere(jobs: JobPlatform, folder: str) -> None:
    """Their folder may be any other below /opt/ml."""
    jobs.put("saved/old", "1")
    found = jobs.train(
        f"import os, pathlib; print(os.listdir('{folder}')); pathlib.Path('{folder}', 'new').touch()",
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/saved", "LocalPath": folder},
    )
    assert found["TrainingJobStatus"] == "Completed", found
    assert jobs.lines()["algo-1"] == ["['old']"]
    assert (jobs.bucket / "saved/new").exists()
    model = members_of(jobs.bucket / "out/job/output/model.tar.gz")
    assert model == ({"state/old": "1", "state/new": ""} if folder.startswith("/opt/ml/model") else {})


def test_interruption(jobs: JobPlatform) -> None:
    """The job starts again with what it has saved, on another machine."""
    jobs.train(
        "import pathlib, signal, sys, time\n"
        "file = pathlib.Path('/opt/ml/checkpoints/epoch')\n"
        "epoch = int(file.read_text()) if file.exists() else 0\n"
        "print('epoch', epoch, 'rubbish', pathlib.Path('/opt/ml/model/rubbish').exists())\n"
        "pathlib.Path('/opt/ml/model/rubbish').touch()\n"
        "def stop(*_):\n"
        "    file.write_text(str(epoch + 1)); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, stop)\n{READY}"
        "time.sleep(0 if epoch else 60)\n",
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/saved"},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        wait=False,
    )
    wait_until(lambda: is_ready(jobs))
    training_jobs.interrupt_training_job(jobs.platform, {"TrainingJobName": "job"})
    assert jobs.jobs.join(30)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Completed", found
    assert jobs.lines()["algo-1"] == ["epoch 0 rubbish False", "ready", "epoch 1 rubbish False", "ready"]
    assert statuses(found) == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]


def test_random_interruptions(tmp_path: Path) -> None:
    """Spot instances go at random, others stay; each attempt goes on from what the one before has saved."""
    program = (
        "import pathlib, signal, sys, time\n"
        "file = pathlib.Path('/opt/ml/checkpoints/epoch')\n"
        "epoch = int(file.read_text()) if file.exists() else 0\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(file.write_text(str(epoch + 1)) * 0))\n"
        "print('epoch', epoch, flush=True)\n"
        "time.sleep(0 if epoch > 1 else 60)\n"
    )
    members: dict[str, Any] = {
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/saved"},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
    }
    with closing(JobPlatform(tmp_path, MLBERTH_SPOT_SECONDS="0.7")) as jobs:
        found = jobs.train(program, **members)
        assert found["TrainingJobStatus"] == "Completed", found
        assert [line for line in jobs.lines()["algo-1"] if line.startswith("epoch")][-1] == "epoch 2"
        assert statuses(found).count("Interrupted") >= 2
        assert found["BillableTimeInSeconds"] <= found["TrainingTimeInSeconds"]
        stays = jobs.train("import time; time.sleep(1)", "stays")
        assert "Interrupted" not in statuses(stays)


def test_interruptions_end_with_the_longest_wait(tmp_path: Path) -> None:
    """A job that never comes to its end is stopped after MaxWaitTimeInSeconds."""
    condition = {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}
    with closing(JobPlatform(tmp_path, MLBERTH_SPOT_SECONDS="0.3")) as jobs:
        found = jobs.train(
            "import time; time.sleep(60)", EnableManagedSpotTraining=True, StoppingCondition=condition
        )
        assert found["TrainingJobStatus"] == "Stopped", found
        assert found["SecondaryStatus"] in ("MaxWaitTimeExceeded", "MaxRuntimeExceeded")


@pytest.mark.parametrize("value", ["-1", "inf", "often"])
def test_the_time_of_spot_instances_is_a_number(value: str) -> None:
    with pytest.raises(ValueError, match=f"MLBERTH_SPOT_SECONDS is '{value}'; expected a number of seconds"):
        read_spot_seconds({"MLBERTH_SPOT_SECONDS": value})


def test_plain_folders_as_output(jobs: JobPlatform) -> None:
    """With CompressionType NONE the results are objects, not archives."""
    found = jobs.train(
        "open('/opt/ml/model/m', 'w').write('1'); open('/opt/ml/output/data/d', 'w').write('2')",
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"},
    )
    assert found["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://{BUCKET}/out/job/output/model/"}
    assert (jobs.bucket / "out/job/output/model/m").read_text() == "1"
    assert (jobs.bucket / "out/job/output/data/d").read_text() == "2"


def test_links_that_lead_out_of_the_model(jobs: JobPlatform) -> None:
    """A file of this machine does not get into the archive by a link; one of the model's own does."""
    jobs.train(
        "import os\n"
        "open('/opt/ml/model/m', 'w').write('1')\n"
        "os.symlink('m', '/opt/ml/model/same'); os.symlink('/etc/passwd', '/opt/ml/model/other')\n"
    )
    assert members_of(jobs.bucket / "out/job/output/model.tar.gz") == {"m": "1", "same": "1"}


def test_what_is_asked_of_the_train_command(jobs: JobPlatform) -> None:
    """Without an entry point the image's `train` runs, here our own, with the job's hyperparameters."""
    request = training("", HyperParameters={"sagemaker_program": "train.py", "alpha": "0.5"})
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    jobs.put("code/train.py", "import sys; print(sys.argv[1:]); open('/opt/ml/model/m', 'w').write('1')")
    request["HyperParameters"]["sagemaker_submit_directory"] = str(jobs.bucket / "code")
    training_jobs.create_training_job(jobs.platform, request)
    assert jobs.jobs.join(60)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Completed", (found, jobs.lines())
    assert "['--alpha', '0.5']" in jobs.lines()["algo-1"]

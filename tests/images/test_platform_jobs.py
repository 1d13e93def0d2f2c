"""The platform's jobs in containers: the same rules as with processes, and what only containers have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.test_examples import by_aws, by_notebook
from tests.local.end_to_end.test_sdk_jobs import run
from tests.local.jobs.job_platform import JobPlatform, channel
from tests.local.jobs.recovery import check_end, is_long, request, run_daemon
from tests.local.jobs.test_transform_servers import check_pipeline, make_model
from tests.peers import SDK_V2

from mlberth.contract.resources import gpu_count
from mlberth_local.images import FILE


@pytest.fixture
def image_name(image: Image) -> str:
    """Return an image that has Python and our `train`."""
    return image("train", "base")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobPlatform]:
    """Return a platform with containers; nothing is left of its jobs at the end."""
    with closing(JobPlatform(tmp_path / "home", engine="docker")) as platform:
        yield platform


def test_training_on_two_hosts(jobs: JobPlatform, image_name: str) -> None:
    """Hosts find one another by name; File may be written to, FastFile not; the bucket stays as it is."""
    jobs.put("data/a.csv", "1")
    jobs.put(
        "code/program.py",
        "import json, os, pathlib, socket, time\n"
        "host = json.load(open('/opt/ml/input/config/resourceconfig.json'))\n"
        "def find(name):\n"
        "    for _ in range(300):\n"
        "        try: return socket.gethostbyname(name)\n"
        "        except OSError: time.sleep(0.1)\n"
        "print(os.uname().nodename == host['current_host'], all(find(one) for one in host['hosts']))\n"
        "pathlib.Path('/opt/ml/input/data/file/a.csv').write_text('changed')\n"
        "try: pathlib.Path('/opt/ml/input/data/fast/a.csv').write_text('changed')\n"
        "except OSError as error: print(error.strerror, open('/opt/ml/input/data/fast/a.csv').read())\n"
        "pathlib.Path('/opt/ml/model', host['current_host']).touch()\n"
        "time.sleep(1)\n",
    )
    found = jobs.train(
        "",
        AlgorithmSpecification={
            "TrainingImage": image_name,
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
        },
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        InputDataConfig=[
            channel("file", "data/"),
            channel("fast", "data/", InputMode="FastFile"),
            channel("code", "code/"),
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", (found, jobs.lines())
    expected = ["True True", "Read-only file system 1"]
    assert jobs.lines() == {"algo-1": expected, "algo-2": expected}
    assert (jobs.bucket / "data/a.csv").read_text() == "1"


def test_an_image_that_is_not_there(jobs: JobPlatform) -> None:
    """The reason names it, and those that there are."""
    found = jobs.train("", AlgorithmSpecification={"TrainingImage": "no/such:tag"})
    assert found["FailureReason"].startswith(
        "ClientError: no image 'no/such:tag' on this machine; there are: "
    )


def test_a_program_that_fails(jobs: JobPlatform, image_name: str) -> None:
    """The reason is the failure file of the container."""
    program = "import sys; open('/opt/ml/output/failure', 'w').write('no rows'); sys.exit(3)"
    found = jobs.train(program, AlgorithmSpecification={"TrainingImage": image_name})
    assert found["FailureReason"] == "AlgorithmError: no rows, exit code: 3"


def test_processing(jobs: JobPlatform, image_name: str) -> None:
    """A container's output is stored, and its message is the job's."""
    output = {"S3Uri": "s3://bucket/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    found = jobs.process(
        "open('/opt/ml/processing/out/a', 'w').write('1'); open('/opt/ml/output/message', 'w').write('done')",
        AppSpecification={"ImageUri": image_name},
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": output}]},
    )
    assert (found["ProcessingJobStatus"], found.get("ExitMessage")) == ("Completed", "done")
    assert (jobs.bucket / "out/a").read_text() == "1"


def test_a_batch_through_a_pipeline(jobs: JobPlatform, image: Image) -> None:
    """Each record goes through a container of each step, in order."""
    make_model(jobs, image("serve", "base"))
    check_pipeline(jobs)


@pytest.mark.skipif(gpu_count() > 0, reason="a machine with GPUs starts the container")
def test_a_container_with_a_gpu(tmp_path: Path, image_name: str) -> None:
    """The engine is asked for the device; one that cannot give it is quoted."""
    resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    with closing(JobPlatform(tmp_path / "home", engine="docker", MLBERTH_GPUS="1")) as jobs:
        found = jobs.train("", AlgorithmSpecification={"TrainingImage": image_name}, ResourceConfig=resources)
        assert "could not select device driver" in found["FailureReason"]


@pytest.mark.skipif(not is_long(), reason="MLBERTH_LONG=1: the SDK takes a while")
def test_sdk_v2(tmp_path: Path, image: Image) -> None:
    """The unmodified SDK, with a framework's one name for what trains and what serves: all jobs complete."""
    daemon = Daemon(tmp_path)
    train, serve = image("train", "sklearn"), image("serve", "sklearn")
    ours = train.replace("train", "{role}")
    assert ours.format(role="serve") == serve
    daemon.home.mkdir()
    (daemon.home / FILE).write_text(json.dumps({"*/sagemaker-scikit-learn:*": ours}))
    stock = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    started = daemon.up("docker")
    assert started.returncode == 0, started.stderr
    try:
        found, shown = run("jobs_v2.py", SDK_V2, daemon, str(tmp_path), stock, stock)
    finally:
        daemon.run("down")
    assert found["status"] == "Completed"
    assert (found["processed"], found["transformed"]) == ("total=6", "1,4\n2,8\n3,12\n")
    assert shown.count("loss=0.25") == 1


# While the container is not made yet, while it runs, and after it has ended.
@pytest.mark.parametrize("commit", [3, 4, 5])
def test_a_killed_daemon(tmp_path: Path, image_name: str, commit: int) -> None:
    """The next one finds the container again: the job ends as it would have, with each line once."""
    assert run_daemon(tmp_path, "docker", json.dumps(request(image_name)), commit=commit, moment="after")
    check_end(tmp_path, "docker")


@pytest.mark.skipif(not is_long(), reason="MLBERTH_LONG=1: takes a minute")
@pytest.mark.parametrize("run_example", [by_aws, by_notebook])
def test_the_example(
    tmp_path: Path, image: Image, run_example: Callable[[Daemon, tuple[str, str]], None]
) -> None:
    """Process, train on two hosts and transform with a join, in containers."""
    daemon = Daemon(tmp_path)
    started = daemon.up("docker")
    assert started.returncode == 0, started.stderr
    try:
        run_example(daemon, (image("train", "xgboost"), image("serve", "xgboost")))
    finally:
        daemon.run("down")

"""Processing jobs, with real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform
from tests.support import wait_until

from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import processing_jobs


def given(name: str, key: str, **members: Any) -> dict[str, Any]:
    """Return an input below /opt/ml/processing."""
    source = {
        "S3Uri": f"s3://{BUCKET}/{key}",
        "LocalPath": f"/opt/ml/processing/{name}",
        "S3DataType": "S3Prefix",
    }
    return {"InputName": name, "S3Input": {**source, "S3InputMode": "File", **members}}


def result(name: str, mode: str = "EndOfJob") -> dict[str, Any]:
    """Return an output below /opt/ml/processing."""
    output = {
        "S3Uri": f"s3://{BUCKET}/{name}",
        "LocalPath": f"/opt/ml/processing/{name}",
        "S3UploadMode": mode,
    }
    return {"OutputName": name, "S3Output": output}


def test_inputs_and_outputs(jobs: JobPlatform) -> None:
    """Inputs are in their folders, outputs are stored, links are not; the message is the job's last word."""
    jobs.put("in/a.csv", "1")
    jobs.put(
        "code/run.py",
        (
            "import json, os, pathlib, sys\n"
            "print(sys.argv[1:], os.environ['COLOUR'], open('/opt/ml/processing/data/a.csv').read())\n"
            "config = json.load(open('/opt/ml/config/processingjobconfig.json'))\n"
            "print(config['ProcessingJobName'], json.load(open('/opt/ml/config/resourceconfig.json')))\n"
            "out = pathlib.Path('/opt/ml/processing/out')\n"
            "(out / 'deep').mkdir(); (out / 'deep/b.csv').write_text('2')\n"
            "(out / 'link').symlink_to('/etc/passwd')\n"
            "pathlib.Path('/opt/ml/output/message').write_text('é' * 600)\n"
        ),
    )
    found = jobs.process(
        "",
        AppSpecification={
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/run.py"],
            "ContainerArguments": ["--level", "5"],
        },
        ProcessingInputs=[given("data", "in/a.csv"), given("code", "code/run.py")],
        ProcessingOutputConfig={"Outputs": [result("out")]},
        Environment={"COLOUR": "blue"},
    )
    assert found["ProcessingJobStatus"] == "Completed", (found, jobs.lines(group="ProcessingJobs"))
    assert jobs.lines(group="ProcessingJobs")["algo-1"] == [
        "['--level', '5'] blue 1",
        "job {'current_host': 'algo-1', 'hosts': ['algo-1']}",
    ]
    assert (jobs.bucket / "out/deep/b.csv").read_text() == "2"
    assert not (jobs.bucket / "out/link").exists()
    assert found["ExitMessage"] == "é" * 512
    assert found["ProcessingStartTime"] <= found["ProcessingEndTime"]


def test_inputs_are_overlays_where_nothing_else_is(jobs: JobPlatform, tmp_path: Path) -> None:
    """An output in the folder of an input, or two inputs in one another, are all there: those are copied."""
    for key in ("alone/a", "outer/a", "outer/deep/a", "inner/b"):
        jobs.put(key, key)
    jobs.process(
        "import pathlib\n"
        "mounted = {line.split()[1] for line in open('/proc/self/mounts') if line.startswith('overlay ')}\n"
        "top = pathlib.Path('/opt/ml/processing')\n"
        "print([str(top / name) in mounted for name in ('alone', 'outer', 'outer/inner', 'both')])\n"
        "print(sorted(str(path.relative_to(top)) for path in (top / 'outer').rglob('*') if path.is_file()))\n"
        "(top / 'both/a').write_text('changed')\n"
        "(top / 'alone/a').write_text('changed')\n",
        ProcessingInputs=[
            given("alone", "alone/"),
            given("outer", "outer/"),
            given("outer/inner", "inner/"),
            given("both", "alone/"),
        ],
        ProcessingOutputConfig={"Outputs": [result("both")]},
    )
    is_mounted = jobs.jobs.context.engine.has_overlays(tmp_path)
    assert jobs.lines(group="ProcessingJobs")["algo-1"] == [
        str([is_mounted, False, False, False]),
        str(["outer/a", "outer/deep/a", "outer/inner/b"]),
    ]
    assert (jobs.bucket / "both/a").read_text() == "changed"
    assert (jobs.bucket / "alone/a").read_text() == "alone/a"


def test_inputs_of_one_folder(jobs: JobPlatform) -> None:
    """Two inputs may come to the same place: it has the files of both."""
    jobs.put("one/a", "1")
    jobs.put("two/b", "2")
    jobs.process(
        "import os; print(sorted(os.listdir('/opt/ml/processing/data')))",
        ProcessingInputs=[
            given("first", "one/", LocalPath="/opt/ml/processing/data"),
            given("second", "two/", LocalPath="/opt/ml/processing/data"),
        ],
    )
    assert jobs.lines(group="ProcessingJobs")["algo-1"] == ["['a', 'b']"]


def test_shares_of_several_hosts(jobs: JobPlatform) -> None:
    """Each host has its share of a sharded input; outputs come together."""
    for number in range(3):
        jobs.put(f"in/{number}", "")
    jobs.process(
        "import json, os, pathlib\n"
        "host = json.load(open('/opt/ml/config/resourceconfig.json'))['current_host']\n"
        "found = str(sorted(os.listdir('/opt/ml/processing/data')))\n"
        "pathlib.Path('/opt/ml/processing/out', host).write_text(found)\n",
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
        ProcessingInputs=[given("data", "in/", S3DataDistributionType="ShardedByS3Key")],
        ProcessingOutputConfig={"Outputs": [result("out")]},
    )
    found = {path.name: path.read_text() for path in (jobs.bucket / "out").iterdir()}
    assert found == {"algo-1": "['0', '2']", "algo-2": "['1']"}


def test_continuous_outputs(jobs: JobPlatform) -> None:
    """They are stored while the program runs, and stay if it removes them."""
    jobs.process(
        "import pathlib, time\n"
        "out = pathlib.Path('/opt/ml/processing/out'); (out / 'early').write_text('1')\n"
        "while not (out / 'go').exists(): time.sleep(0.01)\n"
        "(out / 'early').unlink(); (out / 'late').write_text('2')\n",
        ProcessingOutputConfig={"Outputs": [result("out", "Continuous")]},
        wait=False,
    )
    wait_until((jobs.bucket / "out/early").exists)
    (jobs.home / "runs/processing-job.job.1/algo-1/processing/out/go").touch()
    assert jobs.jobs.join(30)
    assert sorted(path.name for path in (jobs.bucket / "out").iterdir()) == ["early", "go", "late"]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import sys; open('/opt/ml/output/message', 'w').write('bad rows'); sys.exit(4)", "bad rows"),
        ("print('last line'); raise SystemExit(4)", "last line"),
    ],
)
def test_failures(jobs: JobPlatform, program: str, expected: str) -> None:
    """The reason is the message, or the last lines; outputs of a failed job are not stored."""
    found = jobs.process(program, ProcessingOutputConfig={"Outputs": [result("out")]})
    assert found["ProcessingJobStatus"] == "Failed"
    assert found["FailureReason"] == f"AlgorithmError: {expected}, exit code: 4"
    assert not (jobs.bucket / "out").exists()


def test_a_message_that_is_no_text(jobs: JobPlatform) -> None:
    """The job fails."""
    found = jobs.process("open('/opt/ml/output/message', 'wb').write(b'\\xff\\xfe')")
    assert found["ProcessingJobStatus"] == "Failed"
    assert "not UTF-8" in found["FailureReason"]


def test_stop_and_time_limit(jobs: JobPlatform) -> None:
    """Both end as Stopped."""
    jobs.process("import time; print('ready', flush=True); time.sleep(60)", wait=False)
    wait_until(lambda: jobs.lines(group="ProcessingJobs"))
    processing_jobs.stop_processing_job(jobs.platform, {"ProcessingJobName": "job"})
    assert jobs.jobs.join(30)
    assert jobs.describe_processing()["ProcessingJobStatus"] == "Stopped"
    late = jobs.process("import time; time.sleep(60)", "late", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert late["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeInSeconds" in late["ExitMessage"]


def test_the_process_command(jobs: JobPlatform) -> None:
    """Without an entry point our own `process` runs the program that the variable names."""
    jobs.put("code/run.py", "print('from process')")
    found = jobs.process(
        "",
        AppSpecification={"ContainerEntrypoint": None},
        ProcessingInputs=[given("input/code", "code/")],
        Environment={"SAGEMAKER_PROGRAM": "run.py"},
    )
    assert found["ProcessingJobStatus"] == "Completed", (found, jobs.lines(group="ProcessingJobs"))
    assert "from process" in jobs.lines(group="ProcessingJobs")["algo-1"]


def test_faulty_requests(jobs: JobPlatform) -> None:
    """All faults are named at once, and nothing starts."""
    bad = {"OutputName": "o", "S3Output": {"S3Uri": "x", "LocalPath": "/etc", "S3UploadMode": "EndOfJob"}}
    with pytest.raises(ServiceError, match=r"LocalPath: '/tmp/x' must be below /opt/ml/processing.*'/etc'"):
        jobs.process(
            "",
            ProcessingInputs=[given("a", "in/", LocalPath="/tmp/x")],
            ProcessingOutputConfig={"Outputs": [bad]},
        )
    for lacking in ({"S3Output": {"S3Uri": "s3://b/k", "S3UploadMode": "EndOfJob"}}, {}):
        with pytest.raises(ServiceError, match=r"Outputs\.o: S3Output with LocalPath is required"):
            jobs.process("", ProcessingOutputConfig={"Outputs": [{"OutputName": "o", **lacking}]})
    listed = processing_jobs.list_processing_jobs(jobs.platform, {})
    assert json.dumps(listed) == '{"ProcessingJobSummaries": []}'


@pytest.mark.parametrize("name", ["/etc", "../x", "a/../../../x", "", "a//b", "./a", "x" * 256])
def test_folders_that_lead_elsewhere(jobs: JobPlatform, name: str) -> None:
    """Inputs and outputs stay below /opt/ml/processing, as what is there is a folder of this machine."""
    path = f"/opt/ml/processing/{name}"
    output = {"S3Uri": f"s3://{BUCKET}/out", "LocalPath": path, "S3UploadMode": "EndOfJob"}
    with pytest.raises(ServiceError, match=r"S3Input.LocalPath.*must be below.*S3Output.LocalPath.*must be"):
        jobs.process(
            "",
            ProcessingInputs=[given("a", "in/", LocalPath=path)],
            ProcessingOutputConfig={"Outputs": [{"OutputName": "o", "S3Output": output}]},
        )

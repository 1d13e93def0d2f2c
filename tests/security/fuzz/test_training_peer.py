"""Variables and arguments of jobs made by chance, beside what the real sagemaker-training makes of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.installation import requirements
from tests.conftest import WriteConfig
from tests.peers import FOLDER, python_with
from tests.security.fuzz.fuzzing import LONG, Fuzzer

from mlberth.contract.arguments import to_argparse
from mlberth.contract.environment import Environment
from mlberth.contract.sm_variables import sm_variables

PEER = requirements("sagemaker_training").read_text().strip()
PROGRAM = Path(__file__).with_name("peer_environment.py")
JOB_NAME = {"TRAINING_JOB_NAME": "job-env"}
"""sagemaker-training looks nowhere else; we also look into the hyperparameters."""
NAMES = ["lr", "LR", "epochs", "batch-size", "batch_size", "C", "a.b", "model_dir", "layers", "é", "x" * 40]
TEXTS = [
    "0.1", "1", "-3", "1e-3", "007", "true", "True", "null", "None", "NaN", '"a b"', "a b", "", " ", "[1, 2]",
    "[]", "{}", '{"b": 1, "a": "x y"}', '[{"a": [null, true]}]', "s3://bucket/key", "é", '"\\u00e9"', "a=b,c",
    "--x", "{'a': 1}", "1_000", "12345678901234567890123", "0.30000000000000004", "1e400", "'", "\\",
    "a\tb\nc",
]  # fmt: skip
OWN = {
    "sagemaker_program": ["train.py", "code/train.py", "run.sh", "pkg"],
    "sagemaker_submit_directory": ["s3://b/code.tar.gz", "/opt/ml/code"],
    "sagemaker_container_log_level": ["10", "20", "40"],
    "sagemaker_job_name": ["job-1", '"job-2"'],
    "sagemaker_region": ["eu-west-1", '"us-east-1"'],
    "sagemaker_s3_output": ["s3://b/out"],
    "sagemaker_distribution_instance_groups": ['["a"]', '["a", "b"]'],
    "sagemaker_parameter_server_enabled": ["true", "false"],
    "sagemaker_mpi_enabled": ["false"],
    "sagemaker_estimator_class_name": ['"PyTorch"'],
}
CHANNELS = ["training", "validation", "my-chan", "Test_1", "model", "code"]
MODES = ["File", "Pipe", "FastFile"]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start sagemaker-training on the tree at `ml`; it answers one line for each."""
    if not (LONG or os.environ.get("MLBERTH_REQUIRE_DOCKER") or (FOLDER / PEER.replace("==", "-")).exists()):
        pytest.skip(f"{PEER} is installed by `make fuzz` and where everything is checked")
    base = tmp_path / "ml"
    base.mkdir()
    environ = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environ |= {
        "SAGEMAKER_BASE_DIR": str(base),
        **JOB_NAME,
        "HOME": str(tmp_path),
        "PYTHONWARNINGS": "ignore",
    }
    process = subprocess.Popen(
        [python_with(PEER), PROGRAM],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield process
        process.kill()


def make_job(chance: random.Random) -> dict[str, Any]:
    """Return the configuration of a job with which nothing is wrong."""
    hyperparameters = {
        name: chance.choice(TEXTS) for name in chance.sample(NAMES, chance.randint(0, len(NAMES)))
    }
    for name, texts in OWN.items():
        if name == "sagemaker_program" or chance.random() < 0.3:
            hyperparameters[name] = chance.choice(texts)
    hosts = [f"algo-{number + 1}" for number in range(chance.choice([1, 1, 2, 12]))]
    resources: dict[str, Any] = {"current_host": chance.choice(hosts), "hosts": hosts}
    if chance.random() < 0.5:
        resources["network_interface_name"] = chance.choice(["eth0", "ethwe"])
    if chance.random() < 0.5:
        cut = chance.randint(0, len(hosts) - 1)
        groups = {"a": hosts[cut:]} | ({"b": hosts[:cut]} if cut else {})
        resources["current_group_name"] = next(
            name for name, of in groups.items() if resources["current_host"] in of
        )
        resources["current_instance_type"] = chance.choice(["ml.c5.xlarge", "local"])
        resources["instance_groups"] = [
            {"instance_group_name": name, "instance_type": "ml.c5.xlarge", "hosts": of}
            for name, of in groups.items()
        ]
    channels = chance.sample(CHANNELS, chance.randint(0, 4))
    data = {name: {"TrainingInputMode": chance.choice(MODES), "ContentType": "text/csv"} for name in channels}
    return {"hyperparameters": hyperparameters, "resourceconfig": resources, "inputdataconfig": data}


def with_all_hosts(variables: dict[str, str], job: dict[str, Any]) -> dict[str, str]:
    """Return the peer's variables with the one difference that is meant.

    Without instance groups all hosts are the group; the peer says that it has none.
    """
    if "instance_groups" in job["resourceconfig"]:
        return variables
    hosts = json.dumps(job["resourceconfig"]["hosts"], separators=(",", ":"))
    name = '"current_instance_group_hosts":'
    training_env = variables["SM_TRAINING_ENV"].replace(f"{name}[]", name + hosts)
    return variables | {"SM_CURRENT_INSTANCE_GROUP_HOSTS": hosts, "SM_TRAINING_ENV": training_env}


def test_jobs_are_told_as_sagemaker_training_tells_them(
    peer: subprocess.Popen[str], write_config: WriteConfig
) -> None:
    """Every variable that it exports, but for one, and every argument, byte for byte."""
    assert peer.stdin is not None
    assert peer.stdout is not None
    layout = write_config()
    for name in CHANNELS:
        layout.channel(name).mkdir()
    fuzzer = Fuzzer("training peer", short=200, long=20_000)
    count = 0
    for number in fuzzer.numbers():
        job = make_job(fuzzer.chance(number))
        write_config(**job)
        peer.stdin.write("\n")
        peer.stdin.flush()
        theirs = json.loads(peer.stdout.readline())
        environment = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(layout.base), **JOB_NAME})
        ours = sm_variables(environment)
        differing: dict[str, Any] = {
            name: (ours.get(name), value)
            for name, value in with_all_hosts(theirs["variables"], job).items()
            if ours.get(name) != value
        }
        arguments = to_argparse(environment.hyperparameters)
        if arguments != theirs["arguments"]:
            differing["arguments"] = (arguments, theirs["arguments"])
        if differing:
            fuzzer.fail(number, f"ours and theirs: {differing}", json.dumps(job).encode())
        count += 1
    fuzzer.report(inputs=count, faults=len(fuzzer.failures))
    assert fuzzer.failures == []
    assert count

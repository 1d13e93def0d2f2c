"""The SM_* variables and the arguments, against what the incumbent toolkit really exports."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteConfig

from mlberth.contract.arguments import to_argparse
from mlberth.contract.environment import Environment
from mlberth.contract.sm_variables import sm_variables
from mlberth.errors import ContractError
from mlberth_train.launch.child_environment import child_environ

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def golden_job(tmp_path: Path) -> Environment:
    """Read the job whose exports sagemaker-training 5.1.4 has written down."""
    shutil.copytree(GOLDEN / "config", tmp_path / "input/config")
    for channel in ("training", "my-chan"):
        (tmp_path / "input/data" / channel).mkdir(parents=True)
    job = Environment.from_environ(
        {
            "SAGEMAKER_BASE_DIR": str(tmp_path),
            "TRAINING_JOB_NAME": "job-env",
            "SAGEMAKER_TRAINING_MODULE": "pkg.mod:fn",
        }
    )
    return job._replace(num_cpus=2, num_gpus=0, num_neurons=0)


def expected() -> dict[str, Any]:
    """Return what the incumbent exports and passes."""
    content: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
    return content


def test_every_variable_of_the_incumbent_is_exported_exactly(golden_job: Environment) -> None:
    """Names and values are byte for byte those of sagemaker-training."""
    base = str(golden_job.layout.base)
    ours = {name: value.replace(base, "BASE") for name, value in sm_variables(golden_job).items()}
    theirs = expected()["variables"]
    assert {name: ours.get(name) for name in theirs} == theirs


def test_arguments_are_those_of_the_incumbent(golden_job: Environment) -> None:
    """The argument list is that of sagemaker-training."""
    assert to_argparse(golden_job.hyperparameters) == expected()["arguments"]


def test_every_name_has_an_alias_that_a_shell_can_read(golden_job: Environment) -> None:
    """A shell that is given the variables can read each of them under a safe name."""
    script = 'printf "%s|%s|%s" "$SM_HP_LEARNING_RATE" "$SM_CHANNEL_MY_CHAN" "$SM_HP_OPTS"'
    environ = child_environ({"PATH": "/usr/bin:/bin"}, golden_job)
    shown = subprocess.run(
        ["sh", "-c", script], env=environ, capture_output=True, text=True, check=True
    ).stdout
    assert shown == f'0.1|{golden_job.layout.channel("my-chan")}|{{"a":"x y","b":1}}'


def test_names_that_the_incumbent_lacks(golden_job: Environment) -> None:
    """Job name, checkpoint folder, leader and rank are there too."""
    ours = sm_variables(golden_job)
    names = ("JOB_NAME", "CHECKPOINT_DIR", "MASTER_ADDR", "MASTER_PORT", "HOST_COUNT", "CURRENT_HOST_RANK")
    values = [ours[f"SM_{name}"] for name in names]
    assert values == ["job-env", str(golden_job.layout.checkpoints), "algo-1", "7777", "3", "1"]


def test_hyperparameter_names_cannot_take_over_other_variables(write_config: WriteConfig) -> None:
    """Whatever a hyperparameter is called, it only ever sets SM_HP_ names."""
    names = [
        "PATH",
        "LD_PRELOAD",
        "",
        "a b",
        "$(id)",
        "x=y",
        "--help",
        "__class__",
        "SM_HOSTS",
        "é",
        ";rm -rf",
    ]
    layout = write_config(hyperparameters=dict.fromkeys(names, "1"))
    job = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(layout.base)})
    plain = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(write_config(hyperparameters={}).base)})
    added = set(sm_variables(job)) - set(sm_variables(plain))
    assert added
    assert all(name.startswith("SM_HP_") and "=" not in name for name in added)
    subprocess.run(["true"], env=child_environ({"PATH": "/usr/bin:/bin"}, job), check=True)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
def test_value_that_no_variable_can_hold_is_a_contract_error(write_config: WriteConfig, value: str) -> None:
    """It is named, and no crash."""
    layout = write_config(hyperparameters={"text": value})
    job = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(layout.base)})
    with pytest.raises(ContractError, match="SM_HP_TEXT"):
        child_environ({}, job)


def test_childs_environment_keeps_what_the_user_set(golden_job: Environment) -> None:
    """PYTHONPATH gets the code folder in front; buffering and fault handler stay as set."""
    environ = child_environ({"PYTHONPATH": "/a", "PYTHONUNBUFFERED": "0", "X": "y"}, golden_job)
    assert environ["PYTHONPATH"].split(":")[:2] == [str(golden_job.layout.code), "/a"]
    assert (environ["PYTHONUNBUFFERED"], environ["PYTHONFAULTHANDLER"], environ["X"]) == ("0", "1", "y")


def test_region_and_name_of_the_job_are_passed_on(golden_job: Environment) -> None:
    """What the job says of both reaches the program, and what the user has set stays."""

    def exported(platform: dict[str, Any], **environ: str) -> tuple[str | None, str | None]:
        job = golden_job._replace(parameters=golden_job.parameters._replace(platform=platform))
        found = child_environ(environ, job)
        return found.get("SAGEMAKER_REGION"), found.get("SAGEMAKER_JOB_NAME")

    asked = {"sagemaker_region": "eu-west-3"}
    assert exported(asked, AWS_REGION="eu-west-1") == ("eu-west-3", "job-env")
    assert exported({}, AWS_REGION="eu-west-1") == ("eu-west-1", "job-env")
    assert exported(asked, SAGEMAKER_REGION="mine", SAGEMAKER_JOB_NAME="too") == ("mine", "too")
    assert exported({}) == (None, "job-env")


def test_files_that_images_of_frameworks_name(golden_job: Environment) -> None:
    """Programs of the scikit-learn and XGBoost images find the configuration where those say it is."""
    variables, config = sm_variables(golden_job), golden_job.layout.config
    assert variables["SM_INPUT"] == variables["SM_INPUT_DIR"]
    assert variables["SM_INPUT_TRAINING_CONFIG_FILE"] == str(config / "hyperparameters.json")
    assert variables["SM_INPUT_DATA_CONFIG_FILE"] == str(config / "inputdataconfig.json")
    assert variables["SM_CHECKPOINT_CONFIG_FILE"] == str(config / "checkpointconfig.json")

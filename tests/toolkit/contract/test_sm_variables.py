"""The SM_* variables and the arguments, against what sagemaker-training really exports."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.conftest import GOLDEN, WriteConfig

from mlberth.contract.arguments import to_argparse
from mlberth.contract.environment import Environment
from mlberth.contract.sm_variables import sm_variables
from mlberth_train.launch.child_environment import child_environ


def expected() -> dict[str, Any]:
    """Return what sagemaker-training exports and passes."""
    content: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
    return content


def test_every_variable_of_sagemaker_training_is_exported_exactly(golden_job: Environment) -> None:
    """Names and values are byte for byte those of sagemaker-training."""
    base = str(golden_job.layout.base)
    ours = {name: value.replace(base, "BASE") for name, value in sm_variables(golden_job).items()}
    theirs = expected()["variables"]
    assert {name: ours.get(name) for name in theirs} == theirs


def test_arguments_are_those_of_sagemaker_training(golden_job: Environment) -> None:
    """The argument list is that of sagemaker-training."""
    assert to_argparse(golden_job.hyperparameters) == expected()["arguments"]


def test_names_that_sagemaker_training_lacks(golden_job: Environment) -> None:
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


def test_files_that_images_of_frameworks_name(golden_job: Environment) -> None:
    """Programs of the scikit-learn and XGBoost images find the configuration where those say it is."""
    variables, config = sm_variables(golden_job), golden_job.layout.config
    assert variables["SM_INPUT"] == variables["SM_INPUT_DIR"]
    assert variables["SM_INPUT_TRAINING_CONFIG_FILE"] == str(config / "hyperparameters.json")
    assert variables["SM_INPUT_DATA_CONFIG_FILE"] == str(config / "inputdataconfig.json")
    assert variables["SM_CHECKPOINT_CONFIG_FILE"] == str(config / "checkpointconfig.json")

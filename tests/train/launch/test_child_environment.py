"""The environment of the user's program: what it gets, what it keeps, what no program can hold."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteConfig

from mlberth.contract.environment import Environment
from mlberth.errors import ContractError
from mlberth_train.launch.child_environment import child_environ, program_environ, too_large


def test_every_name_has_an_alias_that_a_shell_can_read(golden_job: Environment) -> None:
    """A shell that is given the variables can read each of them under a safe name."""
    script = 'printf "%s|%s|%s" "$SM_HP_LEARNING_RATE" "$SM_CHANNEL_MY_CHAN" "$SM_HP_OPTS"'
    environ = child_environ({"PATH": "/usr/bin:/bin"}, golden_job)
    shown = subprocess.run(
        ["sh", "-c", script], env=environ, capture_output=True, text=True, check=True
    ).stdout
    assert shown == f'0.1|{golden_job.layout.channel("my-chan")}|{{"a":"x y","b":1}}'


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


def test_code_comes_first_and_bundled_packages_last(tmp_path: Path) -> None:
    """What the image has on PYTHONPATH is found before our packages for programs of other containers."""
    environ = program_environ({"PYTHONPATH": "/image", "X": "y"}, tmp_path)
    code, image, *bundled = environ["PYTHONPATH"].split(":")
    assert (code, image, environ["X"]) == (str(tmp_path), "/image", "y")
    assert all("/mlberth/compat/" in path for path in bundled)
    assert "" not in program_environ({"PYTHONPATH": ""}, tmp_path)["PYTHONPATH"].split(":")


@pytest.mark.parametrize(("character", "size"), [("x", 1), ("é", 2), ("😀", 4)])
def test_variables_beyond_the_systems_limit_are_named(character: str, size: int) -> None:
    """The kernel counts bytes with the name and the end, so a program gets all that are not named."""
    room = 32 * os.sysconf("SC_PAGE_SIZE") - len("V=") - 1
    fits, over = character * (room // size), character * (room // size + 1)
    assert too_large({"V": fits, "W": "short"}) == []
    assert too_large({"V": over, "W": "short"}) == ["V"]
    subprocess.run(["true"], env={"V": fits}, check=True)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["true"], env={"V": over}, check=True)

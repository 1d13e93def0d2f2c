"""Doubts: what `train`, `process` and `mlberth validate` say of a job that runs all the same."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.train.running import BIN, Tree
from tests.train.running import ended as ended_of

SAVES = "import os\nopen(os.environ['SM_MODEL_DIR'] + '/m', 'w')\n"


def warnings(text: str) -> list[str]:
    """Return the warnings of a log, without their times."""
    return [line.partition(": ")[2] for line in text.splitlines() if " WARNING " in line]


def test_a_job_without_a_folder_of_configuration_has_no_doubts(tree: Tree) -> None:
    """Whoever runs a program on a laptop has left nothing out."""
    tree.code(train__py=SAVES)
    assert not tree.layout.config.exists()
    assert warnings(tree.train().err) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"hyperparameters": {}},
            (
                "{config} has no resourceconfig.json and no inputdataconfig.json: this machine is the job's "
                "only host, and each folder of input/data is a channel"
            ),
        ),
        (
            {"resourceconfig": {"current_host": "a", "hosts": ["a"]}},
            "{config} has no inputdataconfig.json: each folder of input/data is a channel",
        ),
        ({"inputdataconfig": {}}, "{config} has no resourceconfig.json: this machine is the job's only host"),
    ],
)
def test_a_default_that_stands_for_a_file_is_told(
    tree: Tree, files: dict[str, dict[str, object]], expected: str
) -> None:
    """A job that somebody has configured, but for a file, may be another job than was meant."""
    tree.code(train__py=SAVES).config(**files)
    expected = expected.format(config=tree.layout.config)
    assert warnings(tree.train().err) == [expected]
    validated = subprocess.run(
        [BIN / "mlberth", "validate", tree.layout.base], capture_output=True, text=True, check=False
    )
    assert (validated.returncode, validated.stderr) == (0, f"warning: {expected}\n")


def test_misnamed_file_and_variable_are_told(tree: Tree) -> None:
    """By `train` in its log, and by `mlberth validate`, which finds no fault all the same."""
    tree.code(train__py=SAVES)
    tree.config(inputdataconfig={}, resourceconfig={"current_host": "a", "hosts": ["a"]})
    wrong = tree.layout.config / "hyperparameter.json"
    wrong.write_text(json.dumps({"epochs": "3"}))
    expected = [
        "SAGEMAKER_SUBMIT_DIR is set, and nothing reads it: did you mean SAGEMAKER_SUBMIT_DIRECTORY?",
        f"{wrong} is not read: did you mean {tree.layout.hyperparameters}?",
    ]
    ended = tree.train(SAGEMAKER_SUBMIT_DIR="/x")
    assert (ended.code, warnings(ended.err)) == (0, expected)
    validated = ended_of(tree.start([BIN / "mlberth", "validate"], SAGEMAKER_SUBMIT_DIR="/x"))
    assert (validated.code, validated.err.splitlines()) == (0, [f"warning: {line}" for line in expected])


@pytest.mark.parametrize("program", ["", "import os\nos.makedirs(os.environ['SM_MODEL_DIR'] + '/a/b')\n"])
def test_an_empty_model_folder_after_a_success_is_told(tree: Tree, program: str) -> None:
    """Nothing else shows that the model went to another folder; folders alone are nothing."""
    ended = tree.code(train__py=program).train()
    (warning,) = warnings(ended.err)
    assert ended.code == 0
    assert warning.startswith(f"It left nothing in {tree.layout.model}: ")


def test_other_hosts_than_the_first_may_leave_nothing(tree: Tree) -> None:
    """The model of a job of several hosts is saved by one of them."""
    tree.code(train__py="").config(
        resourceconfig={"current_host": "localhost", "hosts": ["127.0.0.1", "localhost"]}, inputdataconfig={}
    )
    assert warnings(tree.train().err) == []


def test_the_groups_hosts_of_a_minimal_file_are_the_hosts(tree: Tree) -> None:
    """A resourceconfig.json without groups has one, of all hosts."""
    tree.code(train__py="import os\nprint(os.environ['SM_CURRENT_INSTANCE_GROUP_HOSTS'])\n")
    hosts = ["127.0.0.1", "localhost"]
    tree.config(resourceconfig={"current_host": "localhost", "hosts": hosts}, inputdataconfig={})
    assert json.loads(tree.train().out) == hosts

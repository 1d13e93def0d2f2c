"""What frameworks' own training modules call, in jobs of the real `train`."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.train.running import Tree

from mlberth.compat.training.functions import error_wrapper, matching_args
from mlberth.compat.training.mapping import split_by_criteria, to_cmd_args, to_env_vars
from mlberth.compat.training.timeout import TimeoutError as TooLongError
from mlberth.compat.training.timeout import timeout


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return an empty tree of a job."""
    return Tree(tmp_path / "ml")


HOOK = "SAGEMAKER_TRAINING_MODULE"
RUN = """
from sagemaker_training import entry_point, environment, errors, mapping, runner
def main():
    env = environment.Environment()
    variables = {**env.to_env_vars(), "MINE": "1"}
    entry_point.run(env.module_dir, env.user_entry_point, env.to_cmd_args(), variables,
                    runner_type=runner.ProcessRunnerType, capture_error=True)
"""
OLD = """
import sagemaker_containers.beta.framework as framework
def main():
    hyperparameters = framework.env.read_hyperparameters()
    env = framework.training_env(hyperparameters=hyperparameters)
    framework.modules.run_module(env.module_dir, env.to_cmd_args(), env.to_env_vars(), env.module_name)
    framework.files.write_file(framework.env.model_dir + "/done", "yes")
"""
SHOW = "import os, sys; print('ran', sys.argv[1:], os.environ.get('MINE'))"


def test_entry_point_runs_the_program(tree: Tree) -> None:
    """The user's program gets the arguments and the variables that the hook names."""
    tree.code(hook__py=RUN, train__py=SHOW).config(hyperparameters={"epochs": "3"})
    ended = tree.train(**{HOOK: "hook:main", "SAGEMAKER_PROGRAM": "train.py"})
    assert (ended.code, ended.out) == (0, "ran ['--epochs', '3'] 1\n"), ended.err


def test_failing_program_is_told(tree: Tree) -> None:
    """The hook's error names the exit code and what the program said last."""
    tree.code(hook__py=RUN, train__py="import sys; sys.exit('no data')")
    ended = tree.train(**{HOOK: "hook:main", "SAGEMAKER_PROGRAM": "train.py"})
    assert ended.code == 1
    assert "ExecuteUserScriptError" in tree.failure
    assert "ExitCode 1" in ended.err
    assert "no data" in ended.err


def test_shell_program_runs(tree: Tree) -> None:
    """A program without the right to execute is run by the shell."""
    tree.code(hook__py=RUN, run__sh="echo shell $1 $MINE").config(hyperparameters={"epochs": "3"})
    ended = tree.train(**{HOOK: "hook:main", "SAGEMAKER_PROGRAM": "run.sh"})
    assert (ended.code, ended.out) == (0, "shell --epochs 1\n"), ended.err


def test_older_names_do_the_same(tree: Tree) -> None:
    """sagemaker-containers' `beta.framework` runs a module and knows the folders."""
    tree.code(hook__py=OLD, train__py=SHOW).config(hyperparameters={"epochs": "3"})
    ended = tree.train(**{HOOK: "hook:main", "SAGEMAKER_PROGRAM": "train.py"})
    assert (ended.code, ended.out) == (0, "ran ['--epochs', '3'] None\n"), ended.err
    assert (tree.layout.model / "done").read_text() == "yes"


def test_maps_become_variables_and_arguments() -> None:
    """As the toolkit has it: JSON without spaces, one flag and one value for each name."""
    values = {"b": [1, "a"], "a": None, "k": b"x", "flag": True}
    variables = {"SM_B": '[1,"a"]', "SM_A": "", "SM_K": "x", "SM_FLAG": "true"}
    assert to_env_vars(values) == variables
    assert to_cmd_args(values) == ["-a", "", "-b", "[1, 'a']", "--flag", "True", "-k", "x"]
    assert split_by_criteria({"a": 1, "p_b": 2, "c": 3}, ["a"], "p_") == ({"a": 1, "p_b": 2}, {"c": 3})


def test_functions_get_what_they_take() -> None:
    """Only matching arguments, unless a function takes all; errors are wrapped with their cause."""
    values = {"a": 1, "b": 2}
    assert matching_args(lambda a: a, values) == {"a": 1}
    assert matching_args(lambda **rest: rest, values) == values
    with pytest.raises(RuntimeError) as raised:
        error_wrapper(lambda: 1 / 0, RuntimeError)()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_timeout_ends_a_block_and_leaves_no_alarm() -> None:
    """SIGALRM is as it was before, whether the block was in time or not."""
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TooLongError), timeout(seconds=0.05):
        time.sleep(30)
    with timeout(minutes=1):
        pass
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

"""SAGEMAKER_BASE_DIR where it is not an absolute path: the program runs in another folder than we."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.serve.running import Server
from tests.train.running import BIN, Tree, ended

from mlberth.contract.layout import Layout
from mlberth.errors import ContractError

PROGRAM = """
import os, pathlib, mlberth
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
assert str(mlberth.environment().model_dir) == os.environ["SM_MODEL_DIR"], mlberth.environment().model_dir
print(os.environ["SAGEMAKER_BASE_DIR"])
"""
HANDLER = """
import os
os.chdir("/")
def model_fn(model_dir):
    return open(model_dir + "/model.txt").read() + os.environ["SAGEMAKER_BASE_DIR"]
def predict_fn(data, model):
    return [model]
"""


def spellings(base: Path) -> list[dict[str, str]]:
    """Return variables that name one folder, as people write them."""
    home = {"HOME": str(base.parent)}
    return [
        {"SAGEMAKER_BASE_DIR": os.path.relpath(base)},
        {"SAGEMAKER_BASE_DIR": f"./{os.path.relpath(base)}/"},
        {"SAGEMAKER_BASE_DIR": f"~/{base.name}", **home},
    ]


@pytest.mark.parametrize("number", range(3))
def test_training_leaves_its_model_in_the_tree(tree: Tree, number: int) -> None:
    """The model is where we look for it, and what the program is told is absolute."""
    tree.code(train__py=PROGRAM)
    run = tree.train(**spellings(tree.base)[number])
    assert run.code == 0, run.err
    assert (tree.layout.model / "model.txt").read_text() == "trained"
    assert run.out.strip() == str(tree.base)
    assert tree.layout.success.exists()
    assert not (tree.layout.code / os.path.relpath(tree.base)).exists()


def test_processing_runs_in_the_tree(tree: Tree) -> None:
    """`process` finds its program and reports in the same tree, and `validate` looks at it."""
    tree.layout.processing_code.mkdir(parents=True)
    (tree.layout.processing_code / "work.py").write_text("import os; print(os.environ['SAGEMAKER_BASE_DIR'])")
    for spelling in spellings(tree.base):
        assert tree.process("work.py", **spelling).out.strip() == str(tree.base)
    tree.code(train__py="")
    for spelling in spellings(tree.base):
        validated = ended(tree.start([BIN / "mlberth", "validate"], **spelling))
        assert validated.out.strip() == f"{tree.base}: no fault found"


def test_server_finds_its_model(tmp_path: Path) -> None:
    """A handler that goes to another folder still has the path of its model."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/model.txt").write_text("served ")
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)
    with Server(tmp_path, "mlberth_serve.wsgi:application", SAGEMAKER_BASE_DIR="ml") as server:
        server.wait_ready()
        answer = server.invoke("[1]", **{"Content-Type": "application/json"})
        assert answer.body == f'["served {tmp_path}/ml"]'.encode(), server.text
        assert server.stop() == 0


def test_base_that_there_is_not_ends_every_command(tree: Tree) -> None:
    """Each says so in one line, and has the exit code of a broken contract."""
    tree.code(train__py="")
    for argv in (["train"], ["train", "--explain"], ["process"], ["mlberth", "validate"], ["serve"]):
        run = ended(tree.start([BIN / argv[0], *argv[1:]], SAGEMAKER_BASE_DIR="~no-such-user/ml"))
        assert (run.code, len(run.err.splitlines())) == (78, 1), run.err
        assert "SAGEMAKER_BASE_DIR: found '~no-such-user/ml'" in run.err


def test_home_of_nobody_is_named() -> None:
    """A `~` is never taken for the name of a folder."""
    with pytest.raises(ContractError, match="SAGEMAKER_BASE_DIR: found '~no-such-user/ml'"):
        Layout.from_environ({"SAGEMAKER_BASE_DIR": "~no-such-user/ml"})
    assert Layout.from_environ({"SAGEMAKER_BASE_DIR": "~root/ml"}).base == Path("~root/ml").expanduser()
    assert Layout.from_environ({"SAGEMAKER_BASE_DIR": "~", "HOME": "/h"}).base == Path("/h")
    assert Layout.from_environ({}).base == Path("/opt/ml")

"""output/data/failure.json: what a program can read of a failure."""

from __future__ import annotations

import json
from typing import Any

from tests.train.running import Tree


def details(tree: Tree) -> dict[str, Any]:
    """Return the details of the failure."""
    found: dict[str, Any] = json.loads((tree.layout.output_data / "failure.json").read_text())
    return found


def test_exception_has_all_its_frames(tree: Tree) -> None:
    """Every frame, the whole message and the last lines of standard error are there."""
    tree.code(train__py="def f(x):\n    return json.loads(x)\nimport json\nf('{' + ' ' * 5000)")
    assert tree.train().code == 1
    found = details(tree)
    assert (found["version"], found["kind"], found["exit_code"], found["signal"]) == (1, "program", 1, None)
    assert found["message"].startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert [frame["function"] for frame in found["frames"]][:3] == ["<module>", "f", "loads"]
    assert (found["rank"], found["hosts"], found["oom_kills"], found["full_disks"]) == (0, 1, 0, [])
    assert found["command"][1:] == ["train.py"]
    assert "Traceback (most recent call last):" in found["stderr"]


def test_error_of_ours_has_its_faults(tree: Tree) -> None:
    """What the job got wrong is there field by field."""
    assert tree.code(train__py="").train(SAGEMAKER_STOP_GRACE_SECONDS="soon").code == 78
    found = details(tree)
    assert (found["kind"], found["rank"]) == ("ContractError", None)
    assert [fault["where"] for fault in found["faults"]] == ["SAGEMAKER_STOP_GRACE_SECONDS"]


def test_signal_is_named(tree: Tree) -> None:
    """A killed program has the signal's name."""
    assert tree.code(train__py="import os; os.kill(os.getpid(), 9)").train().code == 137
    assert (details(tree)["signal"], details(tree)["exit_code"]) == ("SIGKILL", 137)


def test_no_secret_is_in_it(tree: Tree) -> None:
    """Secrets are masked in the command, the message and the last lines."""
    program = "import os, sys; print(os.environ['HF_TOKEN'], file=sys.stderr); sys.exit(sys.argv[-1])"
    tree.code(train__py=program).config(hyperparameters={"password": "canary-one"})
    assert tree.train(HF_TOKEN="canary-two").code == 1
    assert "canary" not in json.dumps(details(tree))
    assert "***" in details(tree)["command"]


def test_success_leaves_none(tree: Tree) -> None:
    """The details of an earlier failure do not stay."""
    tree.code(good__py="", bad__py="raise SystemExit(3)")
    assert tree.train(SAGEMAKER_PROGRAM="bad.py").code == 3
    assert details(tree)["exit_code"] == 3
    assert tree.train(SAGEMAKER_PROGRAM="good.py").code == 0
    assert list(tree.layout.output_data.iterdir()) == []

"""Input that is not what the contract asks for: the class of the error and the exit code."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.train.running import Ended, Tree

SECRET = "canary-7f3a"
# The contract's limits are for a machine that has time: the best of a few tries is what `train` can do.
REFUSAL_SECONDS = 5.0
INSTALL_SECONDS = 60.0
TRIES = 3


def within(limit: float, run: Callable[[], Ended]) -> Ended:
    """Return how a command ended, which has to be within some seconds."""
    for _ in range(TRIES):
        began = time.monotonic()
        run_ended = run()
        if time.monotonic() - began <= limit:
            return run_ended
    raise AssertionError(f"not within {limit} s in {TRIES} tries")


def refused(tree: Tree, *words: str, **environ: str) -> None:
    """Run `train`; it must name each word in a ContractError within 5 s, with no traceback or content."""
    ended = within(REFUSAL_SECONDS, lambda: tree.train(**environ))
    assert ended.code == 78
    assert tree.failure.startswith("ContractError: ")
    assert [word for word in words if word not in tree.failure] == []
    assert "Traceback" not in ended.err
    assert SECRET not in tree.failure + ended.err


@pytest.mark.parametrize("content", [None, b"{}"])
def test_no_hyperparameters_are_none(tree: Tree, content: bytes | None) -> None:
    """An absent file and an empty object both mean that there are none."""
    tree.code(train__py="import os, sys; sys.exit(os.environ['SM_HPS'] != '{}')").config()
    if content is not None:
        tree.layout.hyperparameters.write_bytes(content)
    assert tree.train().code == 0


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file at line 1, column 1"),
        (b'{"a": "%s"' % SECRET.encode(), "line 1, column 20"),
        (b'\xef\xbb\xbf{"a": "1"}', "line 1, column 1"),
        ('{"a": "1"}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b'{"a": "%s",}' % SECRET.encode(), "line 1, column"),
        (b'["%s"]' % SECRET.encode(), "a list at the top"),
        (b'{"a": "1", "a": "2"}', "the key 'a' twice"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_malformed_file_is_named_with_its_place(tree: Tree, content: bytes, found: str) -> None:
    """The file, and line and column where there are any, are named; the content is not quoted."""
    tree.code(train__py="").config()
    tree.layout.hyperparameters.write_bytes(content)
    refused(tree, "hyperparameters.json", found)


@pytest.mark.parametrize("kind", ["directory", "FIFO", "100 MB", "link to nowhere"])
def test_what_is_no_file_is_named_at_once(tree: Tree, kind: str) -> None:
    """A directory, a FIFO or a huge file in a file's place neither blocks nor fills the memory."""
    path = tree.code(train__py="").config().layout.hyperparameters
    if kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "100 MB":
        with path.open("wb") as file:
            file.truncate(100 << 20)
    else:
        path.symlink_to("gone")
        assert tree.train().code == 0  # as if there were none
        return
    refused(tree, "hyperparameters.json")


def test_links_to_files_are_followed(tree: Tree) -> None:
    """A mounted ConfigMap is made of links."""
    tree.code(train__py="import os, sys; sys.exit(os.environ['SM_HPS'] != '{\"a\":1}')").config(
        real={"a": "1"}
    )
    tree.layout.hyperparameters.symlink_to("real.json")
    assert tree.train().code == 0


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ("1", 1),
        ("true", True),
        ("[1,2]", [1, 2]),
        ("007", "007"),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        (5, 5),
        ("x" * 60_000, "x" * 60_000),
        ("[" * 600 + "]" * 600, "[" * 600 + "]" * 600),
    ],
)
def test_values_are_typed_as_json(tree: Tree, value: object, typed: object) -> None:
    """What is JSON is decoded, and everything else stays as it is."""
    tree.project("script").config(hyperparameters={"x": value})
    assert tree.train(SAGEMAKER_ARGS_PROTOCOL="none").code == 0
    assert json.loads(tree.seen()["environ"]["SM_HPS"]) == {"x": typed}


@pytest.mark.parametrize("value", ["1e400", "NaN", "Infinity"])
def test_numbers_beyond_json_are_floats(tree: Tree, value: str) -> None:
    """Python's reading of them goes through to the program."""
    tree.project("script").config(hyperparameters={"x": value})
    assert tree.train().code == 0
    assert tree.seen()["argv"][1:] in (["-x", "inf"], ["-x", "nan"])


def test_odd_keys_are_words_and_no_commands(tree: Tree) -> None:
    """No key reaches a shell, and none replaces a variable of the system or of the contract."""
    keys = [
        "--help",
        "a b",
        ";rm -rf",
        "$(id)",
        "\u00e9\u00e9",
        "",
        "__class__",
        "SM_MODEL_DIR",
        "PATH",
        "LD_PRELOAD",
    ]
    tree.project("script").config(hyperparameters=dict.fromkeys(keys, "odd"))
    assert tree.train().code == 0
    seen = tree.seen()
    assert {f"--{key}" for key in keys if key} < set(seen["argv"])
    assert seen["environ"]["SM_MODEL_DIR"] == str(tree.layout.model)
    assert seen["environ"]["PATH"] == os.environ["PATH"]
    assert "LD_PRELOAD" not in seen["environ"]


def test_many_hyperparameters_pass(tree: Tree) -> None:
    """Ten thousand keys reach the program, as arguments and as variables."""
    program = "import os, sys; sys.exit((len(sys.argv), os.environ['SM_HP_K9999']) != (20_001, '1'))"
    tree.code(train__py=program).config(hyperparameters={f"k{number}": "1" for number in range(10_000)})
    assert tree.train().code == 0


def test_variable_beyond_the_systems_limit_is_left_out(tree: Tree) -> None:
    """What no program can be given is named, and is where the program's own copy of the job is read."""
    program = (
        "import mlberth, os, sys\n"
        "size = len(mlberth.environment().hyperparameters['x'])\n"
        "sys.exit(('SM_HPS' in os.environ, size) != (False, 2 << 20))"
    )
    tree.code(train__py=program).config(hyperparameters={"x": "x" * (2 << 20)})
    run = tree.train(SAGEMAKER_ARGS_PROTOCOL="none")
    assert run.code == 0
    assert "WARNING mlberth_train: Left out of its environment" in run.err
    assert "SM_HPS" in run.err


@pytest.mark.parametrize("name", ["../../etc", "", "gone", ".", "a\0b", "x" * 300])
def test_channel_that_leads_elsewhere_is_named(tree: Tree, name: str) -> None:
    """A channel is a folder of input/data, by a plain name."""
    tree.code(train__py="").config(inputdataconfig={name: {"TrainingInputMode": "File"}})
    refused(tree, "inputdataconfig.json", f"channel {name!r}")


@pytest.mark.parametrize(
    ("hosts", "field"),
    [
        ({"current_host": "c", "hosts": ["a", "b"]}, "current_host"),
        ({"current_host": "a", "hosts": []}, "hosts"),
        ({"current_host": "a", "hosts": ["a", "a"]}, "hosts"),
        ({"current_host": "a", "hosts": "a"}, "hosts"),
        ({"current_host": 1, "hosts": ["a"]}, "current_host"),
        ({"current_host": "a", "hosts": ["a"], "network_interface_name": 1}, "network_interface_name"),
    ],
)
def test_faulty_cluster_is_named(tree: Tree, hosts: dict[str, object], field: str) -> None:
    """Each field of resourceconfig.json is checked."""
    tree.code(train__py="").config(resourceconfig=hosts)
    refused(tree, "resourceconfig.json", field)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("my_password", SECRET),
        ("hub_token", SECRET),
        ("id", "AKIACANARY7F3ACANARY"),
        ("hub", "hf_canary7f3acanary7f3a"),
        ("url", "https://user:canary7f3a@example.com"),
    ],
)
def test_secret_is_nowhere(tree: Tree, name: str, value: str) -> None:
    """A secret, by its name or by its looks, is in no log, report or detail."""
    tree.code(train__py="import sys; sys.exit(str(sys.argv))").config(hyperparameters={name: value})
    ended = tree.train()
    ours = [line for line in ended.err.splitlines() if not line.startswith("[")]
    details = (tree.layout.output_data / "failure.json").read_text()
    assert "***" in tree.failure
    assert "canary" not in "\n".join([*ours, tree.failure, details]).lower()


def test_program_without_the_right_to_read_is_named(tree: Tree, tmp_path: Path) -> None:
    """Nobody but root can read it; root can, so the test gives root's right away."""
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    tree.code(train__py="").layout.code.joinpath("train.py").chmod(0)
    refused(tree, "which cannot be read")


def test_variables_of_python_cannot_break_the_start(tree: Tree, tmp_path: Path) -> None:
    """PYTHONPATH stays behind the job's code, and what PYTHONSTARTUP names is not run."""
    (tmp_path / "helper.py").write_text("VALUE = 'theirs'")
    (tmp_path / "startup.py").write_text("raise SystemExit(9)")
    tree.code(
        train__py="import helper; raise SystemExit(helper.VALUE != 'ours')", helper__py="VALUE = 'ours'"
    )
    environ = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "startup.py")}
    assert tree.train(**environ).code == 0


def test_large_variable_passes(tree: Tree) -> None:
    """A value just below the system's limit reaches the program."""
    tree.code(train__py="import os, sys; sys.exit(len(os.environ['BIG']) != 120_000)")
    assert tree.train(BIG="x" * 120_000).code == 0


def test_ten_thousand_requirements_fail_once(tree: Tree) -> None:
    """A long file is one error with pip's words, within a minute."""
    lines = "\n".join(f"no-such-package-{index}" for index in range(10_000))
    tree.code(train__py="", requirements__txt=lines)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert tree.train(PIP_NO_INDEX="1").code == 69
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of a processor: how long that takes on the wall is for the rest of the machine to say.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= INSTALL_SECONDS
    assert tree.failure.startswith("DependencyError: ")
    assert len(tree.failure.encode()) <= 1024

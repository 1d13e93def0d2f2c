"""What reaches the log: the program's own bytes, and our lines about it."""

from __future__ import annotations

import json
import os
import pty
from typing import Any

import pytest
from tests.train.running import BIN, Tree

BARS = "import sys\nfor n in range(100): print(f'\\r{n}%', end='', file=sys.stderr)\nprint(file=sys.stderr)"


def test_progress_bar_is_one_line_of_a_log(tree: Tree) -> None:
    """Standard error that is no terminal gets the last state of a bar."""
    assert "\r" not in (err := tree.code(train__py=BARS).train().err)
    assert [line for line in err.splitlines() if "mlberth_train" not in line] == ["99%"]


def test_progress_bar_stays_where_it_is_wanted(tree: Tree) -> None:
    """With SAGEMAKER_COLLAPSE_PROGRESS=false every byte of standard error passes."""
    tree.code(train__py="import sys; sys.stderr.buffer.write(b'1%\\r2%\\r\\n\\xff\\r')")
    with (tree.base / "err").open("wb") as sink:
        tree.start([BIN / "train"], sink.fileno(), SAGEMAKER_COLLAPSE_PROGRESS="false").communicate(
            timeout=60
        )
    assert b"\n1%\r2%\r\n\xff\r" in (tree.base / "err").read_bytes()


def test_terminal_gets_every_byte(tree: Tree) -> None:
    """On a terminal a progress bar moves."""
    tree.code(train__py=BARS)
    ours, theirs = pty.openpty()
    with tree.start([BIN / "train"], theirs) as command:
        os.close(theirs)
        command.communicate(timeout=60)
    said = os.read(ours, 65536)
    os.close(ours)
    assert b"\r98%\r99%" in said


@pytest.mark.parametrize("size", [65535, 65536, 65537])
def test_text_across_read_boundaries_is_whole(tree: Tree, size: int) -> None:
    """A character whose bytes are read apart arrives as it was."""
    program = (
        f"import sys\nfor s in (sys.stdout, sys.stderr): s.write('x' * {size - 1} + '\\u20ac' * 9 + '\\n')"
    )
    ended = tree.code(train__py=program).train(PYTHONIOENCODING="utf-8")
    line = "x" * (size - 1) + "\u20ac" * 9
    assert ended.out == line + "\n"
    assert line in ended.err.splitlines()


def test_standard_streams_stay_apart(tree: Tree) -> None:
    """What goes to standard output is on standard output alone."""
    ended = tree.code(train__py="import sys; print('out'); print('err', file=sys.stderr)").train()
    assert ended.out == "out\n"
    assert "err" in ended.err.splitlines()


def test_our_lines_can_be_json(tree: Tree) -> None:
    """With SAGEMAKER_LOG_FORMAT=json our lines are objects, and the program's stay as they are."""
    tree.code(train__py="import sys; print('plain', file=sys.stderr); sys.exit(3)")
    *lines, last = tree.train(SAGEMAKER_LOG_FORMAT="json").err.splitlines()
    assert lines.pop() == "plain"
    entries: list[dict[str, Any]] = [json.loads(line) for line in [*lines, last]]
    assert [entry["level"] for entry in entries] == ["INFO", "ERROR"]
    assert " train.py on " in entries[0]["message"]


def test_lines_of_pip_are_json_too(tree: Tree) -> None:
    """What an install says comes line by line as objects, in the order of the log."""
    tree.code(train__py="")
    (tree.layout.code / "requirements.txt").write_text("no-such-package-at-all")
    lines = tree.train(SAGEMAKER_LOG_FORMAT="json", PIP_NO_INDEX="1").err.splitlines()
    entries = [json.loads(line) for line in lines]
    said = [(entry["level"], entry["message"]) for entry in entries if entry["logger"] == "pip"]
    assert ("ERROR", "ERROR: No matching distribution found for no-such-package-at-all") in said
    assert (entries[-1]["logger"], entries[-1]["level"]) == ("mlberth_train", "ERROR")


@pytest.mark.parametrize("level", ["ERROR", "40", '"40"'])
def test_level_by_name_or_number(tree: Tree, level: str) -> None:
    """SAGEMAKER_CONTAINER_LOG_LEVEL decides what we say; the hyperparameter does too."""
    tree.code(train__py="")
    assert tree.train(SAGEMAKER_CONTAINER_LOG_LEVEL=level).err == ""
    tree.config(hyperparameters={"sagemaker_container_log_level": level})
    assert tree.train().err == ""


def test_controls_of_the_job_are_escaped_and_those_of_the_program_pass(tree: Tree) -> None:
    """Hyperparameters cannot forge a line or move a cursor; what the program prints is its own."""
    forged = "a\r\n2026-01-01 00:00:00,000 ERROR mlberth_train: forged\x1b[31m"
    tree.code(train__py="import sys; sys.stderr.buffer.write(b'\\x1b[32mgreen\\x1b[0m\\x07\\n')")
    lines = tree.config(hyperparameters={"name": forged}).train().err.split("\n")
    assert "\x1b[32mgreen\x1b[0m\x07" in lines
    ours = [line for line in lines if "green" not in line]
    assert all(line.isprintable() for line in ours)
    assert not [line for line in ours if line.startswith("2026-01-01 00:00:00,000 ERROR")]

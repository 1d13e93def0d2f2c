"""What the failure file says, read from programs that really fail."""

from __future__ import annotations

import pytest
from tests.train.running import Tree

HANDLED = "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n"
SILENT = "The program failed and wrote nothing to standard error"
PLACE = "(rank 0 of 1)."


def fail(tree: Tree, program: str, code: int) -> list[str]:
    """Run a program that fails with an exit code; return the lines of the failure file."""
    assert tree.code(train__py=program).train().code == code
    assert len(tree.layout.failure.read_bytes()) <= 1024
    lines = tree.failure.splitlines()
    assert lines[-1].startswith(f"Exit code {code} on ")
    assert lines[-1].endswith(PLACE)
    return lines[:-1]


@pytest.mark.parametrize(
    ("program", "code", "lines"),
    [
        pytest.param("raise SystemExit(2)", 2, [SILENT], id="exit-2"),
        pytest.param(
            "raise SystemExit(300)",
            44,
            [SILENT],
            id="exit-300",
        ),
        pytest.param("import sys; sys.exit('no data')", 1, ["no data"], id="exit-text"),
        pytest.param(
            "import sys; print('warning', file=sys.stderr); sys.exit('no data')",
            1,
            ["warning", "no data"],
            id="last-words",
        ),
        pytest.param(
            "def f(x):\n    return 1 / x\nf(0)",
            1,
            ["ZeroDivisionError: division by zero", "  at train.py:2 in f: return 1 / x"],
            id="exception",
        ),
        pytest.param(
            "import json\njson.loads('')",
            1,
            [
                "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
                "  at train.py:2 in <module>: json.loads('')",
            ],
            id="in-a-library",
        ),
        pytest.param(
            "x = 1\nif x\n    pass",
            1,
            ["SyntaxError: expected ':'", "  at train.py:2: if x"],
            id="syntax-error",
        ),
        pytest.param(
            "import os; os.kill(os.getpid(), 9)",
            137,
            ["The program was killed by SIGKILL, possibly out of memory"],
            id="kill",
        ),
        pytest.param(
            "import ctypes\ndef f():\n    ctypes.string_at(0)\nf()",
            139,
            ["The program was killed by SIGSEGV (Segmentation fault)", "  at train.py:3 in f"],
            id="segfault",
        ),
        pytest.param(
            HANDLED + "raise SystemExit(3)",
            3,
            ["ZeroDivisionError: division by zero", "  at train.py:3 in <module>: 1 / 0"],
            id="printed-then-exit",
        ),
        pytest.param(
            HANDLED
            + "import sys\nfor n in range(100): print('line', n, file=sys.stderr)\nraise SystemExit(3)",
            3,
            [f"line {n}" for n in range(92, 100)],
            id="handled-long-ago",
        ),
        pytest.param(
            "import argparse\nargparse.ArgumentParser('train.py').parse_args(['--n', '1'])",
            2,
            ["train.py: error: unrecognized arguments: --n 1", "usage: train.py [-h]"],
            id="arguments",
        ),
        pytest.param(
            "import sys\nsys.stderr.write('\\r 50%|#####     | 5/10')\nraise ValueError('x')",
            1,
            ["ValueError: x", "  at train.py:3 in <module>: raise ValueError('x')"],
            id="after-a-progress-bar",
        ),
        pytest.param(
            "import subprocess, sys\n"
            "code = 'def f(): 1 / 0\\nf()'\n"
            "done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
            "for line in done.stderr.splitlines(): print('[rank0]:', line, file=sys.stderr)\n"
            "print('[rank0]: closing', file=sys.stderr)\nsys.exit(1)",
            1,
            ["ZeroDivisionError: division by zero", "closing"],
            id="of-a-rank",
        ),
        pytest.param(
            "import subprocess, sys\n"
            "sys.exit(subprocess.run(['sh', '-c', 'python3 -c \"raise OSError(7)\" || exit 4']).returncode)",
            4,
            ["OSError: 7"],
            id="below-a-shell",
        ),
    ],
)
def test_failure_file_says_what_happened_and_where(
    tree: Tree, program: str, code: int, lines: list[str]
) -> None:
    """Class, message, last frame of the user's code, exit code or signal, and the host."""
    assert fail(tree, program, code) == lines


@pytest.mark.parametrize("size", [100, 700, 300_000])
def test_long_message_is_cut_between_characters_and_keeps_the_rest(tree: Tree, size: int) -> None:
    """A message of any length leaves room for the frame and the exit code, in whole characters."""
    lines = fail(tree, f"def f():\n    raise ValueError('begin ' + '\U0001f600' * {size} + ' end')\nf()", 1)
    assert lines[0].startswith("ValueError: begin \U0001f600")
    assert lines[0].endswith("\U0001f600 end")
    assert lines[1].startswith("  at train.py:2 in f: raise ValueError(")
    assert "\ufffd" not in lines[0]


def test_control_characters_are_not_passed_on(tree: Tree) -> None:
    """Escape sequences of a message cannot reach a terminal or a page through the report."""
    lines = fail(tree, "raise ValueError('a\\x1b]0;title\\x07b\\x00c')", 1)
    assert lines[0] == "ValueError: a\ufffd]0;title\ufffdb\ufffdc"


def test_shell_script_reports_the_signal_of_its_child(tree: Tree) -> None:
    """137 from a shell means that something below it was killed."""
    tree.code(run__sh="sh -c 'kill -9 $$'")
    assert tree.train(SAGEMAKER_PROGRAM="run.sh").code == 137
    assert tree.failure.startswith("A process of the program was killed by SIGKILL, possibly out of memory\n")


def test_host_and_rank_are_named(tree: Tree) -> None:
    """On a cluster the report says which host failed."""
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    tree.code(train__py="raise SystemExit(3)").config(resourceconfig=hosts)
    assert tree.train().code == 3
    assert tree.failure.endswith("Exit code 3 on algo-2 (rank 1 of 2).\n")

"""Tracebacks as this interpreter really prints them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlberth_train.report.traceback import Frame, crash_frames, last_frame, last_traceback, lines_of

INNER = "def inner():\n    raise ValueError('first')\n"


def stderr_of(program: str, tmp_path: Path, *options: str) -> bytes:
    """Return what the interpreter prints when it runs a program."""
    (tmp_path / "p.py").write_text(program)
    argv = [sys.executable, *options, str(tmp_path / "p.py")]
    return subprocess.run(argv, capture_output=True, check=False).stderr


@pytest.mark.parametrize(
    ("program", "exception", "place"),
    [
        pytest.param(INNER + "inner()", "ValueError: first", (2, "inner"), id="plain"),
        pytest.param("raise KeyError", "KeyError", (1, "<module>"), id="no-message"),
        pytest.param("raise ValueError('a\\n\\nb: c')", "ValueError: a\n\nb: c", (1, "<module>"), id="lines"),
        pytest.param(
            INNER + "try:\n    inner()\nexcept ValueError as e:\n    raise KeyError('second') from e",
            "KeyError: 'second'",
            (6, "<module>"),
            id="cause",
        ),
        pytest.param(
            INNER + "try:\n    inner()\nexcept ValueError:\n    1 / 0",
            "ZeroDivisionError: division by zero",
            (6, "<module>"),
            id="context",
        ),
        pytest.param(
            "def outer():\n    class Odd(Exception): pass\n    raise Odd('x')\nouter()",
            "outer.<locals>.Odd: x",
            (3, "outer"),
            id="local-class",
        ),
        pytest.param("x = (1,\n", "SyntaxError: '(' was never closed", (1, None), id="syntax-error"),
        pytest.param("def f():\nx", None, (2, None), id="indentation"),
        pytest.param("exec('1 +')", None, (1, "<module>"), id="syntax-error-below"),
        pytest.param(
            "import sys\nsys.setrecursionlimit(60)\ndef f(): f()\nf()",
            "RecursionError: maximum recursion depth exceeded",
            (3, "f"),
            id="recursion",
        ),
        pytest.param(
            "import logging\ntry: 1 / 0\nexcept Exception: logging.exception('odd')\n"
            "raise ValueError('real')",
            "ValueError: real",
            (4, "<module>"),
            id="logged-before",
        ),
        pytest.param(
            "import sys\nfor n in range(3): print(f'\\rstep {n}', end='', file=sys.stderr)\n"
            "print(file=sys.stderr)\nraise ValueError('x')",
            "ValueError: x",
            (4, "<module>"),
            id="progress-bar",
        ),
    ],
)
def test_last_exception_is_found(
    tmp_path: Path, program: str, exception: str | None, place: tuple[int, str | None]
) -> None:
    """The exception that ended the program, and the innermost frame of its code."""
    found = last_traceback(lines_of(stderr_of(program, tmp_path)))
    assert found is not None
    assert exception in (None, found.exception.removeprefix("__main__."))  # a newer Python adds the module
    frame = last_frame(found.frames, tmp_path)
    assert frame is not None
    assert (frame.file, frame.line, frame.function) == (str(tmp_path / "p.py"), *place)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11")
def test_exception_group_is_read_at_every_level(tmp_path: Path) -> None:
    """All exceptions of a group are named, and the frame is that of the last of them."""
    program = (
        INNER + "def other():\n    raise TypeError('deep')\nerrors = []\nfor f in (inner, other):\n"
        "    try: f()\n    except Exception as e: errors.append(e)\n"
        "raise ExceptionGroup('outer', [errors[0], ExceptionGroup('nested', errors[1:])])"
    )
    found = last_traceback(lines_of(stderr_of(program, tmp_path)))
    assert found is not None
    assert found.exception.split("\n  ") == [
        "ExceptionGroup: outer (2 sub-exceptions)",
        "ValueError: first",
        "ExceptionGroup: nested (1 sub-exception)",
        "TypeError: deep",
    ]
    frame = last_frame(found.frames, tmp_path)
    assert frame == Frame(str(tmp_path / "p.py"), 4, "other", "raise TypeError('deep')")


def test_crash_is_read_from_faulthandler(tmp_path: Path) -> None:
    """The report names the innermost frame first; we return it last."""
    program = "import ctypes\ndef f():\n    ctypes.string_at(0)\nf()"
    frames = crash_frames(lines_of(stderr_of(program, tmp_path, "-X", "faulthandler")))
    frame = last_frame(frames, tmp_path)
    assert frame is not None
    assert (frame.line, frame.function) == (3, "f")
    assert frames[0].function == "<module>"


def test_colours_are_taken_off(tmp_path: Path) -> None:
    """Programs that colour their tracebacks are read all the same."""
    plain = stderr_of("raise ValueError('x')", tmp_path)
    coloured = plain.replace(b"ValueError", b"\x1b[1;35mValueError\x1b[0m")
    assert last_traceback(lines_of(coloured)) == last_traceback(lines_of(plain)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no traceback",
        "Traceback (most recent call last):",
        "Traceback (most recent call last):\n  File",
        "a: b\nc: d",
    ],
)
def test_what_is_no_traceback_is_none(text: str) -> None:
    """Ordinary output and cut tracebacks give nothing."""
    assert last_traceback(lines_of(text.encode())) is None


def test_frame_of_an_installed_package_is_the_users(tmp_path: Path) -> None:
    """Without a file in the code folder, what lies beside the outermost file is the user's."""
    frames = (
        Frame("<frozen runpy>", 88, "_run_code", ""),
        Frame("/venv/site-packages/pkg/train.py", 3, "<module>", "main()"),
        Frame("/venv/site-packages/pkg/sub/a.py", 5, "main", "f()"),
        Frame("/venv/site-packages/numpy/core.py", 7, "f", "raise"),
    )
    frame = last_frame(frames, tmp_path)
    assert frame is not None
    assert frame.line == 5


def test_number_that_is_no_line_is_passed_over() -> None:
    """What a program prints may look like a traceback, with a number that no line has."""
    said = b'Traceback (most recent call last):\n  File "x.py", line ' + b"9" * 5000 + b"\nValueError: x\n"
    assert last_traceback(lines_of(said)) is None


def test_outermost_frame_is_the_users_where_none_has_a_folder() -> None:
    """Compiled code, and a traceback whose beginning is cut off, name files without their folders."""
    frames = b'  File "a.pyx", line 1, in f\n  File "b/c.pyx", line 2, in g\n'
    found = last_traceback(lines_of(b"Traceback (most recent call last):\n" + frames + b"E: x\n"))
    assert found is not None
    assert last_frame(found.frames, Path("/opt/ml/code")) == Frame("a.pyx", 1, "f", "")


def test_rank_in_front_of_each_line_is_taken_off(tmp_path: Path) -> None:
    """torch.distributed prints exceptions so, whatever has started the ranks."""
    printed = stderr_of(INNER + "inner()", tmp_path)
    marked = b"".join(b"[rank12]: " + line for line in printed.splitlines(keepends=True))
    assert last_traceback(lines_of(marked)) == last_traceback(lines_of(printed))

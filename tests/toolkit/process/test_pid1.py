"""`mlberth run`: any program as it would run without us, but with a parent that does its duties."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until

RUN = [sys.executable, "-m", "mlberth", "run"]


def run(*command: str, stdin: str = "", path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with `path` first on PATH."""
    env = dict(os.environ)
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    return subprocess.run(
        [*RUN, *command], input=stdin, env=env, capture_output=True, text=True, timeout=30, check=False
    )


def script(path: Path, body: str, mode: int = 0o755) -> Path:
    """Write a shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("code", "expected"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_exit_code_passes_through(code: str, expected: int) -> None:
    """The program's exit code, or 128 + n for signal n, is ours."""
    assert run("sh", "-c", code).returncode == expected


def test_standard_streams_are_the_programs_own() -> None:
    """A program reads our standard input, and writes to our output and error."""
    done = run("sh", "-c", "cat; echo wrong >&2", stdin="a line\n")
    assert (done.stdout, done.stderr) == ("a line\n", "wrong\n")


def test_arguments_arrive_as_they_are() -> None:
    """No shell looks at the arguments."""
    assert run("printf", "%s|", "$HOME", "a b", "*").stdout == "$HOME|a b|*|"


def test_unknown_command_is_named_with_what_there_is() -> None:
    """A command that is not there ends with the shell's 127 and one line."""
    done = run("sail")
    assert done.returncode == 127
    assert done.stderr == (
        "mlberth run: found no such command: 'sail'; expected train, serve, process, or a program on PATH.\n"
    )


def test_file_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    """A file without the right to be executed ends with the shell's 126 and one line."""
    done = run(str(script(tmp_path / "plain", "exit 0", mode=0o644)))
    assert done.returncode == 126
    assert f"found the command '{tmp_path}/plain', which cannot be run (Permission denied)" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_command_is_a_usage_error() -> None:
    """Without a command there is nothing to run."""
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("usage: mlberth run COMMAND [ARGUMENT…]\n")


@pytest.mark.parametrize("command", ["train", "serve", "process"])
def test_users_own_command_wins_when_it_comes_first_on_path(command: str, tmp_path: Path) -> None:
    """An image that brings its own `train` or `serve` means that one."""
    script(tmp_path / command, 'echo "mine: $*"')
    assert run(command, "now", path=tmp_path).stdout == "mine: now\n"


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("serve", "SAGEMAKER_SERVING_MODULE"),
        ("serve", "SAGEMAKER_SERVICE_MODULE"),
        ("train", "SAGEMAKER_TRAINING_MODULE"),
    ],
)
def test_a_variable_that_the_users_own_command_hides_is_told(
    command: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule holds, and one line says what it costs; nothing is said if nothing is set."""
    script(tmp_path / command, "echo mine")
    monkeypatch.setenv(variable, "predictor:app")
    done = run(command, path=tmp_path)
    assert done.stdout == "mine\n"
    (line,) = done.stderr.splitlines()
    assert f"WARNING mlberth: {tmp_path / command} is first on PATH" in line
    assert f"our {command}, which alone reads {variable}" in line
    monkeypatch.setenv(variable, "")
    assert run(command, path=tmp_path).stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_program(number: signal.Signals, tmp_path: Path) -> None:
    """Whatever signal we get, the program gets."""
    ready = tmp_path / "ready"
    code = f"trap 'exit 7' {number.name[3:]}; touch {ready}; while :; do sleep 0.05; done"
    with subprocess.Popen([*RUN, "sh", "-c", code]) as runner:
        wait_until(ready.exists)
        runner.send_signal(number)
        assert runner.wait(timeout=10) == 7


def test_orphans_are_reaped_while_the_program_runs(tmp_path: Path) -> None:
    """A grandchild that loses its parent and dies leaves no zombie."""
    pid_file, done = tmp_path / "pid", tmp_path / "done"
    code = f"(sh -c 'echo $$ >{pid_file}; sleep 0.1' &) ; while [ ! -e {done} ]; do sleep 0.05; done"
    with subprocess.Popen([*RUN, "sh", "-c", code]) as runner:
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        wait_until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())
        done.touch()
        assert runner.wait(timeout=10) == 0


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A daemon that the program started ends with it."""
    pid_file = tmp_path / "pid"
    run(
        "sh",
        "-c",
        f"setsid sh -c 'echo $$ >{pid_file}; exec sleep 1000' & while [ ! -s {pid_file} ]; do :; done",
    )
    assert not is_alive(int(pid_file.read_text()))


def test_a_shell_works_on_our_terminal() -> None:
    """The program is in the foreground of the terminal, so it may read from it."""
    controller, terminal = pty.openpty()

    def prepare() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [*RUN, "sh", "-c", "read line && exit $line"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=prepare,  # noqa: PLW1509 - no other thread runs here
    ) as runner:
        os.close(terminal)
        os.write(controller, b"5\n")
        assert runner.wait(timeout=10) == 5
    os.close(controller)


def test_own_command_needs_no_right_to_execute(tmp_path: Path) -> None:
    """A script that is before ours on PATH is meant, and a line says how to give it the right."""
    script(tmp_path / "train", "echo mine $1", mode=0o644)
    done = run("train", "--x", path=tmp_path)
    assert (done.returncode, done.stdout) == (0, "mine --x\n")
    assert f"chmod +x {tmp_path}/train" in done.stderr


def test_own_command_without_an_interpreter_is_passed_over_with_a_word(tmp_path: Path) -> None:
    """What nothing can run is not run, and ours says so before it begins."""
    (tmp_path / "train").write_text("data")
    done = run("train", "--help", path=tmp_path)
    assert done.stdout.startswith("usage: train")
    assert f"{tmp_path}/train has no right to execute and no #! line; it is passed over" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\r\nif true; then\r\n  echo mine $1\r\nfi\r\n",
        "#!/usr/bin/env bash\r\necho mine $1\r\n",
        "#!/usr/bin/env python3\r\nimport sys\r\nprint('mine', sys.argv[1])\r\n",
    ],
)
@pytest.mark.parametrize("name", ["train", "./start.sh"])
def test_windows_line_endings(tmp_path: Path, name: str, text: str) -> None:
    """A kernel looks for an interpreter with a carriage return in its name; we for the one that is meant."""
    file = tmp_path / Path(name).name
    file.write_bytes(text.encode())
    file.chmod(0o755)
    done = run(str(file) if "/" in name else name, "--x", path=tmp_path)
    assert (done.returncode, done.stdout) == (0, "mine --x\n"), done.stderr

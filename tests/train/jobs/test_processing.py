"""`process` on real trees."""

from __future__ import annotations

import json
import signal
import tarfile
from pathlib import Path

import pytest
from tests.support import wait_until
from tests.train.running import BIN, Tree, ended

WRITE = "import os, sys, helper\nprint(sys.argv[1:], os.getcwd(), helper.VALUE)\n"


@pytest.fixture
def job(tree: Tree) -> Tree:
    """Return the tree of a processing job with a program and a helper."""
    layout = tree.layout
    layout.processing_code.mkdir(parents=True)
    (layout.processing_code / "work.py").write_text(WRITE)
    (layout.processing_code / "helper.py").write_text("VALUE = 42")
    layout.processing_job_config.parent.mkdir()
    request = {"ProcessingJobName": "job", "ProcessingInputs": [{"InputName": "raw"}]}
    layout.processing_job_config.write_text(json.dumps(request))
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    layout.processing_resource_config.write_text(json.dumps(hosts))
    return tree


def message(tree: Tree) -> str:
    return tree.layout.message.read_text("utf-8")


def test_program_and_arguments_come_from_the_command_line(job: Tree) -> None:
    """The program runs in its folder with the words that follow it, and success has no message."""
    run = job.process("work.py", "--a", "x y", "$(id)")
    assert run.code == 0
    assert run.out == f"{['--a', 'x y', '$(id)']} {job.layout.processing_code} 42\n"
    assert "algo-2 (rank 1 of 2); inputs: raw" in run.err
    assert not job.layout.message.exists()
    assert not job.layout.failure.exists()


def test_variable_names_the_program(job: Tree) -> None:
    """SAGEMAKER_PROGRAM is read where the command line names nothing, and an absolute path is fine."""
    program = str(job.layout.processing_code / "work.py")
    assert job.process(SAGEMAKER_PROGRAM=program).out.startswith("[]")


def test_source_archive_is_unpacked_in_place(job: Tree, tmp_path: Path) -> None:
    """The sourcedir.tar.gz that the SDK uploads is unpacked beside itself, again on a restart."""
    code = job.layout.processing_code
    (tmp_path / "main.py").write_text("import helper; raise SystemExit(helper.VALUE)")
    with tarfile.open(code / "sourcedir.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "main.py", "main.py")
    assert job.process("main.py").code == 42
    assert job.process("main.py").code == 42


def test_failure_is_the_exit_message(job: Tree) -> None:
    """What went wrong is in output/message, within 1 KB of UTF-8, and the exit code is the program's."""
    (job.layout.processing_code / "work.py").write_text("raise ValueError('\U0001f600' * 5000)")
    assert job.process("work.py").code == 1
    assert len(job.layout.message.read_bytes()) <= 1024
    assert message(job).startswith("ValueError: \U0001f600")
    assert message(job).endswith(
        "  at work.py:1 in <module>: raise ValueError('\U0001f600' * 5000)\n"
        "Exit code 1 on algo-2 (rank 1 of 2).\n"
    )


def test_details_are_beside_the_message(job: Tree) -> None:
    """What 1 KB cannot hold is in output/failure.json; the next success takes it away."""
    (job.layout.processing_code / "work.py").write_text("raise ValueError('x' * 5000)")
    assert job.process("work.py").code == 1
    details = json.loads((job.layout.output / "failure.json").read_text())
    assert details["message"] == "ValueError: " + "x" * 5000
    assert (details["kind"], details["exit_code"], details["rank"], details["hosts"]) == ("program", 1, 1, 2)
    (job.layout.processing_code / "work.py").write_text("")
    assert job.process("work.py").code == 0
    assert list(job.layout.output.iterdir()) == []


def test_message_of_the_program_is_left_alone(job: Tree) -> None:
    """A message that the program wrote is the one that is shown."""
    program = f"open({str(job.layout.message)!r}, 'w').write('mine'); raise SystemExit(3)"
    job.layout.output.mkdir()
    (job.layout.processing_code / "work.py").write_text(program)
    assert job.process("work.py").code == 3
    assert message(job) == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the program after `process`"),
        (["gone.py"], "work.py"),
        (["../work.py"], "which is outside"),
    ],
)
def test_job_without_a_good_program_is_refused(job: Tree, arguments: list[str], words: str) -> None:
    """No program, or none in the folder, is a fault of the job and says what is there."""
    assert job.process(*arguments).code == 78
    assert words in message(job)


def test_requirements_are_installed_first(job: Tree) -> None:
    """A requirement that cannot be had ends the job before its program."""
    (job.layout.processing_code / "requirements.txt").write_text("no-such-package-mlberth")
    run = job.process("work.py", PIP_NO_INDEX="1")
    assert (run.code, "42" in run.out.split()) == (69, False)
    assert "no-such-package-mlberth" in message(job)


def test_broken_request_is_named(job: Tree) -> None:
    """A configuration file that cannot be read is a fault of the job."""
    job.layout.processing_job_config.write_text("{")
    assert job.process("work.py").code == 78
    assert "processingjobconfig.json" in message(job)


def test_stop_reaches_the_program(job: Tree) -> None:
    """SIGTERM is passed on as it is in training."""
    code = job.layout.processing_code
    (code / "work.py").write_text(
        "import pathlib, signal, sys\nsignal.signal(15, lambda *_: sys.exit(0))\n"
        "pathlib.Path('ready').touch()\nwhile True: signal.pause()"
    )
    command = job.start([BIN / "process", "work.py"])
    wait_until((code / "ready").exists)
    command.send_signal(signal.SIGTERM)
    assert ended(command).code == 0


def test_help(job: Tree) -> None:
    """`process --help` tells how it is used."""
    assert job.process("--help").out.startswith("usage: process")


@pytest.mark.parametrize("inputs", [5, {"a": 1}, "raw", [None, {"InputName": "raw"}]])
def test_inputs_in_another_form_end_nothing(job: Tree, inputs: object) -> None:
    """The names of the inputs are for the log alone."""
    job.layout.processing_job_config.write_text(json.dumps({"ProcessingInputs": inputs}))
    assert job.process("work.py").code == 0

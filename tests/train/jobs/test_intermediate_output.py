"""`output/intermediate`, copied to a real HTTP server that stands in for S3."""

from __future__ import annotations

import http.server
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support import wait_until
from tests.train.running import BIN, Tree, ended

pytest.importorskip("botocore", exc_type=ImportError)
PREFIX = "/bucket/jobs/job-1/output/intermediate"


@dataclass
class Store:
    """A bucket; `refused` are the paths that it takes no object for."""

    port: int
    objects: dict[str, bytes] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    @property
    def environ(self) -> dict[str, str]:
        """What leads a job there."""
        return {
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_MAX_ATTEMPTS": "1",
            "SAGEMAKER_S3_OUTPUT": "s3://bucket/jobs/",
            "TRAINING_JOB_NAME": "job-1",
        }


@pytest.fixture
def store() -> Iterator[Store]:
    """Serve one bucket as S3 does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            """Keep an object."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = self.path.partition("?")[0]
            refused = name in found.refused
            if not refused:
                found.objects[name] = body
            self.send_response(403 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Store(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


WRITE = (
    "import os, pathlib\n"
    "folder = pathlib.Path(os.environ['SM_OUTPUT_INTERMEDIATE_DIR'])\n"
    "(folder / 'a').mkdir()\n(folder / 'a/b.txt').write_text('first')\n"
    "(folder / 'link').symlink_to('/etc/passwd')\n"
)


def test_files_are_copied_while_the_program_runs(tree: Tree, store: Store) -> None:
    """A file is there before the program ends, and what it writes last is there when `train` has ended."""
    block = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
    wait = "signal.sigwait({signal.SIGTERM})\n(folder / 'a/b.txt').write_text('second')\n"
    tree.code(train__py=block + WRITE + wait)
    command = tree.start([BIN / "train"], **store.environ)
    wait_until(lambda: store.objects.get(f"{PREFIX}/a/b.txt") == b"first", timeout=60)
    command.send_signal(signal.SIGTERM)
    assert ended(command).code == 0
    assert store.objects == {f"{PREFIX}/a/b.txt": b"second"}


def test_hyperparameter_asks_for_copies_too(tree: Tree, store: Store) -> None:
    """The hyperparameter sagemaker_s3_output is read; a failed job's files are copied as well."""
    tree.code(train__py=WRITE + "raise SystemExit(3)").config(
        hyperparameters={"sagemaker_s3_output": '"s3://bucket/jobs"'}
    )
    environ = {name: value for name, value in store.environ.items() if name != "SAGEMAKER_S3_OUTPUT"}
    assert tree.train(**environ).code == 3
    assert store.objects == {f"{PREFIX}/a/b.txt": b"first"}


def test_folder_that_is_there_is_left_to_its_maker(tree: Tree, store: Store) -> None:
    """The platform makes the folder where it copies it itself."""
    tree.layout.output_intermediate.mkdir(parents=True)
    run = tree.code(train__py=WRITE).train(**store.environ)
    assert run.code == 0
    assert "was there already" in run.err
    assert store.objects == {}


def test_copy_that_fails_is_a_warning(tree: Tree, store: Store) -> None:
    """A store that refuses costs the copy, never the job; the log says which file and why."""
    store.refused.add(f"{PREFIX}/a/b.txt")
    run = tree.code(train__py=WRITE).train(**store.environ)
    assert run.code == 0
    assert f"1 files of {tree.layout.output_intermediate} are not copied, such as a/b.txt: " in run.err
    assert "403" in run.err
    assert "test-secret" not in run.err


def test_name_that_is_no_text_costs_its_own_copy_alone(tree: Tree, store: Store) -> None:
    """An object's name is text, a file's is bytes; the others are copied all the same."""
    odd = "os.close(os.open(os.fsencode(folder) + b'/\\xff', os.O_CREAT))\n"
    run = tree.code(train__py=WRITE + odd).train(**store.environ)
    assert (run.code, "Traceback" in run.err) == (0, False)
    assert f"1 files of {tree.layout.output_intermediate} are not copied" in run.err
    assert store.objects == {f"{PREFIX}/a/b.txt": b"first"}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://", "s3://bucket/prefix"),
        ("https://bucket", "s3://bucket/prefix"),
        ("s3://bucket", "TRAINING_JOB_NAME"),
    ],
)
def test_address_that_is_none_is_refused(tree: Tree, address: str, words: str) -> None:
    """An address that nothing can be copied to, or a job without a name, ends the job before its program."""
    run = tree.code(train__py="print('ran')").train(SAGEMAKER_S3_OUTPUT=address)
    assert (run.code, run.out) == (78, "")
    assert words in tree.failure


def test_local_address_asks_for_nothing(tree: Tree) -> None:
    """With file:// the files are where they are wanted."""
    assert tree.code(train__py="").train(SAGEMAKER_S3_OUTPUT="file:///tmp/x").code == 0
    assert not tree.layout.output_intermediate.exists()


def test_files_below_a_folder_that_goes_away(tmp_path: Path) -> None:
    """What is not there has no files, and that is no error."""
    from mlberth_train.jobs.intermediate_output import files

    assert list(files(tmp_path / "gone")) == []
    (tmp_path / "here").touch()
    assert [name for name, _ in files(tmp_path)] == ["here"]

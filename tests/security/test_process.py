"""What a server and a job must not do as processes, with Docker or without."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.raw import exchange, split_answers
from tests.serve.running import PROJECTS, Server, children_of, require_nginx
from tests.support import wait_until
from tests.train.running import Tree

from mlberth.masking import is_secret_name

NO_NETWORK = Path(__file__).with_name("no_network.py")
APPLICATION = "mlberth_serve.wsgi:application"
# A header, its value, what the application is asked for, and what that has to be.
FORGERIES = [
    ("X-Forwarded-Proto", "https", "header wsgi.url_scheme", "http"),
    ("X_Forwarded_For", "1.2.3.4", "header REMOTE_ADDR", ""),
    ("SCRIPT_NAME", "/in", "header SCRIPT_NAME", ""),
    ("PATH_INFO", "/metrics", "header PATH_INFO", "/invocations"),
    ("REMOTE_USER", "root", "header REMOTE_USER", ""),
    ("REQUEST_METHOD", "GET", "header REQUEST_METHOD", "POST"),
]
OTHER_VARIABLES = {"CURRENT_HOST", "PYTHONFAULTHANDLER", "PYTHONPATH", "PYTHONUNBUFFERED"}
# What an answer to a fault may not tell: a traceback, a path of ours, a program and its version.
TOLD = re.compile(rb"Traceback|/opt/|/usr/|/tmp/|site-packages|\.py\b|gunicorn/|Python/|nginx/\d|Werkzeug/")
RAISES = """
def model_fn(model_dir):
    return 1


def predict_fn(data, model):
    raise ValueError("the password is in /opt/ml/secret")
"""
_POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
FAULTS = [
    _POST + b"Content-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]",
    b"GARBAGE\r\n\r\n",
    b"GET /unknown HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"DELETE /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    _POST + b"Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
    _POST + b"Content-Type: no/such\r\nContent-Length: 1\r\n\r\n1",
    _POST + b"Accept: no/such\r\nContent-Length: 1\r\n\r\n1",
    _POST + b"Content-Type: application/x-npy\r\nContent-Length: 1\r\n\r\n1",
    _POST + b"Content-Length: -1\r\n\r\n",
]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run an application that tells what is in its environment, behind nginx."""
    require_nginx()
    with Server(tmp_path_factory.mktemp("standin")) as server:
        yield server.wait_ready()


@pytest.mark.parametrize("forgery", FORGERIES, ids=[one[0] for one in FORGERIES])
@pytest.mark.parametrize("way", ["through nginx", "on the socket"])
def test_s08_no_header_changes_what_the_application_is_told(
    standin: Server, way: str, forgery: tuple[str, str, str, str]
) -> None:
    """Scheme, path, user and method are the request's own, even for who reaches gunicorn's socket."""
    header, value, command, real = forgery
    if way == "through nginx":
        answer = standin.invoke(command, **{header: value})
    else:
        (folder,) = standin.temporary.glob("mlberth-serve-*")
        head = f"{_POST.decode()}{header}: {value}\r\nContent-Length: {len(command)}\r\n\r\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(folder / "gunicorn.sock"))
            client.sendall(f"{head}{command}".encode())
            received = b"".join(iter(lambda: client.recv(65536), b""))
        (answer,) = split_answers(received)
    assert (answer.status, answer.body.decode()) == (200, real)


def test_s12_temporary_files_are_private(standin: Server, tmp_path: Path) -> None:
    """Nobody else reads or enters what a server or a job puts where temporary files go."""
    temporary, ready = tmp_path / "tmp", tmp_path / "ready"
    temporary.mkdir()
    # Building this package takes until the test has looked.
    backend = (
        "import pathlib, signal\ndef get_requires_for_build_wheel(settings=None):\n"
        f"    pathlib.Path({str(ready)!r}).touch()\n    while True: signal.pause()\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    tree = Tree(tmp_path / "ml").code(train__py="", backend__py=backend, pyproject__toml=project).config()
    job = tree.start([Path(sys.executable).parent / "train"], TMPDIR=str(temporary), PIP_NO_INDEX="1")
    try:
        wait_until(lambda: ready.exists() or job.poll() is not None, timeout=60)
        for folder in (standin.temporary, temporary):
            assert list(folder.iterdir())
            assert [path for path in folder.iterdir() if path.stat().st_mode & 0o077] == []
    finally:
        job.terminate()
        job.communicate(timeout=60)


def test_s14_no_secret_is_put_into_the_environment(tmp_path: Path) -> None:
    """A program finds what was there, and the contract's variables: none of them has a secret's name."""
    program = "import json, os; json.dump(dict(os.environ), open(os.environ['SM_MODEL_DIR'] + '/seen', 'w'))"
    tree = Tree(tmp_path / "ml").code(train__py=program).config(hyperparameters={"epochs": "3"})
    assert tree.train().code == 0
    added = set(json.loads((tree.layout.model / "seen").read_text())) - set(os.environ)
    assert {"SM_MODEL_DIR", "SM_HP_EPOCHS"} < added
    assert [name for name in added if is_secret_name(name)] == []
    assert {name for name in added if not name.startswith(("SM_", "SAGEMAKER_"))} <= OTHER_VARIABLES


@pytest.mark.parametrize("front", ["true", "false"], ids=["nginx", "gunicorn-alone"])
def test_s16_errors_tell_nothing_of_the_inside(front: str, tmp_path: Path) -> None:
    """Neither head nor body of an error has a traceback, a path or a version, whatever the fault is."""
    if front == "true":
        require_nginx()
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(RAISES)
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        for request in FAULTS:
            answers = exchange(server.port, request)
            assert answers, request
            for answer in answers:
                assert answer.status >= 400, request
                assert not TOLD.search(bytes(answer.headers) + answer.body), request


def test_s25_no_answer_is_another_requests(standin: Server) -> None:
    """Each of eight clients gets its own bodies back, while workers are killed under them."""
    right: list[str] = []
    wrong: list[str] = []

    def client(number: int) -> None:
        for turn in range(60):
            nonce = f"nonce {number} {turn}"
            # Whose worker is killed twice gets a 502, which is nobody else's answer.
            with contextlib.suppress(OSError):
                answer = standin.invoke(nonce)
                if answer.status == 200:
                    (right if answer.body == nonce.encode() else wrong).append(nonce)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in clients:
        thread.start()
    for _ in range(3):
        workers = children_of(standin.children()["gunicorn"])
        if workers:
            os.kill(workers[0], 9)
        wait_until(
            lambda gone=workers[:1]: not set(gone) & set(children_of(standin.children()["gunicorn"])),  # type: ignore[misc]
            timeout=30,
        )
    for thread in clients:
        thread.join(120)
    assert wrong == []
    assert len(right) > 400


def test_s26_nothing_is_asked_of_a_network(tmp_path: Path) -> None:
    """Start, ping, prediction and training work with a loopback interface alone, and try no other address."""
    for program in ("unshare", "strace"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no network of one's own")
    shutil.copytree(PROJECTS / "predict_only", tmp_path / "ml/model")
    Tree(tmp_path / "ml").code(train__py="print('trained')").config()
    argv = ["unshare", "-rn", sys.executable, str(NO_NETWORK), str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trained" in done.stdout
    asked = (tmp_path / "connects").read_text()
    # That of the program that shows that they would be seen.
    assert re.findall(r"AF_INET6?, sin6?_port=htons\((\d+)\)", asked) == ["9"]
    assert len(re.findall("AF_INET", asked)) == 1

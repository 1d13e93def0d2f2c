"""Whatever a handler raises answers its own request: no worker dies, and the arbiter never hears of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.running import PROJECTS, Answer, Server, children_of
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
WORKERS = 2
MAY_BE_ANOTHER_STATUS = ("werkzeug.", "mlberth_serve.errors", "mlberth.compat")
"""Their exceptions say with which status the request ends."""

pytestmark = pytest.mark.usefixtures("nginx")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the handler that raises what it is asked for."""
    folder = tmp_path_factory.mktemp("raising")
    shutil.copytree(PROJECTS / "raising", folder / "ml/model")
    with Server(folder, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS=str(WORKERS)) as running:
        yield running.wait_ready()


def post(server: Server, text: str) -> Answer:
    """Ask the handler."""
    return server.invoke(text, **{"Content-Type": "text/plain", "Accept": "application/json"})


def arbiter(server: Server) -> int:
    """Return the parent of who answers: what a handler has forked may be a child of the supervisor, too."""
    worker = int(post(server, "pid").body)
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


def worker_pids(server: Server) -> set[int]:
    """Return the process ids of both workers."""
    gunicorn = arbiter(server)
    wait_until(lambda: len(children_of(gunicorn)) == WORKERS)
    return set(children_of(gunicorn))


@pytest.mark.parametrize("step", ["input", "predict", "output", "late"])
def test_every_exception_there_is_answers_its_request(server: Server, step: str) -> None:
    """Each subclass of BaseException, of the standard library and of common packages, in each function."""
    names: list[str] = json.loads(post(server, "classes").body)
    assert {f"builtins:{name}" for name in ("KeyboardInterrupt", "GeneratorExit", "SystemExit")} <= {*names}
    assert {"asyncio.exceptions:CancelledError", "inference:PanicException"} <= {*names}
    assert len(names) > 250
    before = worker_pids(server)
    wrong = {}
    for name in names:
        answer = post(server, f"{step} {name}")
        code = answer.error["code"]
        usual = (answer.status, code) in {(500, "handler_failed"), (507, "out_of_memory")}
        if not usual and not name.startswith(MAY_BE_ANOTHER_STATUS):
            wrong[name] = (answer.status, code)
    assert wrong == {}
    assert worker_pids(server) == before
    assert post(server, "fine").status == 200


def test_no_worker_has_died(server: Server) -> None:
    """After all of them, the same two processes answer, and /ping has no reason to lie."""
    before = worker_pids(server)
    for name in ("builtins:KeyboardInterrupt", "builtins:SystemExit", "builtins:GeneratorExit"):
        for step in ("input", "predict", "output"):
            assert post(server, f"{step} {name}").status == 500
    assert worker_pids(server) == before
    assert server.ping() == 200
    assert "a worker ends" not in server.text
    assert "Worker exiting" not in server.text


def test_forked_child_that_goes_on_answers_nothing(server: Server) -> None:
    """A handler that forks and returns twice gives one answer, and the child does not go on serving."""
    before = worker_pids(server)
    for _ in range(20):
        answer = post(server, "fork")
        assert (answer.status, answer.body) == (200, b"[1]")
        assert post(server, "fine").body == b'"fine"'
    assert worker_pids(server) == before


@pytest.mark.parametrize("code", [3, 4])
def test_exit_code_of_a_worker_ends_no_server(server: Server, code: int) -> None:
    """A handler may end its process with gunicorn's codes for a server that cannot start: one death."""
    gunicorn = arbiter(server)
    assert post(server, f"exit {code}").status == 502
    wait_until(lambda: len(children_of(gunicorn)) == WORKERS)
    wait_until(lambda: post(server, "fine").status == 200)
    assert server.process.poll() is None


APP = """
import builtins


def make(name):
    return getattr(builtins, name)()


class Body:
    def __init__(self, step, name):
        self.step, self.name = step, name

    def __iter__(self):
        if self.step == "iterate":
            raise make(self.name)
        yield b"x"

    def close(self):
        if self.step == "close":
            raise make(self.name)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/ping":
        start_response("200 OK", [])
        return []
    step, _, name = environ["wsgi.input"].read().decode().partition(" ")
    if step == "call":
        raise make(name)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Body(step, name)
"""


@pytest.mark.parametrize("front", ["true", "false"], ids=["nginx", "gunicorn-alone"])
def test_users_own_application_ends_no_worker_either(tmp_path: Path, front: str) -> None:
    """A WSGI callable may raise when it is called, while its body is read, and when that is closed."""
    (tmp_path / "ml/code").mkdir(parents=True)
    (tmp_path / "ml/code/own.py").write_text(APP)
    variables = {"SAGEMAKER_SERVING_MODULE": "own:app", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front, **variables) as server:
        server.wait_ready()
        for name in ("KeyboardInterrupt", "GeneratorExit", "SystemExit"):
            assert server.invoke(f"call {name}").status == 500
            assert server.invoke(f"iterate {name}").status in {500, 502}
            server.invoke(f"close {name}")
            assert server.invoke("fine").body == b"x"
        assert server.text.count("Booting worker") == 1, server.text

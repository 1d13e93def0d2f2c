"""Stateful sessions: opened, used, closed and expired, in any worker."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.serve.models import ModelsServer
from tests.serve.running import PROJECTS, Answer, Server
from tests.support import wait_until

ID = "X-Amzn-SageMaker-Session-Id"
NEW = "X-Amzn-SageMaker-New-Session-Id"
CLOSED = "X-Amzn-SageMaker-Closed-Session-Id"
_OPENED = re.compile(
    r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}:){2}[0-9]{2}Z"
)


class Stateful(Server):
    """A server of the project `stateful`, with two workers."""

    def __init__(self, folder: Path, **variables: str) -> None:
        shutil.copytree(PROJECTS / "stateful", folder / "ml/model/code")
        self.state = folder / "state"
        on = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true", "SAGEMAKER_SESSIONS_PATH": str(self.state)}
        super().__init__(folder, "mlberth_serve.wsgi:application", **{**on, **variables})

    def __enter__(self) -> Stateful:
        super().__enter__()
        return self

    def open(self) -> str:
        """Return the id of a new session."""
        return opened(self.invoke('{"requestType": "NEW_SESSION"}', **{ID: "NEW_SESSION"}))

    def ask(self, session: str, kind: str, **more: Any) -> Any:
        """Return what a prediction in a session is answered."""
        answer = self.invoke(json.dumps({"kind": kind, **more}), **({ID: session} if session else {}))
        assert answer.status == 200, answer.body
        return json.loads(answer.body)


def opened(answer: Answer) -> str:
    """Return the id that an answer tells of a new session, in the form of the platform's."""
    assert answer.status == 200, answer.body
    value = answer.headers[NEW]
    assert _OPENED.fullmatch(value)
    assert answer.headers[ID] == value
    return str(value.partition(";")[0])


@pytest.fixture(scope="module")
def server(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stateful]:
    """Run two workers with sessions, behind nginx or not."""
    with Stateful(tmp_path_factory.mktemp("s"), SAGEMAKER_USE_NGINX=front) as running:
        running.wait_ready()
        yield running


def assert_not_found(answer: Answer) -> None:
    """Assert that an answer says that there is no such session."""
    assert (answer.status, answer.error["code"]) == (400, "session_not_found")


def test_a_session_from_its_beginning_to_its_end(server: Stateful) -> None:
    """The platform's own sequence: open, two predictions that share state, close, and none after that."""
    before = time.time()
    answer = server.invoke('{"requestType": "NEW_SESSION"}')
    session = opened(answer)
    assert answer.body.decode() == f"Session {session} created"
    ends = datetime.strptime(answer.headers[NEW].partition("Expires=")[2], "%Y-%m-%dT%H:%M:%SZ")
    assert 1190 < ends.replace(tzinfo=timezone.utc).timestamp() - before < 1202
    assert server.ask(session, "add", number=2)["total"] == 2
    found = server.ask(session, "add", number=3)
    assert (found["total"], found["id"]) == (5, session)
    assert server.ask(session, "array", values=[1.5, 2.5]) == [1.5, 2.5]
    closed = server.invoke('{"requestType": "CLOSE"}', **{ID: session})
    assert (closed.status, closed.body.decode()) == (200, f"Session {session} closed")
    assert closed.headers[CLOSED] == session
    assert_not_found(server.invoke('{"kind": "session"}', **{ID: session}))
    assert_not_found(server.invoke('{"requestType": "CLOSE"}', **{ID: session}))
    assert not [path for path in server.state.iterdir() if session in path.name]


def test_requests_of_no_session(server: Stateful) -> None:
    """They are answered as ever, and have none."""
    assert server.ask("", "session")["session"] is None


def test_a_prediction_that_opens_a_session(server: Stateful) -> None:
    """A prediction that names NEW_SESSION runs in a new one, and its answer tells which."""
    answer = server.invoke('{"kind": "add", "number": 4}', **{ID: "NEW_SESSION"})
    assert server.ask(opened(answer), "add", number=4)["total"] == 8
    assert opened(server.invoke('{"kind": "stream"}', **{ID: "NEW_SESSION"}))


@pytest.mark.parametrize(
    "body",
    [
        '{"requestType": "NEW_SESSION", "more": 1}',
        '{"requestType": "OPEN"}',
        '{"requestType": null}',
        '{"requestType": ["CLOSE"]}',
        '{"requestType": "CLOSE", "kind": "session"}',
    ],
)
def test_faulty_requests_of_sessions(server: Stateful, body: str) -> None:
    """What is nearly such a request is a 400 that says what one is."""
    answer = server.invoke(body)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert "NEW_SESSION" in answer.error["message"]


@pytest.mark.parametrize(
    "name", ["x", "..", "../..", "/etc", "%2e%2e", "A" * 300, "00000000-0000-0000-0000-000000000000"]
)
def test_ids_of_no_session(server: Stateful, name: str) -> None:
    """No id leads anywhere but to a session that was opened here."""
    for body in ('{"kind": "session"}', '{"requestType": "CLOSE"}', '{"requestType": "NEW_SESSION"}'):
        assert_not_found(server.invoke(body, **{ID: name}))
    assert_not_found(server.invoke('{"requestType": "CLOSE"}'))


def test_sessions_are_apart_and_every_worker_has_them(server: Stateful) -> None:
    """Hundreds of additions at once, to two sessions, by all workers: no sum is lost."""
    sessions = [server.open(), server.open()]
    with ThreadPoolExecutor(8) as pool:
        orders = [pool.submit(server.ask, sessions[n % 2], "add", number=1 + n % 2) for n in range(60)]
        pids = {order.result()["pid"] for order in orders}
    assert len(pids) == 2
    assert [server.ask(session, "add", number=0)["total"] for session in sessions] == [30, 60]


def test_state_outlives_its_worker(server: Stateful) -> None:
    """A worker that dies with a session's request leaves what it had written, and another answers."""
    session = server.open()
    server.ask(session, "add", number=7)
    with contextlib.suppress(ConnectionError):  # without nginx nobody is there to answer
        assert server.invoke('{"kind": "die"}', **{ID: session}).status == 502
    wait_until(lambda: server.ping() == 200)
    found = server.ask(session, "session")["session"]
    assert found == {"total": 7, "last": "words"}


def test_sessions_outlive_a_reload_and_a_stop(tmp_path: Path) -> None:
    """State is in the folder that the variable names: who serves there next has it."""
    with Stateful(tmp_path) as server:
        server.wait_ready()
        session = server.open()
        first = server.ask(session, "add", number=1)["pid"]
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not Path(f"/proc/{first}").exists(), timeout=20)
        assert server.ask(session, "add", number=1)["total"] == 2
        assert server.stop() == 0
    assert oct(server.state.stat().st_mode)[-3:] == "700"
    with server:
        server.wait_ready()
        assert server.ask(session, "add", number=1)["total"] == 3


def test_sessions_end_in_time_and_in_number(tmp_path: Path) -> None:
    """After its seconds a session is unknown, and its state is removed; one more than the limit is a 503."""
    variables = {"SAGEMAKER_SESSIONS_EXPIRATION": "2", "SAGEMAKER_SESSIONS_LIMIT": "2"}
    with Stateful(tmp_path, **variables) as server:
        server.wait_ready()
        session = server.open()
        server.open()
        full = server.invoke('{"requestType": "NEW_SESSION"}')
        assert (full.status, full.error["code"]) == (503, "too_many_sessions")
        wait_until(lambda: server.invoke('{"kind": "session"}', **{ID: session}).status == 400)
        assert_not_found(server.invoke('{"kind": "session"}', **{ID: session}))
        wait_until(lambda: server.invoke('{"requestType": "NEW_SESSION"}').status == 200)
        assert len(list(server.state.iterdir())) <= 2


def test_server_without_sessions(tmp_path: Path) -> None:
    """A handler of the user's gets such requests as they are: it may keep sessions of its own."""
    with Stateful(tmp_path, SAGEMAKER_ENABLE_STATEFUL_SESSIONS="false") as server:
        server.wait_ready()
        assert server.ask("NEW_SESSION", "session")["session"] is None
        assert not server.state.exists()


@pytest.mark.parametrize("kind", ["link", "file", "no room"])
def test_folders_that_cannot_hold_sessions(tmp_path: Path, kind: str) -> None:
    """The start ends with 78, and names the variable."""
    path = tmp_path / "state"
    if kind == "link":
        path.symlink_to(tmp_path)
    elif kind == "file":
        path.touch()
    else:
        path = Path("/proc/state")
    with Stateful(tmp_path, SAGEMAKER_SESSIONS_PATH=str(path)) as server:
        assert server.process.wait(30) == 78
        assert "SAGEMAKER_SESSIONS_PATH" in server.text


def test_several_models_have_sessions_of_their_own(tmp_path: Path) -> None:
    """A session of one model is none of another's, and an unload removes what was kept for it."""
    handler = (PROJECTS / "stateful/inference.py").read_text()
    server = ModelsServer(tmp_path, SAGEMAKER_ENABLE_STATEFUL_SESSIONS="true")
    with server:
        server.wait_ready()
        for name in ("a", "b"):
            server.write(name, handler)
            assert server.load(name).status == 200
        session = opened(server.ask("a", '{"requestType": "NEW_SESSION"}'))
        add = '{"kind": "add", "number": 1}'
        assert json.loads(server.ask("a", add, **{ID: session}).body)["total"] == 1
        assert_not_found(server.ask("b", add, **{ID: session}))
        (state,) = [Path(parent) for parent, names, _ in os.walk(server.temporary) if session in names]
        assert server.unload("a").status == 200
        assert not state.exists()

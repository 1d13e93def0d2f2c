"""The whole server: real nginx, real gunicorn, real signals."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from tests.serve.running import Answer, Server, children_of, require_nginx
from tests.support import is_alive, wait_until, within

from mlberth.process.signals import ONE_PRESS_SECONDS


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    return [pid, *[below for child in children_of(pid) for below in tree(child)]]


def test_answers_and_stops(tmp_path: Path, front: str) -> None:
    """A ready server predicts, and a stop signal ends all of it with exit code 0 and nothing left."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        answer = server.invoke("1,2")
        assert (answer.status, answer.body) == (200, b"1,2")
        pids = tree(server.process.pid)
        chosen = os.sched_getscheduler(0)
        expected = os.SCHED_BATCH if chosen == os.SCHED_OTHER else chosen
        assert {os.sched_getscheduler(pid) for pid in pids} == {expected}
        assert server.stop() == 0
        assert not any(is_alive(pid) for pid in pids)
        assert not server.is_open()
        assert list(server.temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_each_stop_signal_stops(tmp_path: Path, number: signal.Signals) -> None:
    """SIGINT and SIGQUIT stop as SIGTERM does."""
    with Server(tmp_path) as server:
        assert server.wait_ready().stop(number) == 0


def test_what_is_lost_without_nginx_is_said(tmp_path: Path) -> None:
    """One line of the log says why gunicorn answers alone, and what that costs."""
    with Server(tmp_path, PATH="/nowhere") as server:
        server.wait_ready()
        (line,) = [line for line in server.text.splitlines() if "answers alone" in line]
        assert "nginx is not on PATH" in line
        assert server.request("POST", "/ping", b"").status in (404, 405)


def test_ping_tells_that_the_model_is_loading(tmp_path: Path) -> None:
    """Nginx answers before the model is loaded: 503 with the cause, to /ping and to predictions."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path, STANDIN_GATE=str(gate)) as server:
        wait_until(lambda: server.ping() == 503)
        assert server.request("GET", "/ping").error["code"] == "loading"
        answer = server.invoke("1")
        assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (503, "not_ready", "1")
        gate.touch()
        server.wait_ready()
        assert server.invoke("1").status == 200


def test_stop_while_loading(tmp_path: Path, front: str) -> None:
    """A stop does not wait for a model that is still being loaded."""
    loads = tmp_path / "loads"
    variables = {"STANDIN_GATE": str(tmp_path / "gate"), "STANDIN_LOADS": str(loads)}
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, **variables) as server:
        wait_until(loads.exists)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < within(4)


def test_stop_while_a_worker_is_forked(tmp_path: Path, front: str) -> None:
    """A worker that is told to stop before it can listen to signals still stops."""
    forked = tmp_path / "forked"
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, STANDIN_FORK=str(forked)) as server:
        wait_until(forked.exists)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10


def invoke_and_wait(server: Server, touch: Path, gate: Path) -> tuple[threading.Thread, list[Answer]]:
    """Start a request that is in work once `touch` exists, and ends when `gate` does."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(server.invoke(f"touch-and-wait {touch} {gate}")))
    thread.start()
    wait_until(touch.exists)
    return thread, answers


def test_request_in_work_is_answered_in_a_stop(tmp_path: Path, front: str) -> None:
    """A stop waits for the request that a worker is at."""
    gate = tmp_path / "gate"
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        thread, answers = invoke_and_wait(server.wait_ready(), tmp_path / "began", gate)
        server.process.terminate()
        wait_until(lambda: "stopping" in server.text)
        gate.touch()
        thread.join(20)
        assert server.process.wait(20) == 0
        assert [answer.status for answer in answers] == [200]


def test_a_slow_load_is_told(tmp_path: Path) -> None:
    """While a model loads the log says so, again and again; here a second is a hundred."""

    class HastyServer(Server):
        haste = 100

    with HastyServer(tmp_path, STANDIN_GATE=str(tmp_path / "gate")) as server:
        wait_until(lambda: server.text.count("s: the model is being loaded") > 1)
        lines = [line for line in server.text.splitlines() if "still loading" in line]
        assert all(" INFO mlberth_serve" in line for line in lines)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_kills(tmp_path: Path, front: str, first: signal.Signals) -> None:
    """The first says how long the stop may take; the second ends it, whatever is in work."""
    delay = {"SAGEMAKER_STOP_GRACE_SECONDS": "60", "SAGEMAKER_STOP_DELAY_SECONDS": "50"}
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, **delay) as server:
        with socket.create_connection(("127.0.0.1", server.wait_ready().port)) as client:
            body = f"touch-and-wait {tmp_path / 'began'} {tmp_path / 'never'}".encode()
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            wait_until((tmp_path / "began").exists)
        began = time.monotonic()
        server.process.send_signal(first)
        wait_until(lambda: "stopping, in 60 s at most; a second Ctrl-C kills" in server.text)
        seen = time.monotonic()  # a SIGINT within a moment of the first signal is the same key
        wait_until(lambda: time.monotonic() - seen > 2 * ONE_PRESS_SECONDS)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 40
        assert "had not ended by then" in server.text
        assert not server.is_open()


def test_requests_that_wait_are_answered_in_a_stop(tmp_path: Path) -> None:
    """Behind nginx a stop also answers what no worker had begun."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        thread, answers = invoke_and_wait(server.wait_ready(), tmp_path / "began", gate)
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
        for client in clients:
            client.settimeout(20)
            client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
        # nginx has read the requests once its side of every connection has nothing left to read.
        wait_until(lambda: unread_by_server(server.port) == 0)
        server.process.terminate()
        wait_until(lambda: not server.is_open())
        gate.touch()
        assert [client.recv(4096)[:15] for client in clients] == [b"HTTP/1.1 200 OK"] * 8
        for client in clients:
            client.close()
        thread.join(20)
        assert server.process.wait(20) == 0
        assert [answer.status for answer in answers] == [200]


def unread_by_server(port: int) -> int:
    """Return how many bytes the server's connections hold that it has not read."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = f":{port:04X}"
    return sum(int(fields[4].split(":")[1], 16) for fields in lines if fields[1].endswith(local))


def test_grace_is_the_longest_that_a_stop_takes(tmp_path: Path, front: str) -> None:
    """A request that does not end is cut off before the grace is over, and nothing is left."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_STOP_GRACE_SECONDS="1") as server:
        gate = tmp_path / "gate"
        thread = threading.Thread(target=try_to_invoke, args=(server, tmp_path / "began", gate))
        thread.start()
        wait_until((tmp_path / "began").exists)
        pids = tree(server.process.pid)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < within(4)
        assert not any(is_alive(pid) for pid in pids)
        thread.join(20)


def try_to_invoke(server: Server, touch: Path, gate: Path) -> None:
    """Send a request whose connection may break off."""
    try:
        server.wait_ready().invoke(f"touch-and-wait {touch} {gate}")
    except (OSError, EOFError):
        return


def test_delay_serves_on_while_ping_says_stopping(tmp_path: Path, front: str) -> None:
    """In the stop delay requests are still answered; a second signal ends the delay."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_STOP_DELAY_SECONDS="20") as server:
        server.wait_ready()
        server.process.terminate()
        wait_until(lambda: server.ping() == 503)
        assert server.request("GET", "/ping").error["code"] == "stopping"
        assert server.invoke("1").status == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < within(3)


@pytest.mark.parametrize("victim", ["nginx", "gunicorn"])
def test_first_child_to_die_ends_the_server(tmp_path: Path, victim: str) -> None:
    """Where nginx or gunicorn is killed, the other is ended, and the exit code says so within 2 s."""
    require_nginx()
    with Server(tmp_path, SAGEMAKER_LOG_FORMAT="json") as server:
        server.wait_ready()
        pids = tree(server.process.pid)
        began = time.monotonic()
        os.kill(server.children()[victim], signal.SIGKILL)
        assert server.process.wait(20) == 137
        assert time.monotonic() - began < within(2)
        assert not any(is_alive(pid) for pid in pids)
        assert server.failure["faults"][0]["where"] == victim
        assert server.failure["faults"][0]["found"] == "killed by SIGKILL"


def test_killed_supervisor_leaves_nothing_answering(tmp_path: Path, front: str) -> None:
    """Where the supervisor is killed, the port closes and every process ends within 2 s."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        pids = tree(server.process.pid)
        began = time.monotonic()
        server.process.kill()
        wait_until(lambda: not server.is_open() and not any(is_alive(pid) for pid in pids))
        assert time.monotonic() - began < within(2)


def test_killed_worker_is_replaced(tmp_path: Path, front: str) -> None:
    """A worker that dies is replaced from the loaded model, and the server lives on."""
    loads = tmp_path / "loads"
    variables = {"STANDIN_LOADS": str(loads), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, **variables) as server:
        server.wait_ready()
        try_to_die(server)
        server.wait_ready()
        wait_until(lambda: can_invoke(server))
        assert len(loads.read_text().splitlines()) == 1


def try_to_die(server: Server) -> None:
    """Send a request that kills its worker."""
    try:
        answer = server.invoke("die")
    except OSError:  # without nginx the connection just ends
        return
    assert (answer.status, answer.error["code"]) in [(502, "worker_died"), (503, "not_ready")]


def can_invoke(server: Server) -> bool:
    """Tell whether a prediction is answered."""
    try:
        return server.invoke("1").status == 200
    except OSError:
        return False


def test_hung_request_is_504_and_its_worker_replaced(tmp_path: Path) -> None:
    """Nginx answers at the timeout, and the worker is free again soon after."""
    require_nginx()
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, **variables) as server:
        server.wait_ready()
        answer = server.invoke(f"touch-and-wait {tmp_path / 'began'} {tmp_path / 'never'}")
        assert (answer.status, answer.error["code"]) == (504, "timeout")
        assert server.ping() == 200
        wait_until(lambda: server.invoke("1").status == 200)

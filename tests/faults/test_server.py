"""Overload, stops and reloads of the whole server under load."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.faults.load import FAULTY, LONG, Load, Pings, report, wait_for_answers
from tests.serve.running import Server, require_nginx
from tests.support import is_alive, wait_until


@pytest.fixture(autouse=True)
def _nginx() -> None:
    require_nginx()


def test_overload_is_refused_early(tmp_path: Path) -> None:
    """Ten times what can be served: the surplus gets 503 at once, the rest is served, ping is quick."""
    seconds = 30 if LONG else 3
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT="8") as server:
        server.wait_ready()
        answer_refused = None
        with Pings(server) as pings, Load(server, clients=80, command="sleep 0.05", backoff=0.5) as load:
            began = time.monotonic()
            wait_until(lambda: load.count > 20)
            while answer_refused is None:
                answer = server.invoke("1")
                answer_refused = answer if answer.status == 503 else None
            wait_until(lambda: time.monotonic() - began > seconds, timeout=60)
            goodput = load.count / (time.monotonic() - began)
        quick = sorted(load.refused)[len(load.refused) // 2]
    report("overload x 10", n=load.count, failed=len(load.failures), recovery=quick, ping_max=pings.slowest)
    assert answer_refused.error["code"] == "overloaded"
    assert answer_refused.headers["Retry-After"] == "1"
    assert answer_refused.headers["X-Request-Id"] == answer_refused.error["request_id"]
    assert load.failures == []
    assert load.refused
    assert quick < 0.05
    assert goodput > 0.8 * 2 / 0.05
    assert pings.statuses == {200}
    assert pings.slowest < 2


def test_many_clients_are_not_overload(tmp_path: Path) -> None:
    """64 clients on two workers are never refused."""
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        with Pings(server) as pings, Load(server, clients=64) as load:
            wait_for_answers(load, 20_000 if LONG else 1000)
    report("64 clients", n=load.count, failed=len(load.failures), ping_max=pings.slowest)
    assert load.failures == []


def test_batch_transform_is_never_refused(tmp_path: Path) -> None:
    """SAGEMAKER_BATCH takes the limit away, whatever it was set to."""
    variables = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT": "1"}
    with Server(tmp_path, FAULTY, **variables) as server, Load(server.wait_ready(), clients=16) as load:
        wait_for_answers(load, 300)
    report("batch", n=load.count, failed=len(load.failures))
    assert load.failures == []


def test_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM: what was accepted is answered, and the exit code is 0 within the grace."""
    count = failed = 0
    slowest = 0.0
    for _ in range(200 if LONG else 3):
        with (
            Server(tmp_path, FAULTY) as server,
            Load(server.wait_ready(), clients=8, command="sleep 0.02", keep=False) as load,
        ):
            wait_for_answers(load, 50)
            began = time.monotonic()
            assert server.stop() == 0
            slowest = max(slowest, time.monotonic() - began)
            load.ended.set()
        count, failed = count + load.count, failed + len(load.failures)
        assert load.failures == []
    report("SIGTERM", n=count, failed=failed, recovery=slowest)
    assert slowest < 25


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda s: s.name)
def test_two_stop_signals_are_one_stop(tmp_path: Path, second: signal.Signals) -> None:
    """The second changes nothing: the request in work is answered, the exit code is 0, nothing is left."""
    with (
        Server(tmp_path, FAULTY) as server,
        Load(server.wait_ready(), command="sleep 0.3", keep=False) as load,
    ):
        wait_for_answers(load, 1)
        children = server.children().values()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in server.text)
        assert server.stop(second) == 0
        load.ended.set()
    report(f"SIGTERM, {second.name}", n=load.count, failed=len(load.failures))
    assert load.failures == []
    assert not any(is_alive(child) for child in children)


def test_reload_under_load_loses_nothing(tmp_path: Path) -> None:
    """SIGHUP swaps model and code while every request is answered, and leaves no old process."""
    model = tmp_path / "model"
    model.write_text("0")
    slowest = 0.0
    with Server(tmp_path, FAULTY, FAULTY_MODEL=str(model)) as server:
        with Pings(server.wait_ready()) as pings, Load(server) as load:
            for number in range(1, 101 if LONG else 4):
                old = server.children()["gunicorn"]
                model.write_text(str(number))
                began = time.monotonic()
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: server.invoke("model").body == str(number).encode())  # noqa: B023
                slowest = max(slowest, time.monotonic() - began)
                wait_until(lambda: not is_alive(old))  # noqa: B023
                wait_for_answers(load, 20)
        (folder,) = server.temporary.iterdir()
        wait_until(lambda: len([path for path in folder.iterdir() if path.name.isdigit()]) == 1)
    report("SIGHUP", n=load.count, failed=len(load.failures), recovery=slowest, ping_max=pings.slowest)
    assert load.failures == []
    assert pings.statuses == {200}


def test_reload_that_fails_keeps_the_old_model(tmp_path: Path) -> None:
    """The cause is one line of the log, requests are answered all the time, and a later reload works."""
    model = tmp_path / "model"
    model.write_text("old")
    with Server(tmp_path, FAULTY, FAULTY_MODEL=str(model)) as server:
        with Pings(server.wait_ready()) as pings, Load(server) as load:
            model.unlink()
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "reload failed" in server.text)
            assert server.invoke("model").body == b"old"
            model.write_text("new")
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: server.invoke("model").body == b"new")
        assert "FileNotFoundError" in server.text
        assert server.stop() == 0
    report("SIGHUP, no model", n=load.count, failed=len(load.failures), ping_max=pings.slowest)
    assert load.failures == []
    assert pings.statuses == {200}


def test_stop_in_a_reload(tmp_path: Path) -> None:
    """A stop ends the server that loads as well as the one that serves."""
    with Server(tmp_path, FAULTY, FAULTY_LOAD_SECONDS="1") as server:
        server.wait_ready().process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloading" in server.text)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert list(server.temporary.iterdir()) == []


def test_reload_needs_nginx(tmp_path: Path) -> None:
    """Without it SIGHUP is refused in the log, and the server goes on."""
    with Server(tmp_path, FAULTY, SAGEMAKER_USE_NGINX="false") as server:
        server.wait_ready().process.send_signal(signal.SIGHUP)
        wait_until(lambda: "nothing is reloaded" in server.text)
        assert server.invoke("1").status == 200

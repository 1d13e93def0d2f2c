"""Deaths, stops and reloads of the whole server under load."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from tests.faults.load import (
    FAULTY,
    LONG,
    PATIENCE,
    Load,
    Pings,
    processes,
    report,
    unnoticed,
    wait_for_answers,
)
from tests.serve.running import Server
from tests.support import is_alive, wait_until

TRIES = 3


pytestmark = pytest.mark.usefixtures("nginx")


def check_death(folder: Path, fault: str, victim: str) -> None:
    """Kill a master, or the supervisor: within two seconds nothing is left, and the port is shut."""
    for attempt in range(TRIES):
        place = folder / str(attempt)
        place.mkdir()
        with Server(place, FAULTY) as server, Load(server.wait_ready(), keep=False) as load:
            wait_for_answers(load, 20)
            all_of_it = processes(server)
            os.kill(server.children().get(victim, server.process.pid), signal.SIGKILL)
            began = time.monotonic()
            code = server.process.wait(PATIENCE)
            wait_until(lambda: not any(map(is_alive, all_of_it)), timeout=PATIENCE)  # noqa: B023
            took = time.monotonic() - began
            assert not server.is_open()
            load.ended.set()
        assert code != 0
        if took < 2:
            break
    report(fault, n=len(all_of_it), failed=sum(map(is_alive, all_of_it)), recovery=took)
    assert took < (2 if LONG else 10)


def test_20_death_of_gunicorn_ends_all(tmp_path: Path) -> None:
    """No nginx is left that would answer 502 for ever."""
    check_death(tmp_path, "kill -9 of gunicorn's master", "gunicorn")


def test_21_death_of_nginx_ends_all(tmp_path: Path) -> None:
    """No orphan of nginx answers on."""
    check_death(tmp_path, "kill -9 of nginx's master", "nginx")


def test_23b_death_of_the_supervisor_ends_all(tmp_path: Path) -> None:
    """The kernel's death signals end what nobody watches any more."""
    check_death(tmp_path, "kill -9 of the supervisor", "supervisor")


def test_22_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM: what was accepted is answered, and the exit code is 0 within the grace."""
    count = failed = 0
    slowest = 0.0
    for number in range(200 if LONG else 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        with (
            Server(folder, FAULTY) as server,
            Load(server.wait_ready(), clients=8, command="sleep 0.02", keep=False) as load,
        ):
            wait_for_answers(load, 50)
            began = time.monotonic()
            assert server.stop() == 0
            slowest = max(slowest, time.monotonic() - began)
            load.ended.set()
        count, failed = count + load.count, failed + len(load.failures)
        assert load.failures == []
    report("SIGTERM under load", n=count, failed=failed, recovery=slowest, stops=number + 1)
    assert slowest < 25


def test_22_idle_server_stops_within_a_second(tmp_path: Path) -> None:
    """Nobody waits for a grace that nobody needs."""
    for attempt in range(TRIES):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with Server(folder, FAULTY) as server:
            server.wait_ready()
            began = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - began
        if took < 1:
            break
    report("SIGTERM, idle", n=1, failed=0, recovery=took)
    assert took < (1 if LONG else 5)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda s: s.name)
def test_23_two_stop_signals_are_one_stop(tmp_path: Path, second: signal.Signals) -> None:
    """The second changes nothing: the request in work is answered, the exit code is 0, nothing is left."""
    with (
        Server(tmp_path, FAULTY) as server,
        Load(server.wait_ready(), command="sleep 0.3", keep=False) as load,
    ):
        wait_for_answers(load, 1)
        everybody = processes(server)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in server.text, timeout=PATIENCE)
        assert server.stop(second) == 0
        took = time.monotonic() - began
        load.ended.set()
    unnoticed(f"SIGTERM, then {second.name}", load, recovery=took)
    assert not any(map(is_alive, everybody))


def test_24_reload_under_load_loses_nothing(tmp_path: Path) -> None:
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
                new = str(number).encode()
                wait_until(lambda: server.invoke("model").body == new, timeout=PATIENCE)  # noqa: B023
                slowest = max(slowest, time.monotonic() - began)
                wait_until(lambda: not is_alive(old), timeout=PATIENCE)  # noqa: B023
                wait_for_answers(load, 100 if LONG else 20)
        (folder,) = server.temporary.iterdir()
        wait_until(lambda: len([path for path in folder.iterdir() if path.name.isdigit()]) == 1)
    unnoticed("SIGHUP under load", load, pings, recovery=slowest, reloads=number)


def test_24_reload_that_fails_keeps_the_old_model(tmp_path: Path) -> None:
    """The cause is one line of the log, requests are answered all the time, and a later reload works."""
    model = tmp_path / "model"
    model.write_text("old")
    with Server(tmp_path, FAULTY, FAULTY_MODEL=str(model)) as server:
        with Pings(server.wait_ready()) as pings, Load(server) as load:
            model.unlink()
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "reload failed" in server.text, timeout=PATIENCE)
            assert server.invoke("model").body == b"old"
            model.write_text("new")
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: server.invoke("model").body == b"new", timeout=PATIENCE)
        assert "FileNotFoundError" in server.text
        assert server.stop() == 0
    unnoticed("SIGHUP, and the model does not load", load, pings)


def test_24_stop_in_a_reload(tmp_path: Path) -> None:
    """A stop ends the server that loads as well as the one that serves."""
    with Server(tmp_path, FAULTY, FAULTY_LOAD_SECONDS="1") as server:
        server.wait_ready().process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloading" in server.text, timeout=PATIENCE)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 15
        assert list(server.temporary.iterdir()) == []


def test_24_reload_needs_nginx(tmp_path: Path) -> None:
    """Without it SIGHUP is refused in the log, and the server goes on."""
    with Server(tmp_path, FAULTY, SAGEMAKER_USE_NGINX="false") as server:
        server.wait_ready().process.send_signal(signal.SIGHUP)
        wait_until(lambda: "nothing is reloaded" in server.text, timeout=PATIENCE)
        assert server.invoke("1").status == 200

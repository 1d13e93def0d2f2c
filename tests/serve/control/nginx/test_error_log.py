"""nginx's own lines in the log of ours."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path

import pytest
from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until

from mlberth_serve.control.nginx.error_log import NginxErrorLog


def test_lines_become_records(caplog: pytest.LogCaptureFixture) -> None:
    """Level and message are told apart; a line may come in pieces, and one of another form is kept."""
    nginx = NginxErrorLog()
    written = [
        b"2026/11/20 17:37:39 [alert] 8117#8117: worker process 8119 exited\n",
        b'2026/11/20 17:37:40 [warn] 1#2: *3 "\xff"',
        b"\nnginx: [emerg] bind() failed\n",
    ]
    with caplog.at_level(logging.DEBUG, logger="nginx"):
        for piece in written:
            os.write(nginx.writer, piece)
            nginx.forward()
    nginx.close_writer()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("CRITICAL", "worker process 8119 exited"),
        ("WARNING", '*3 "\ufffd"'),
        ("ERROR", "nginx: [emerg] bind() failed"),
    ]


def test_log_in_json_has_no_other_line(tmp_path: Path) -> None:
    """With nginx's errors in it, the whole log is one JSON object a line."""
    require_nginx()
    with Server(tmp_path, SAGEMAKER_LOG_FORMAT="json") as server:
        server.wait_ready()
        os.kill(children_of(server.children()["nginx"])[0], signal.SIGKILL)
        wait_until(lambda: "exited on signal 9" in server.text, timeout=20)
        assert server.stop() == 0
        events = [json.loads(line) for line in server.text.splitlines()]
    (alert,) = [event for event in events if "exited on signal 9" in event["message"]]
    assert (alert["logger"], alert["level"]) == ("nginx", "CRITICAL")


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        ('*1 x, client: ::1, request: "POST /ping?a=SECRET HTTP/1.1", host: "a"', 'request: "POST /ping?...'),
        ('*1 x, client: ::1, request: "POST /ping?a="SECRET", host: "b?SECRET"', 'request: "POST /ping?...'),
        ('*1 x, client: ::1, request: "GET /", upstream: "http://app/x?SECRET"', 'upstream: "http://app/x?...'),
        ('*1 x, client: ::1, request: "GET / HTTP/1.1", referrer: "http://b/?SECRET"', 'referrer: "http://b/?...'),
        ('*1 invalid header: "X?SECRET" while reading, client: 1.2.3.4', 'invalid header: "X?...'),
        ('pcre_compile() failed: in "(?P<x>"', 'pcre_compile() failed: in "(?P<x>"'),
    ],
)  # fmt: skip
def test_queries_are_cut_off(caplog: pytest.LogCaptureFixture, line: str, logged: str) -> None:
    """Of a request nothing is kept from the first question mark on, whatever quotes its client sends."""
    nginx = NginxErrorLog()
    with caplog.at_level(logging.DEBUG, logger="nginx"):
        os.write(nginx.writer, f"2026/11/20 17:37:39 [crit] 1#1: {line}\n".encode())
        nginx.forward()
    nginx.close_writer()
    (record,) = caplog.records
    assert record.getMessage().endswith(logged)
    assert "SECRET" not in record.getMessage()


def test_nginx_cannot_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Of many errors within a second the first are logged, and how many there were beside them."""
    now = [10.0]
    nginx = NginxErrorLog(clock=lambda: now[0])
    with caplog.at_level(logging.DEBUG, logger="nginx"):
        for number in range(1000):
            os.write(nginx.writer, b"2026/11/20 17:37:39 [alert] 1#1: *%d no connection\n" % number)
        nginx.forward()
        now[0] += 1
        nginx.forward()
        os.write(nginx.writer, b"2026/11/20 17:37:40 [alert] 1#1: again\n")
        nginx.forward()
    nginx.close_writer()
    said = [record.getMessage() for record in caplog.records]
    assert said[:20] == [f"*{number} no connection" for number in range(20)]
    assert said[20:] == ["980 more lines of nginx's are left out", "again"]


def test_nginx_never_waits_for_us() -> None:
    """The pipe takes what it has room for; nginx goes on where it is full."""
    nginx = NginxErrorLog()
    assert not os.get_blocking(nginx.writer)
    nginx.close_writer()


def test_requests_while_the_model_loads_leave_no_line(tmp_path: Path) -> None:
    """That nobody listens behind nginx yet is no news, and wakes nobody up."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path, STANDIN_GATE=str(gate)) as server:
        wait_until(server.is_open)
        for path in ("/invocations", "/execution-parameters", "/openapi.json"):
            answer = server.request("POST" if path == "/invocations" else "GET", path)
            assert (answer.status, answer.error["code"]) == (503, "not_ready")
        gate.touch()
        server.wait_ready()
        assert "nginx: " not in server.text
        assert "CRITICAL" not in server.text

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

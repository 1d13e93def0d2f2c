"""Bodies that are larger than the limit, as a live server meets them."""

from __future__ import annotations

import contextlib
import shutil
import socket
from pathlib import Path

from tests.serve.raw import split_answers
from tests.serve.running import PROJECTS, Server, children_of

from mlberth.contract.resources import read_resident

MB = 1 << 20
SENT_MB = 64
"""So much that it would be seen if anybody kept it."""
SPARE_MB = 24


def processes(pid: int) -> list[int]:
    """Return a process and everything below it."""
    return [pid, *[below for child in children_of(pid) for below in processes(child)]]


def test_chunked_body_over_the_limit_takes_no_memory(tmp_path: Path, front: str) -> None:
    """It is refused at the limit: no process grows with what a client goes on sending."""
    shutil.copytree(PROJECTS / "predict_only", tmp_path / "ml/model")
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"}
    with Server(tmp_path, "mlberth_serve.wsgi:application", **variables) as server:
        server.wait_ready()
        pids = processes(server.process.pid)
        before = {pid: read_resident(pid) or 0 for pid in pids}
        maximum = dict(before)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            client.sendall(
                b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            piece = b"%x\r\n%b\r\n" % (MB, b"1" * MB)
            with contextlib.suppress(ConnectionError):
                for _ in range(SENT_MB):
                    client.sendall(piece)
                    maximum = {pid: max(maximum[pid], read_resident(pid) or 0) for pid in pids}
                client.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionError):
                while data := client.recv(65536):
                    received += data
        assert {pid for pid in pids if maximum[pid] - before[pid] > SPARE_MB * MB} == set()
        # The answer is lost where the client was still sending when the connection was closed.
        assert [answer.status for answer in split_answers(received)] in ([413], [])
        assert server.invoke("1,2", **{"Content-Type": "text/csv"}).status == 200

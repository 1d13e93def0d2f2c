"""Compressed bodies over the whole way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.serve.running import Server, require_nginx

HANDLER = """
def model_fn(model_dir):
    return None


def predict_fn(data, model):
    return data
"""


@pytest.mark.parametrize("front", ["true", "false"])
def test_gzip_both_ways(tmp_path: Path, front: str) -> None:
    """A gzip body is understood everywhere; nginx compresses a long answer for a client that asks."""
    if front == "true":
        require_nginx()
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)
    numbers = list(range(2000))
    body = gzip.compress(json.dumps(numbers).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"}
    with Server(tmp_path, "mlberth_serve.wsgi:application", **variables) as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", body, headers)
        assert (answer.status, json.loads(answer.body)) == (200, numbers)
        assert answer.headers["Content-Encoding"] is None
        answer = server.request("POST", "/invocations", body, headers | {"Accept-Encoding": "gzip, br"})
        if front == "true":
            assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
            assert json.loads(gzip.decompress(answer.body)) == numbers
        bomb = gzip.compress(bytes(2 * 1024 * 1024))
        assert server.request("POST", "/invocations", bomb, headers).status == 413
        assert (
            server.request("POST", "/invocations", b"[1]", headers | {"Content-Encoding": "br"}).status == 415
        )

"""What a whole server logs of its requests, with nginx and without."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.serve.running import Server, require_nginx
from tests.support import free_port, wait_until

APPLICATION = "mlberth_serve.wsgi:application"
CANARY = "canary-5f1d0c"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HANDLER = """
def model_fn(model_dir):
    return 1


def predict_fn(data, model, context):
    context.logger.warning("said %s", context.headers["X-Note"])
    if data[0] < 0:
        raise ValueError("less than nothing")
    return [int(context.trace_id, 16) % 1000]
"""
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
QUOTES = 'a"}\\,{"level":"forged"'
# What else a client can bring into a header: bytes beyond ASCII, one of which some terminals obey.
HOSTILE = 'a"}\\ \xe9\x9b[31m,{"level":"forged"'


def start(folder: Path, **variables: str) -> Server:
    """Return a server over the handler, with a secret in its environment."""
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    return Server(folder, APPLICATION, API_TOKEN=CANARY, **variables)


def predict(server: Server, body: bytes, headers: dict[str, str]) -> str:
    """Send a prediction; returns the request's id."""
    sent = {"Content-Type": "application/json", "X-Note": "x", "Authorization": f"Bearer {CANARY}", **headers}
    answer = server.request("POST", f"/invocations?token={CANARY}", body, sent)
    assert answer.status == (200 if body == b"[1]" else 500)
    assert not any("trace" in name.lower() for name in answer.headers)
    return str(answer.headers["X-Request-Id"])


def entries(server: Server, logger: str) -> list[dict[str, Any]]:
    """Return the JSON lines of one logger; every line of the log has to be one."""
    return [one for line in server.text.splitlines() if (one := json.loads(line))["logger"] == logger]


def test_json_lines_survive_hostile_headers(tmp_path: Path, front: str) -> None:
    """Every line is one JSON object, whatever a client sends, and none holds a secret."""
    with start(
        tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_LOG_FORMAT="json", SAGEMAKER_ACCESS_LOG="1"
    ) as server:
        server.wait_ready()
        header = f"00-{TRACE}-00f067aa0ba902b7-01"
        first = predict(server, b"[1]", {"traceparent": header, INFERENCE_ID: "mine"})
        second = predict(server, b"[-1]", {"traceparent": "00-x", INFERENCE_ID: QUOTES, "X-Note": HOSTILE})
        predict(server, b"[1]", {INFERENCE_ID: HOSTILE})
        wait_until(lambda: len(entries(server, "access")) == 3, message=server.text)
        good, bad, foreign = entries(server, "access")
        assert (good["method"], good["path"], good["status"]) == ("POST", "/invocations", 200)
        assert good["message"] == "POST /invocations 200"
        assert [one["level"] for one in (good, bad, foreign)] == ["INFO", "ERROR", "INFO"]
        assert {one["client"] for one in (good, bad, foreign)} == {"127.0.0.1"}
        assert all(re.fullmatch(TIME, one["time"]) for one in map(json.loads, server.text.splitlines()))
        assert (good["request_id"], good["inference_id"], good["trace_id"]) == (first, "mine", TRACE)
        assert 0 <= good["seconds"] < 10
        assert good["bytes"] > 0
        assert (bad["request_id"], bad["status"]) == (second, 500)
        assert bad["inference_id"] == QUOTES
        assert foreign["inference_id"] in ("unprintable", HOSTILE)
        assert re.fullmatch("[0-9a-f]{32}", bad["trace_id"])
        (failed,) = [
            one for one in entries(server, "mlberth_serve.app.application") if one["level"] == "ERROR"
        ]
        assert (failed["request_id"], failed["trace_id"]) == (second, bad["trace_id"])
        assert "ValueError: less than nothing" in failed["exception"]
        notes = [one for one in entries(server, "handler") if one["level"] == "WARNING"]
        assert [one["request_id"] for one in notes][:2] == [first, second]
        assert HOSTILE in notes[1]["message"]
        assert entries(server, "gunicorn")
        assert server.stop() == 0
        assert entries(server, "mlberth_serve.control.supervisor")[-1]["message"].startswith("stopped after")
        assert CANARY not in server.text


def test_text_lines_cannot_be_forged(tmp_path: Path, front: str) -> None:
    """As text, no byte of a request leaves its line or moves a cursor."""
    with start(tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_ACCESS_LOG="1") as server:
        server.wait_ready()
        predict(server, b"[1]", {INFERENCE_ID: QUOTES, "X-Note": HOSTILE})
        wait_until(lambda: " INFO access: " in server.text, message=server.text)
        lines = server.text.splitlines()
        (access,) = [line for line in lines if " INFO access: " in line]
        assert re.search(
            r'POST "/invocations" 200 \d+\.\d+ s \d+ bytes client 127.0.0.1 request "\w+" inference "a\\x22',
            access,
        )
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ", line) for line in lines)
        assert "\x9b" not in server.text
        assert CANARY not in server.text


def test_no_access_log_unless_asked_for(tmp_path: Path, front: str) -> None:
    """Requests leave no line by default."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        before = server.text
        assert server.invoke("1").status == 200
        assert server.stop() == 0
        assert "/invocations" not in server.text.removeprefix(before)


def test_pings_and_scrapes_leave_no_line(tmp_path: Path, front: str) -> None:
    """A line is for requests of clients; what the platform asks all the time has none."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_ACCESS_LOG="1") as server:
        server.wait_ready()
        wait_until(lambda: server.request("GET", "/metrics").status == 200, message=server.text)
        pings = server.text.count("/ping")
        assert server.ping() == 200
        assert server.invoke("1").status == 200
        wait_until(lambda: '"/invocations" 200' in server.text, message=server.text)
        assert server.text.count("/ping") == pings
        assert '/metrics" 200' not in server.text


def test_level_is_gunicorns_too(tmp_path: Path) -> None:
    """At ERROR neither we nor gunicorn log a word of a good start and stop."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX="false", SAGEMAKER_CONTAINER_LOG_LEVEL="ERROR") as server:
        server.wait_ready()
        assert server.stop() == 0
        assert server.text == ""


def test_much_baggage(tmp_path: Path, front: str) -> None:
    """64 KB of baggage is refused, and the next request is answered."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nbaggage: "
            client.sendall(head + b"k=v," * 16384 + b"\r\n\r\n1")
            assert client.recv(4096).split()[1] in (b"400", b"431")
        assert server.invoke("1").status == 200


def test_method_and_level_are_those_of_the_request(tmp_path: Path, front: str) -> None:
    """What nginx, or a worker, refuses is logged with the method and the path that were sent."""
    variables = {
        "SAGEMAKER_LOG_FORMAT": "json",
        "SAGEMAKER_ACCESS_LOG": "1",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
    }
    sent = [
        ("DELETE", "/invocations", b"", 405),
        ("PUT", "/foo?token=x", b"", 404),
        ("TRACE", "/invocations", b"", 405),
        ("PROPFIND", "/", b"", 405),
        ("POST", "/invocations", b"1" * ((1 << 20) + 1), 413),
        ("OPTIONS", "/", b"", 200),
        ("GET", "/a%20b", b"", 404),
    ]
    with start(tmp_path, SAGEMAKER_USE_NGINX=front, **variables) as server:
        server.wait_ready()
        trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        ids = set()
        for method, path, body, status in sent:
            answer = server.request(method, path, body, trace)
            assert answer.status == status
            ids.add(answer.headers["X-Request-Id"])
        wait_until(lambda: len(entries(server, "access")) == len(sent), message=server.text)
        found = entries(server, "access")
    names = ("method", "path", "status", "level", "trace_id")
    # Sorted: each of several processes writes its own lines.
    assert sorted(tuple(one[name] for name in names) for one in found) == sorted(
        (method, path.partition("?")[0], status, "WARNING" if status >= 400 else "INFO", TRACE)
        for method, path, _, status in sent
    )
    assert {one["request_id"] for one in found} == ids or front == "false"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"SAGEMAKER_BIND_TO_PORT": "x", "SAGEMAKER_MODEL_SERVER_WORKERS": "0"}, 78),
        ({"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_USE_NGINX": "false"}, 78),
        ({"SAGEMAKER_BIND_TO_HOST": "203.0.113.1"}, 78),
        ({"SAGEMAKER_PROGRAM": "none.py"}, 78),
        ({"SAGEMAKER_TLS_CERT": "/none", "SAGEMAKER_TLS_KEY": "/none"}, 78),
        ({"SAGEMAKER_NGINX_CONF": "/none"}, 78),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_start_that_fails_has_the_form_of_every_line(
    tmp_path: Path, variables: dict[str, str], code: int
) -> None:
    """Whatever is wrong before anything runs, JSON is asked for and JSON comes, with the exit code in it."""
    require_nginx()
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path / "ml"), "SAGEMAKER_BIND_TO_HOST": "127.0.0.1"}
    environ |= {"SAGEMAKER_BIND_TO_PORT": str(free_port()), "SAGEMAKER_LOG_FORMAT": "JSON", **variables}
    serve = Path(sys.executable).parent / "serve"
    done = subprocess.run(
        [serve], env=os.environ | environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (code, "")
    *_, last = lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert all(re.fullmatch(TIME, line["time"]) for line in lines)
    assert (last["level"], last["event"], last["exit_code"]) == ("CRITICAL", "serve_failed", code)
    assert last["faults"]


def test_port_in_use_has_the_form_of_every_line(tmp_path: Path) -> None:
    """So has a port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        variables = {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
        environ = os.environ | variables | {"SAGEMAKER_LOG_FORMAT": "json"}
        serve = Path(sys.executable).parent / "serve"
        done = subprocess.run([serve], env=environ, capture_output=True, text=True, timeout=60, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, json.loads(line)["exit_code"], json.loads(line)["level"]) == (98, 98, "CRITICAL")


@pytest.mark.parametrize("requirement", ["no-such-package-at-all", "./package"])
def test_pip_has_the_form_of_every_line(tmp_path: Path, requirement: str) -> None:
    """What pip says of an install comes line by line as records, whether it succeeds or not."""
    code = tmp_path / "ml/model/code"
    (code / "package/nothing_at_all").mkdir(parents=True)
    (code / "package/pyproject.toml").write_text("[project]\nname = 'nothing-at-all'\nversion = '1'\n")
    (code / "package/nothing_at_all/__init__.py").touch()
    (code / "inference.py").write_text(
        "import warnings\n" + HANDLER.replace("return 1", "warnings.warn('old')")
    )
    (code / "requirements.txt").write_text(requirement)
    site = {"PIP_NO_INDEX": "1", "PIP_TARGET": str(tmp_path / "site")}
    with Server(tmp_path, APPLICATION, SAGEMAKER_LOG_FORMAT="json", **site) as server:
        wait_until(lambda: server.process.poll() is not None or server.ping() == 200, timeout=60)
        lines = [json.loads(line) for line in server.text.splitlines()]
    said = [line for line in lines if line["logger"] == "pip"]
    assert said
    assert all(re.fullmatch(TIME, line["time"]) for line in lines)
    assert any(line["level"] == "ERROR" for line in said) == (server.process.returncode == 69)

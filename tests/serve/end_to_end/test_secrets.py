"""Secrets of the environment in what `serve` writes: its log, its last line, and what it explains."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.serve.running import Server, require_nginx

from mlberth_serve.__main__ import main
from mlberth_serve.shared import failure_report

APPLICATION = "mlberth_serve.wsgi:application"
PASSWORD = "hunter2222 'x\\y\""
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B/AQ\n-----END KEY-----"
FAILS = """
import os
def model_fn(model_dir):
    password, key = os.environ["DB_PASSWORD"], os.environ["DEPLOY_KEY"]
    raise ValueError("cannot log in as bob with " + password, {"password": password, "key": key})
"""
LOGS = """
import base64, logging, os
def model_fn(model_dir):
    return None
def predict_fn(data, model, context):
    password = os.environ["DB_PASSWORD"]
    context.logger.warning("as it is %s, quoted %r", password, password)
    context.logger.warning("encoded %s", base64.b64encode(password.encode()).decode())
    raise ValueError(os.environ["DEPLOY_KEY"])
"""
FORMS = (
    "hunter2222",
    *KEY.splitlines(),
    "MIIEvQIB",
    base64.b64encode(PASSWORD.encode()).decode(),
)


def code(tmp_path: Path, text: str) -> None:
    """Write a handler."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(text)


@pytest.mark.parametrize("form", ["text", "json"])
def test_load_that_fails_tells_no_secret(tmp_path: Path, form: str) -> None:
    """The traceback in the log and the cause in the last line are without the values, as in `train`."""
    code(tmp_path, FAILS)
    secrets = {"DB_PASSWORD": PASSWORD, "DEPLOY_KEY": KEY, "SAGEMAKER_LOG_FORMAT": form}
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX="false", **secrets) as server:
        assert server.process.wait(60) == 65
        assert [part for part in FORMS if part in server.text] == []
        if form == "json":
            cause = server.failure["cause"]["exception"]
            assert cause.startswith("ValueError: ('cannot log in as bob with ***'")
        assert "cannot log in as bob with ***" in server.text


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_of_requests_tells_no_secret(tmp_path: Path, form: str) -> None:
    """What a handler logs, and the traceback of one that fails, are masked by value."""
    require_nginx()
    code(tmp_path, LOGS)
    secrets = {"DB_PASSWORD": PASSWORD, "DEPLOY_KEY": KEY, "SAGEMAKER_LOG_FORMAT": form}
    with Server(tmp_path, APPLICATION, **secrets) as server:
        server.wait_ready()
        assert server.invoke("[1]", **{"Content-Type": "application/json"}).status == 500
        assert server.stop() == 0
        assert "as it is ***, quoted" in server.text
        assert "encoded ***" in server.text
        assert "ValueError: ***" in server.text
        assert [part for part in FORMS if part in server.text] == []


def test_errors_before_the_start_tell_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the line of a faulty variable nor `--explain` repeats a value that is secret elsewhere."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("DB_PASSWORD", "hunter2222")
    monkeypatch.setenv("SAGEMAKER_SERVING_MODULE", "hunter2222 is none")
    assert main([]) == 78
    assert "SAGEMAKER_SERVING_MODULE: found '*** is none'" in capsys.readouterr().err
    monkeypatch.delenv("SAGEMAKER_SERVING_MODULE")
    monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "hunter2222")
    assert main(["--explain"]) == 0
    assert "hunter2222" not in capsys.readouterr().out


def test_cause_is_masked_before_it_is_json() -> None:
    """The cause stays JSON whatever is hidden in it, and short values hide nothing."""
    told = failure_report.describe(ValueError(f"it is {PASSWORD}, 1"), {PASSWORD, "1"})
    assert json.loads(told.line)["message"] == "it is ***, 1"

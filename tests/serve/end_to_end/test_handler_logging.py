"""What a handler logs in its own way, as the peers' servers show it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.serve.running import Server
from tests.support import wait_until

HANDLER = """
import logging
{setup}
own = logging.getLogger(__name__)
logging.info("line 1 of the import")

def model_fn(model_dir):
    own.info("line 2 of the load")
    own.debug("line of a level that is not shown")

def predict_fn(data, model):
    logging.getLogger().info("line 3 of a request")
    own.warning("line 4 of a request")
    return data
"""
LINES = ["line 1 of the import", "line 2 of the load", "line 3 of a request", "line 4 of a request"]


def serve(tmp_path: Path, setup: str = "", **variables: str) -> list[str]:
    """Return the lines of the log that are a handler's own, after one request."""
    code = tmp_path / "ml/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(HANDLER.format(setup=setup))
    more = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", **variables}
    with Server(tmp_path, application="mlberth_serve.wsgi:application", **more) as server:
        assert server.wait_ready().invoke("[1]").status == 200
        wait_until(lambda: LINES[3] in server.text)
    return [line for line in server.text.splitlines() if "line " in line and " of " in line]


def test_root_logger_is_shown_at_info(tmp_path: Path) -> None:
    """A record of the root logger, or of the module's own, is a line in our form, with its level."""
    lines = serve(tmp_path)
    assert [line.rpartition(": ")[2] for line in lines] == LINES
    assert " INFO root: " in lines[0]
    assert " INFO inference: " in lines[1]
    assert " WARNING inference: " in lines[3]


def test_in_json(tmp_path: Path) -> None:
    """In JSON it is an object as every other record, with the request's id."""
    records = [json.loads(line) for line in serve(tmp_path, SAGEMAKER_LOG_FORMAT="json")]
    assert [record["message"] for record in records] == LINES
    assert records[2]["request_id"] == records[3]["request_id"] != ""


@pytest.mark.parametrize("level", ["WARNING", "DEBUG"])
def test_level_is_the_containers(tmp_path: Path, level: str) -> None:
    """SAGEMAKER_CONTAINER_LOG_LEVEL holds for them too."""
    shown = [line.rpartition(": ")[2] for line in serve(tmp_path, SAGEMAKER_CONTAINER_LOG_LEVEL=level)]
    hidden = "line of a level that is not shown"
    assert shown == (LINES[3:] if level == "WARNING" else [*LINES[:2], hidden, *LINES[2:]])


def test_own_setup_wins(tmp_path: Path) -> None:
    """A handler that sets up logging itself gets its own form and level, once each line."""
    lines = serve(tmp_path, "logging.basicConfig(format='own %(message)s', level=logging.WARNING)")
    assert lines == [f"own {LINES[3]}"]

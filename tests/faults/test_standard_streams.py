"""A handler that harms the standard streams harms neither others nor the log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.serve.running import PROJECTS, Server
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
HARMS = [
    "close",
    "none",
    "deleted",
    "descriptors",
    "closed_file",
    "detached",
    "rewrapped",
    "detached_wrapper",
    "broken",
]


def start(folder: Path, front: str, **variables: str) -> Server:
    """Serve the handler that harms its own streams."""
    shutil.copytree(PROJECTS / "streams", folder / "ml/model")
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"} | variables
    return Server(folder, APPLICATION, **variables)


def ask(server: Server, text: str) -> tuple[int, bytes]:
    """Ask the handler."""
    answer = server.invoke(text, **{"Content-Type": "text/plain", "Accept": "application/json"})
    return answer.status, answer.body


def expect_print(server: Server, text: str) -> None:
    """Ask the handler to print on both streams until the log has it."""

    def is_there() -> bool:
        assert ask(server, f"print {text}") == (200, f'["print {text}"]'.encode())
        return f"\n{text}\n" in f"\n{server.text}"

    wait_until(is_there)


@pytest.mark.usefixtures("nginx")
@pytest.mark.parametrize("front", ["true", "false"], ids=["nginx", "gunicorn-alone"])
def test_streams_a_request_has_harmed_are_whole_for_the_next(tmp_path: Path, front: str) -> None:
    """After each way to lose a stream the next request prints, and its error is in the log."""
    with start(tmp_path, front) as server:
        server.wait_ready()
        for number, harm in enumerate(HARMS):
            assert ask(server, harm) == (200, f'["{harm}"]'.encode())
            assert ask(server, f"raise error-{number}")[0] == 500
            expect_print(server, f"text-{number}")
            assert f"ValueError: error-{number}" in server.text
        assert server.text.count("Booting worker") == 1, server.text


@pytest.mark.parametrize("mode", HARMS)
def test_streams_a_load_has_harmed_are_whole_for_requests(tmp_path: Path, mode: str) -> None:
    """In model_fn and the warm-up: the server starts, and what is printed arrives."""
    with start(tmp_path, "false", MODE=mode, SAGEMAKER_ACCESS_LOG="true") as server:
        server.wait_ready()
        expect_print(server, "text")
        wait_until(lambda: "/invocations" in server.text)
        assert server.text.count("Booting worker") == 1, server.text


def test_log_stays_ours_if_the_descriptors_are_replaced(tmp_path: Path) -> None:
    """A handler may send what C code prints elsewhere; errors and the access log are not lost with it."""
    with start(tmp_path, "false", MODE="elsewhere", SAGEMAKER_ACCESS_LOG="true") as server:
        server.wait_ready()
        assert ask(server, "print unseen")[0] == 200
        assert ask(server, "raise seen")[0] == 500
        wait_until(lambda: "ValueError: seen" in server.text and "/invocations" in server.text)
        assert "unseen" not in server.text

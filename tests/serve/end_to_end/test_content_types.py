"""What a handler is given through the whole server, with nginx and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serve.running import Server

HANDLER = """
def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return [content_type, len(body)]

def predict_fn(data, model):
    return data
"""


@pytest.fixture(scope="module")
def server(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a handler that answers with the content type and the size that it was given."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(folder, application="mlberth_serve.wsgi:application", **variables) as server:
        yield server.wait_ready()


@pytest.mark.parametrize(
    ("headers", "given"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x7"}, "multipart/form-data; boundary=x7"),
        ({"Content-Type": "audio/L16;rate=16000"}, "audio/L16;rate=16000"),
        ({"Content-Type": "JPEG"}, "JPEG"),
        ({"Content-Type": "application/json; charset=utf-8"}, "application/json"),
        ({"ContentType": "text/csv"}, "text/csv"),
        ({"ContentType": "text/csv", "Content-Type": "a/b"}, "a/b"),
        ({}, "application/json"),
    ],
)
@pytest.mark.parametrize("size", [0, 2, 3_000_000])
def test_types_and_bodies_arrive_as_they_were_sent(
    server: Server, headers: dict[str, str], given: str, size: int
) -> None:
    """Whatever the type is, and however small or large the body."""
    answer = server.request("POST", "/invocations", b"1" * size, headers)
    assert (answer.status, answer.body) == (200, f'["{given}",{size}]'.encode()), server.text

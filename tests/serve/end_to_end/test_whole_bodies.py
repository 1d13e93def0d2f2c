"""Bodies that come after their head: read into one piece of memory, and handed over as they lie there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from tests.serve.running import Server

MB = 1 << 20
HANDLER = """
def model_fn(model_dir):
    return None


def input_fn(data, content_type):
    return f"{type(data).__name__} {len(data)} {data[-3:]!r}"


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
ADDER = """
def model_fn(model_dir):
    return None


def predict_fn(rows, model):
    rows += 1
    return rows.sum()
"""


def serve(folder: Path, handler: str, front: str) -> Server:
    """Return a server of a handler, not started."""
    code = folder / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(handler)
    return Server(folder, "mlberth_serve.wsgi:application", SAGEMAKER_USE_NGINX=front)


def test_handlers_get_large_bodies_in_the_types_of_small_ones(tmp_path: Path, front: str) -> None:
    """An input_fn gets text as str and everything else as bytes, to the last byte."""
    with serve(tmp_path, HANDLER, front) as server:
        server.wait_ready()
        for content_type, kind in {"text/csv": "str 2097155 'end'", "x/y": "bytes 2097155 b'end'"}.items():
            answer = server.invoke("1" * 2 * MB + "end", **{"Content-Type": content_type})
            assert (answer.status, answer.body) == (200, kind.encode()), answer


def test_arrays_of_large_bodies_may_be_written_to(tmp_path: Path, front: str) -> None:
    """A .npy body is the handler's own, whether it is copied or not."""
    rows = np.arange(300_000, dtype="float64")
    file = io.BytesIO()
    np.save(file, rows)
    with serve(tmp_path, ADDER, front) as server:
        server.wait_ready()
        for _ in range(3):
            headers = {"Content-Type": "application/x-npy"}
            answer = server.request("POST", "/invocations", file.getvalue(), headers)
            assert answer.status == 200, answer
            assert float(answer.body) == (rows + 1).sum()

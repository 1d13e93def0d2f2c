"""safetensors: read by name where the file holds together, refused where it does not."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from mlberth.errors import ModelLoadError
from mlberth_serve.frameworks.safetensors import read_tensors
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.settings import Settings


def pack(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    """Return a file, whose header may lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(begin: int, end: int, shape: list[int], kind: str = "F32") -> dict[str, object]:
    """Return what the header says of a tensor."""
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def test_tensors_are_read_by_name(tmp_path: Path) -> None:
    """Each has its type and shape, at an odd place and without numbers too; bfloat16 becomes float32."""
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    halves = (np.array([1.5, -2], "<f4").view("<u4") >> 16).astype("<u2")
    body = weights.tobytes() + b"\x01" + halves.tobytes() + np.int64(-7).tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "scalar": tensor(29, 37, [], "I64"),
        "w": tensor(0, 24, [2, 3]),
        "flag": tensor(24, 25, [1], "BOOL"),
        "half": tensor(25, 29, [2], "BF16"),
        "none": tensor(37, 37, [0, 4]),
    }
    path = tmp_path / "model.safetensors"
    path.write_bytes(pack(header, body))
    tensors = read_tensors(path)
    assert tensors.keys() == {"w", "flag", "half", "scalar", "none"}
    np.testing.assert_array_equal(tensors["w"], weights)
    assert tensors["flag"].tolist() == [True]
    assert tensors["half"].dtype == np.float32
    assert tensors["half"].tolist() == [1.5, -2]
    assert tensors["scalar"] == -7
    assert tensors["none"].shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "a header of 0 bytes in a file of 0"),
        (pack({}, length=2**63), f"a header of {2**63} bytes in a file of 10"),
        (pack({}, length=3), "a header of 3 bytes in a file of 10"),
        (pack(b"[]"), "a header that is a list"),
        (pack(b"{"), "a header that is no JSON: JSONDecodeError"),
        (pack(b"\xff{}"), "a header that is no JSON: UnicodeDecodeError"),
        (pack(b"[" * 100_000), "a header that is no JSON: RecursionError"),
        (pack(b'{"a":1,"a":2}'), "a header that is no JSON: ValueError: a name stands there twice"),
        (pack({"a": 1}), "no type, shape and place of the tensor 'a'"),
        (pack({"a": tensor(0, 4, [-1])}), "no type, shape and place of the tensor 'a'"),
        (pack({"a": {**tensor(0, 4, [1]), "data_offsets": [0.0, 4]}}), "no type, shape and place"),
        (pack({"a": tensor(0, 4, [1], "F7")}), "a tensor 'a' of type 'F7'"),
        (pack({"a": tensor(0, 4, [2**40, 2**40])}, bytes(4)), "'a' whose place does not fit its shape"),
        (pack({"a": tensor(4, 0, [1])}, bytes(4)), "'a' whose place does not fit its shape"),
        (pack({"a": tensor(0, 2**40, [2**38])}, bytes(4)), f"{2**40} bytes of tensors; the file has 4"),
        (
            pack({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)),
            "a tensor 'b' that overlaps another",
        ),
        (pack({"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, bytes(12)), "'b' that leaves a hole"),
        (pack({"a": tensor(0, 4, [1])}, bytes(5)), "4 bytes of tensors; the file has 5"),
    ],
)
def test_file_that_lies_is_refused(model_dir: Path, content: bytes, found: str) -> None:
    """The error names the file and what is wrong with it, at the start of the server too."""
    path = model_dir / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError) as caught:
        load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))
    (fault,) = caught.value.faults
    assert fault.where == "model.safetensors"
    assert found in fault.found
    assert "RecursionError" in found or len(fault.found) < 200


def test_tensors_alone_are_no_model(model_dir: Path) -> None:
    """The error of a whole file says what is missing, and how to read it."""
    (model_dir / "model.safetensors").write_bytes(pack({"a": tensor(0, 4, [1])}, bytes(4)))
    with pytest.raises(ModelLoadError, match=r"1 tensors without the module .* model_fn .*read_tensors"):
        load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))

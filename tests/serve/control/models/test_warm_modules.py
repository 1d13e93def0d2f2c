"""The framework that a model is forked from: guessed by its files, never by running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_serve.control.models.warm_modules import warm_framework
from mlberth_serve.usercode.locate import Program


@pytest.mark.parametrize(
    ("file", "content", "code", "expected"),
    [
        ("model.joblib", b"", None, "sklearn"),
        ("model.ubj", b"", None, "xgboost"),
        ("model.pt", b"", None, "torch"),
        ("xgboost-model", b"binf", None, "xgboost"),
        ("xgboost-model", b"\x80\x05..", None, "xgboost"),
        ("notes", b"text", None, ""),
        ("model.onnx", b"", None, ""),
        ("data.bin", b"", "from sklearn.svm import SVC\n", "sklearn"),
        ("data.bin", b"", "def model_fn(d):\n    import torch.nn\n", "torch"),
        ("model.joblib", b"", "import xgboost\n", "xgboost"),
        ("data.bin", b"", "import (\n", ""),
        ("data.bin", b"", "raise SystemExit\n", ""),
    ],
)
def test_framework_of_files_and_imports(
    tmp_path: Path, file: str, content: bytes, code: str | None, expected: str
) -> None:
    """The heaviest that is installed wins; what cannot be read or parsed needs none."""
    (tmp_path / file).write_bytes(content)
    program = None
    if code is not None:
        path = tmp_path / "inference.py"
        path.write_text(code)
        program = Program(tmp_path, path)
    assert warm_framework(tmp_path, program) == expected


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """Its load will say so."""
    assert not warm_framework(tmp_path / "gone", None)

"""Which folder's requirements are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_serve.control.install_code import find_requirements, needs_preparation
from mlberth_serve.settings import Settings


@pytest.mark.parametrize("name", ["requirements.txt", "uv.lock", "lib/requirements.txt"])
def test_a_model_without_a_handler_may_ask_for_packages(tmp_path: Path, name: str) -> None:
    """In its `code/`, by any of the files that an install reads; without one nothing is installed."""
    settings = Settings.from_environ({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    code = tmp_path / "model/code"
    (code / "lib").mkdir(parents=True)
    assert find_requirements(settings) is None
    (code / name).write_text("numpy\n")
    assert find_requirements(settings) == code
    assert needs_preparation(settings)

"""SAGEMAKER_SAFE_MODELS_ONLY: nothing that runs code of its own is loaded."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LinearRegression

from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.codecs import READERS
from mlberth_serve.control.install_code import needs_preparation
from mlberth_serve.errors import RequestError
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.media_types import parse_content_type
from mlberth_serve.settings import Settings

MODEL = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


class Payload:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        """Return the call that a pickle makes."""
        return os.mkdir, (str(self._folder),)


def settings(model_dir: Path, **more: str) -> Settings:
    """Return the settings of a server that trusts no model."""
    return Settings.from_environ(
        {"SAGEMAKER_BASE_DIR": str(model_dir.parent), "SAGEMAKER_SAFE_MODELS_ONLY": "true", **more}
    )


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "xgboost-model"])
def test_pickles_are_refused_unread(model_dir: Path, tmp_path: Path, name: str) -> None:
    """A pickle is refused by what it is, whatever it is called, and none of it runs."""
    (model_dir / name).write_bytes(pickle.dumps(Payload(tmp_path / "pwned")))
    with pytest.raises(ModelLoadError, match="SAGEMAKER_SAFE_MODELS_ONLY"):
        load_handler(settings(model_dir))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("media_type", sorted(READERS))
def test_bodies_are_never_unpickled(media_type: str, tmp_path: Path) -> None:
    """A pickle as a body is refused under every media type, and none of it runs."""
    with pytest.raises(RequestError):
        READERS[media_type].decode(pickle.dumps(Payload(tmp_path / "pwned")), parse_content_type(media_type))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("safe", ["true", "false"])
@pytest.mark.parametrize(
    "name", ["model.skops", "model.ubj", "model.pt", "model.pth", "model.pt2", "model.onnx"]
)
def test_no_other_name_leads_to_a_pickle(model_dir: Path, tmp_path: Path, name: str, safe: str) -> None:
    """A pickle under the name of a safe format is refused: there is no falling back to unpickling."""
    for module in {".pt": ["torch"], ".onnx": ["onnxruntime"]}.get(Path(name).suffix[:3], []):
        pytest.importorskip(module)
    (model_dir / name).write_bytes(pickle.dumps(Payload(tmp_path / "pwned")))
    with pytest.raises(ModelLoadError):
        load_handler(settings(model_dir, SAGEMAKER_SAFE_MODELS_ONLY=safe))
    assert not (tmp_path / "pwned").exists()


def test_torch_files_are_never_unpickled_freely(model_dir: Path, tmp_path: Path) -> None:
    """A whole module that torch.save pickled is refused, and none of it runs."""
    torch = pytest.importorskip("torch")
    torch.save(Payload(tmp_path / "pwned"), model_dir / "model.pt")
    with pytest.raises(ModelLoadError, match="weights"):
        load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))
    assert not (tmp_path / "pwned").exists()


def test_safe_formats_load(model_dir: Path) -> None:
    """The formats of skops and of XGBoost need no trust."""
    skops.io.dump(MODEL, model_dir / "model.skops")
    assert load_handler(settings(model_dir)).predict_fn
    (model_dir / "model.skops").unlink()
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.eye(3), [0, 1, 0]), 1)
    booster.save_model(model_dir / "model.ubj")
    assert load_handler(settings(model_dir)).predict_fn


def test_code_is_refused(model_dir: Path) -> None:
    """A handler is refused before anything is installed for it, and before it is imported."""
    joblib.dump(MODEL, model_dir / "model.joblib")
    (model_dir / "code").mkdir()
    (model_dir / "code/inference.py").write_text("1 / 0\n")
    for check in (load_handler, needs_preparation):
        with pytest.raises(ModelLoadError, match=r"inference\.py"):
            check(settings(model_dir))
    with pytest.raises(ContractError, match="SAGEMAKER_SUBMIT_DIRECTORY"):
        settings(model_dir, SAGEMAKER_SUBMIT_DIRECTORY="s3://bucket/code.tar.gz")

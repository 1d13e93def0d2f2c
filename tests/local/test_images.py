"""Tests of the table of images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlberth_local.errors import ValidationError
from mlberth_local.images import FILE, local_image

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
DLC = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "trains", "serves"),
    [
        (f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3", "mlberth-train:sklearn", "mlberth-serve:sklearn"),
        (f"{ECR}/sagemaker-xgboost:1.7-1", "mlberth-train:xgboost", "mlberth-serve:xgboost"),
        (f"{DLC}/pytorch-training:2.3-cpu", "mlberth-train:torch", "mlberth-train:torch"),
        (f"{DLC}/pytorch-inference:2.3-cpu", "mlberth-serve:torch", "mlberth-serve:torch"),
        (f"{ECR}/mlberth-serve:sklearn", "mlberth-serve:sklearn", "mlberth-serve:sklearn"),
        (f"{ECR}/linear-learner:1", "mlberth-train:sklearn", "mlberth-serve:sklearn"),
        ("my/own:image", "my/own:image", "my/own:image"),
    ],
)
def test_the_images_that_sdks_name(tmp_path: Path, image: str, trains: str, serves: str) -> None:
    """Frameworks have one image for both, as far as the SDKs know."""
    assert [local_image(tmp_path, image, role) for role in ("train", "serve")] == [trains, serves]


def test_people_edit_the_table(tmp_path: Path) -> None:
    local_image(tmp_path, "any")
    table = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({f"{ECR}/sagemaker-xgboost:*": "mine:2", **table}))
    assert local_image(tmp_path, f"{ECR}/sagemaker-xgboost:1.7-1") == "mine:2"


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_table_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValidationError, match=r"images\.json"):
        local_image(tmp_path, "any")

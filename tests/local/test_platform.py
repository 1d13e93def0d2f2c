"""Tests of the platform object that operations get."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mlberth_local.platform import Platform, Settings


def test_arns_name_the_region_only_if_the_service_has_one(tmp_path: Path) -> None:
    platform = Platform(tmp_path, Settings(region="eu-west-1"))
    job = platform.arn("sagemaker", "training-job/a")
    assert job == "arn:aws:sagemaker:eu-west-1:000000000000:training-job/a"
    assert platform.arn("iam", "role/mlberth") == "arn:aws:iam::000000000000:role/mlberth"


def test_a_platform_does_not_change(tmp_path: Path) -> None:
    platform = Platform(tmp_path, Settings())
    with pytest.raises(dataclasses.FrozenInstanceError):
        platform.home = tmp_path / "other"  # type: ignore[misc]

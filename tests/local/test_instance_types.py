"""The GPUs of instance types."""

from __future__ import annotations

import re

import pytest
from botocore.session import get_session

from mlberth_local.instance_types import gpu_count


@pytest.mark.parametrize(
    ("instance_type", "gpus"),
    [
        ("ml.m5.large", 0),
        ("ml.g5.xlarge", 1),
        ("ml.g5.12xlarge", 4),
        ("ml.g5.16xlarge", 1),
        ("ml.p3.8xlarge", 4),
        ("ml.p4d.24xlarge", 8),
        ("ml.p6-b200.48xlarge", 8),
        ("ml.trn1.32xlarge", 0),
        ("local", 0),
    ],
)
def test_gpus(instance_type: str, gpus: int) -> None:
    """By the type's name; accelerators of other kinds are none."""
    assert gpu_count(instance_type) == gpus


@pytest.mark.parametrize("shape", ["TrainingInstanceType", "ProcessingInstanceType", "TransformInstanceType"])
def test_every_type_that_the_service_has(shape: str) -> None:
    """Families P and G have GPUs, the others none."""
    model = get_session().get_service_model("sagemaker")
    types = model.shape_for(shape).enum
    has_gpus = {one for one in types if re.match(r"ml\.(p\d|g\d)", one)}
    assert has_gpus
    assert {one for one in types if gpu_count(one)} == has_gpus

"""Tags of resources."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests.local.jobs.job_platform import JobPlatform

from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import models, tags


def test_tags(tmp_path: Path) -> None:
    """They come with the request, are added, replaced and removed."""
    with closing(JobPlatform(tmp_path / "home")) as jobs:
        request = {"ModelName": "a", "PrimaryContainer": {"Image": "i"}, "Tags": [{"Key": "x", "Value": "1"}]}
        arn = models.create_model(jobs.platform, request)["ModelArn"]

        def listed() -> dict[str, str]:
            found = tags.list_tags(jobs.platform, {"ResourceArn": arn})["Tags"]
            return {tag["Key"]: tag["Value"] for tag in found}

        assert listed() == {"x": "1"}
        new = [{"Key": "x", "Value": "2"}, {"Key": "y", "Value": "3"}]
        assert tags.add_tags(jobs.platform, {"ResourceArn": arn, "Tags": new}) == {"Tags": new}
        assert listed() == {"x": "2", "y": "3"}
        tags.delete_tags(jobs.platform, {"ResourceArn": arn, "TagKeys": ["x", "none"]})
        assert listed() == {"y": "3"}
        many = [{"Key": str(number), "Value": ""} for number in range(50)]
        with pytest.raises(ServiceError, match="at most 50 tags; found 51"):
            tags.add_tags(jobs.platform, {"ResourceArn": arn, "Tags": many})
        assert listed() == {"y": "3"}
        with pytest.raises(ServiceError, match="Could not find resource"):
            tags.list_tags(jobs.platform, {"ResourceArn": f"{arn}-none"})

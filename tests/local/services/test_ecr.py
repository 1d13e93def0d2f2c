"""Tests of ECR, with boto3, and of the table of images."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_repositories_are_those_of_the_table(front: Any) -> None:
    ecr = front.client("ecr")
    names = [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]]
    assert "sagemaker-xgboost" in names
    path = front.platform.home / "images.json"
    table = json.loads(path.read_text())
    path.write_text(json.dumps({"registry/mine:1": "mine:local", **table}))
    found = ecr.describe_repositories(repositoryNames=["mine"])["repositories"]
    assert [one["repositoryUri"] for one in found] == ["000000000000.dkr.ecr.us-east-1.amazonaws.com/mine"]
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        ecr.describe_repositories(repositoryNames=["none"])


def test_a_token_for_docker_login(front: Any) -> None:
    found = front.client("ecr").get_authorization_token()["authorizationData"][0]
    assert base64.b64decode(found["authorizationToken"]).startswith(b"AWS:")

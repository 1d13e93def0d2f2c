"""Tests of IAM, with boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_every_role_trusts_sagemaker(front: Any) -> None:
    """Notebooks name the roles of their cloud."""
    for name in ("mlberth", "AmazonSageMaker-ExecutionRole-20200101"):
        role = front.client("iam").get_role(RoleName=name)["Role"]
        assert role["Arn"] == f"arn:aws:iam::000000000000:role/{name}"
        principal = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        assert principal == {"Service": "sagemaker.amazonaws.com"}


def test_everything_is_allowed(front: Any) -> None:
    found = front.client("iam").simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::000000000000:role/mlberth",
        ActionNames=["s3:PutObject", "sagemaker:CreateTrainingJob"],
    )["EvaluationResults"]
    decisions = [(one["EvalActionName"], one["EvalDecision"]) for one in found]
    assert decisions == [("s3:PutObject", "allowed"), ("sagemaker:CreateTrainingJob", "allowed")]


def test_roles_are_records(front: Any) -> None:
    iam, policy = front.client("iam"), "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    document = json.dumps({"Statement": []})
    iam.create_role(RoleName="made", AssumeRolePolicyDocument=document, Path="/service-role/")
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.create_role(RoleName="made", AssumeRolePolicyDocument=document)
    iam.attach_role_policy(RoleName="made", PolicyArn=policy)
    attached = iam.list_attached_role_policies(RoleName="made")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": policy}]
    assert iam.get_role(RoleName="made")["Role"]["AssumeRolePolicyDocument"] == {"Statement": []}
    assert [one["RoleName"] for one in iam.list_roles()["Roles"]] == ["mlberth", "made"]
    iam.detach_role_policy(RoleName="made", PolicyArn=policy)
    iam.delete_role(RoleName="made")
    assert [one["RoleName"] for one in iam.list_roles()["Roles"]] == ["mlberth"]

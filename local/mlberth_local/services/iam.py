"""IAM: roles as records in `roles.json`. Policies are kept as names; they allow and forbid nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from mlberth_local.errors import ServiceError
from mlberth_local.files import write_atomically
from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.platform import ROLE, Platform

FILE = "roles.json"
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
    '"Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
)
"""What SDKs look for in a role before they use it."""
_LOCK = threading.Lock()


def get_role(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a role."""
    return {"Role": _described(platform, request["RoleName"], _role(platform, request["RoleName"]))}


def list_roles(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the roles."""
    prefix = request.get("PathPrefix") or "/"
    found = {name: role for name, role in _roles(platform).items() if role["Path"].startswith(prefix)}
    return {"Roles": [_described(platform, name, role) for name, role in found.items()], "IsTruncated": False}


def create_role(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Record a role."""
    name = request["RoleName"]
    with _LOCK:
        roles = _roles(platform)
        if name in roles:
            text = f"Role with name {name} already exists."
            raise ServiceError("EntityAlreadyExists", text, HTTPStatus.CONFLICT)
        roles[name] = {
            "Path": request.get("Path") or "/",
            "AssumeRolePolicyDocument": request["AssumeRolePolicyDocument"],
            "Description": request.get("Description"),
            "CreateDate": platform.clock(),
            "Policies": [],
        }
        _write(platform, roles)
    return {"Role": _described(platform, name, roles[name])}


def delete_role(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a role."""
    with _LOCK:
        roles = _roles(platform)
        _role(platform, request["RoleName"])
        roles.pop(request["RoleName"], None)
        _write(platform, roles)
    return {}


def attach_role_policy(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Note the name of a policy with a role."""
    _change_policies(platform, request["RoleName"], lambda found: {*found, request["PolicyArn"]})
    return {}


def detach_role_policy(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Forget the name of a policy of a role."""
    _change_policies(platform, request["RoleName"], lambda found: {*found} - {request["PolicyArn"]})
    return {}


def list_attached_role_policies(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the policies that were noted with a role."""
    policies = _role(platform, request["RoleName"])["Policies"]
    return {
        "AttachedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in policies],
        "IsTruncated": False,
    }


def simulate_principal_policy(_: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Allow every action on every resource."""
    resources = request.get("ResourceArns") or ["*"]
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": "allowed"}
            for action in request["ActionNames"]
            for resource in resources
        ],
        "IsTruncated": False,
    }


def _roles(platform: Platform) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((platform.home / FILE).read_bytes())
    except FileNotFoundError:
        found = {}
    own: dict[str, Any] = {
        "Path": "/",
        "AssumeRolePolicyDocument": TRUST,
        "Description": None,
        "CreateDate": 0.0,
        "Policies": [],
    }
    return {ROLE: own, **found}


def _role(platform: Platform, name: str) -> dict[str, Any]:
    """Return a role. One that nobody has made is there too: notebooks name the roles of their cloud."""
    return dict(_roles(platform).get(name) or _roles(platform)[ROLE])


def _write(platform: Platform, roles: dict[str, Any]) -> None:
    write_atomically(platform.home / FILE, json.dumps(roles, indent=2).encode())


def _change_policies(platform: Platform, name: str, change: Any) -> None:
    with _LOCK:
        roles = _roles(platform)
        role = _role(platform, name)
        roles[name] = {**role, "Policies": sorted(change(role["Policies"]))}
        _write(platform, roles)


def _described(platform: Platform, name: str, role: dict[str, Any]) -> dict[str, Any]:
    number = hashlib.sha256(name.encode()).hexdigest()[:16].upper()
    return {
        "Path": role["Path"],
        "RoleName": name,
        "RoleId": f"AROA{number}",
        "Arn": platform.arn("iam", f"role{role['Path']}{name}"),
        "CreateDate": role["CreateDate"],
        "AssumeRolePolicyDocument": quote(role["AssumeRolePolicyDocument"]),
        "Description": role["Description"],
        "MaxSessionDuration": 3600,
    }


OPERATIONS: dict[str, Operation] = {
    "AttachRolePolicy": attach_role_policy,
    "CreateRole": create_role,
    "DeleteRole": delete_role,
    "DetachRolePolicy": detach_role_policy,
    "GetRole": get_role,
    "ListAttachedRolePolicies": list_attached_role_policies,
    "ListRoles": list_roles,
    "SimulatePrincipalPolicy": simulate_principal_policy,
}
_FREE = "every caller may do everything"
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateRole": Exceptions(
        without_effect={
            "MaxSigninSessionDuration": _FREE,
            "PermissionsBoundary": _FREE,
            "MaxSessionDuration": _FREE,
            "Tags": "roles have no tags here",
        }
    ),
    "SimulatePrincipalPolicy": Exceptions(
        without_effect={
            "PolicySourceArn": _FREE,
            "PolicyExclusionList": _FREE,
            "PolicyInputList": _FREE,
            "PermissionsBoundaryPolicyInputList": _FREE,
            "ResourcePolicy": _FREE,
            "ResourceOwner": _FREE,
            "CallerArn": _FREE,
            "ContextEntries": _FREE,
            "ResourceHandlingOption": _FREE,
            "MaxItems": ONE_PAGE,
            "Marker": ONE_PAGE,
        }
    ),
    "ListRoles": Exceptions(without_effect={"Marker": ONE_PAGE, "MaxItems": ONE_PAGE}),
    "ListAttachedRolePolicies": Exceptions(
        without_effect={"Marker": ONE_PAGE, "MaxItems": ONE_PAGE, "PathPrefix": "policies are names alone"}
    ),
}

"""STS: who the caller is. Everybody is a session of the platform's role, which SDKs ask for."""

from __future__ import annotations

from typing import Any

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import ROLE, Platform

SESSION = "session"
USER_ID = "AROAMLBERTH000000000"


def get_caller_identity(platform: Platform, _: dict[str, Any]) -> dict[str, Any]:
    """Return the account and the session of the role."""
    return {
        "UserId": f"{USER_ID}:{SESSION}",
        "Account": platform.account,
        "Arn": platform.arn("sts", f"assumed-role/{ROLE}/{SESSION}"),
    }


def assume_role(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return keys for a role; they are as good as any other here."""
    role, session = request["RoleArn"].rpartition("/")[2], request["RoleSessionName"]
    return {
        "Credentials": {
            "AccessKeyId": "ASIAMLBERTH000000000",
            "SecretAccessKey": "any",
            "SessionToken": "any",
            "Expiration": platform.clock() + (request.get("DurationSeconds") or 3600),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"{USER_ID}:{session}",
            "Arn": platform.arn("sts", f"assumed-role/{role}/{session}"),
        },
    }


OPERATIONS: dict[str, Operation] = {"GetCallerIdentity": get_caller_identity, "AssumeRole": assume_role}
_NO_POLICIES = "every caller may do everything"
EXCEPTIONS: dict[str, Exceptions] = {
    "AssumeRole": Exceptions(
        without_effect={
            "ExternalId": _NO_POLICIES,
            "MinimumSessionTokenSize": "tokens are not read",
            "Policy": _NO_POLICIES,
            "PolicyArns": _NO_POLICIES,
            "ProvidedContexts": _NO_POLICIES,
            "SerialNumber": _NO_POLICIES,
            "SourceIdentity": _NO_POLICIES,
            "Tags": _NO_POLICIES,
            "TokenCode": _NO_POLICIES,
            "TransitiveTagKeys": _NO_POLICIES,
        }
    )
}

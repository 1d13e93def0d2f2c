"""STS: who the caller is. Everybody is a session of the platform's role, which SDKs ask for."""

from __future__ import annotations

from typing import Any

from mlberth_local.identity import sessions
from mlberth_local.identity.sessions import Session, SessionKeys
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import ROLE, Platform

SESSION = "session"
_ANY = SessionKeys("ASIAMLBERTH000000000", "any", "any")
"""For a caller whose own key is not checked, which is one on this machine."""
USER_ID = "AROAMLBERTH000000000"


def get_caller_identity(platform: Platform, _: dict[str, Any]) -> dict[str, Any]:
    """Return the account and the session of the role."""
    caller = platform.caller or Session("", ROLE, SESSION)
    return {
        "UserId": f"{USER_ID}:{caller.name}",
        "Account": platform.account,
        "Arn": platform.arn("sts", f"assumed-role/{caller.role}/{caller.name}"),
    }


def assume_role(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return keys for a role; they are as good as those of the caller, and where these are."""
    role, session = request["RoleArn"].rpartition("/")[2], request["RoleSessionName"]
    expires = int(platform.clock()) + (request.get("DurationSeconds") or 3600)
    keys = _ANY
    if platform.caller is not None:
        secret = platform.settings.keys[platform.caller.key]
        keys = sessions.issue(Session(platform.caller.key, role, session, expires), secret)
    return {
        "Credentials": {
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret,
            "SessionToken": keys.token,
            "Expiration": expires,
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
            "MinimumSessionTokenSize": "a token is as long as it needs",
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

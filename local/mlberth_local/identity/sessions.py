"""The keys of assumed roles: made from the key that asked for them, and told by their token alone.

Nothing is kept of a session. Its token says whose it is, and only who knows the first key's secret can
have written it; so the daemon, the gateway and the next daemon know it, too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from mlberth_local.errors import ServiceError

_MARK = "mlberth."


@dataclass(frozen=True)
class Session:
    """Who asks: a key of the platform, in a role."""

    key: str
    """The access key that the session began with; it has the same rights."""
    role: str
    name: str
    expires: int = 0
    """Seconds since the epoch; 0 for never."""


@dataclass(frozen=True)
class SessionKeys:
    """What a client signs the requests of a session with."""

    access_key: str
    secret: str
    token: str


def issue(session: Session, secret: str) -> SessionKeys:
    """Return new keys for a session; `secret` is that of its first key."""
    facts = [session.key, session.role, session.name, session.expires, secrets.token_hex(8)]
    content = base64.urlsafe_b64encode(json.dumps(facts).encode()).decode()
    token = f"{_MARK}{content}.{_digest(secret, 'token', content).hex()}"
    return SessionKeys(_access_key(token), _secret(secret, token), token)


def is_token(text: str) -> bool:
    """Whether a token is, or pretends to be, one of ours."""
    return text.startswith(_MARK)


def read(token: str, access_key: str, keys: Mapping[str, str], now: float) -> tuple[Session, str]:
    """Return the session of a token, and the secret of its access key.

    Raises `ServiceError` for one that is not of a key in `keys`, or that has expired.
    """
    content, _, digest = token.removeprefix(_MARK).partition(".")
    try:
        key, role, name, expires, _ = json.loads(base64.urlsafe_b64decode(content))
        session, secret = Session(str(key), str(role), str(name), int(expires)), keys[key]
    except (ValueError, TypeError, LookupError) as error:
        raise _invalid() from error
    wanted = _digest(secret, "token", content).hex()
    if not hmac.compare_digest(wanted.encode(), digest.encode()) or access_key != _access_key(token):
        raise _invalid()
    if now > session.expires:
        text = "The security token included in the request is expired"
        raise ServiceError("ExpiredToken", text, HTTPStatus.FORBIDDEN)
    return session, _secret(secret, token)


def _digest(secret: str, purpose: str, content: str) -> bytes:
    return hmac.digest(secret.encode(), f"{purpose}:{content}".encode(), hashlib.sha256)


def _access_key(token: str) -> str:
    return f"ASIA{base64.b32encode(hashlib.sha256(token.encode()).digest()).decode()[:16]}"


def _secret(secret: str, token: str) -> str:
    return base64.urlsafe_b64encode(_digest(secret, "secret", token)).decode()[:40]


def _invalid() -> ServiceError:
    text = "The security token included in the request is invalid"
    return ServiceError("InvalidToken", text, HTTPStatus.FORBIDDEN)

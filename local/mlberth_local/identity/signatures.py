"""The signatures of requests: SigV4 in headers and URLs, and SigV2 in URLs.

A key whose secret is known here must have signed the request. Any other key is accepted from this
machine, as clients have keys of all kinds; the expiry of a URL is checked for every key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import posixpath
import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from time import strptime
from urllib.parse import quote, unquote

from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest, whole_number
from mlberth_local.identity import sessions
from mlberth_local.identity.sessions import Session
from mlberth_local.platform import ROLE

LARGEST_SKEW = 15 * 60
LONGEST_EXPIRY = 7 * 24 * 3600
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+)"
    r",\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)
_UNSIGNED = "UNSIGNED-PAYLOAD"
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")
_V2_PARAMETERS = frozenset(
    [
        *("acl", "delete", "lifecycle", "location", "partNumber", "policy", "tagging", "torrent", "uploadId"),
        *("uploads", "versionId", "versioning", "versions", "response-cache-control", "response-expires"),
        *("accelerate", "analytics", "cors", "defaultObjectAcl", "inventory", "logging", "metrics"),
        *("notification", "object-lock", "replication", "requestPayment", "restore", "select"),
        *("select-type", "storageClass", "website"),
        *("response-content-disposition", "response-content-encoding", "response-content-language"),
        "response-content-type",
    ]
)


@dataclass(frozen=True)
class _Credential:
    """The scope of a signature: `KEY/20261128/us-east-1/s3/aws4_request`."""

    key: str
    day: str
    region: str
    service: str

    @classmethod
    @lru_cache(64)
    def parse(cls, text: str) -> _Credential:
        parts = unquote(text).rsplit("/", 4)
        if len(parts) != 5 or parts[4] != "aws4_request":
            raise _forbidden(
                "IncompleteSignature",
                f"Found the credential {text!r}; expected KEY/DAY/REGION/SERVICE/aws4_request.",
            )
        return cls(*parts[:4])


def check(request: HttpRequest, body: bytes | None, keys: Mapping[str, str], now: float) -> Session | None:
    """Return whose signature a request has; None if its key is not checked.

    `body` is as it was sent, or None where it is not in memory: its hash is that of the header, and
    `body_hash` says so. Raises `ServiceError` if the request has expired, or is not signed as its key asks
    for.
    """
    query = request.query
    if "X-Amz-Signature" in query:
        return _check_v4_url(request, query, keys, now)
    if "Signature" in query and "AWSAccessKeyId" in query:
        return _check_v2_url(request, query, keys, now)
    if "Authorization" in request.headers:
        return _check_v4_header(request, body, keys, now)
    if not request.local_client:
        raise _forbidden("AccessDenied", "A request that does not come from this machine must be signed.")
    return None


def body_hash(request: HttpRequest) -> str | None:
    """Return the SHA-256 that the body of a signed request must have, if the signature has one."""
    text = request.headers.get("x-amz-content-sha256", "")
    return text if _HEXADECIMAL.fullmatch(text) else None


def _check_v4_header(
    request: HttpRequest, body: bytes | None, keys: Mapping[str, str], now: float
) -> Session | None:
    found = _HEADER.match(request.headers["Authorization"])
    if not found:
        if request.local_client:  # a client with keys of its own, and a scheme that is not needed here
            return None
        raise _forbidden("IncompleteSignature", "Expected a header Authorization of AWS4-HMAC-SHA256.")
    credential = _Credential.parse(found["credential"])
    known = _known(credential.key, keys, request, now)
    if known is None:
        return None
    session, secret = known
    stamp = request.headers.get("X-Amz-Date", "")
    if abs(_moment(stamp) - now) > LARGEST_SKEW:
        text = "The difference between the request time and the current time is too large."
        raise _forbidden("RequestTimeTooSkewed", text)
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        payload = hashlib.sha256(body).hexdigest() if body is not None else _UNSIGNED
    elif body is not None and _HEXADECIMAL.fullmatch(payload) and payload != hashlib.sha256(body).hexdigest():
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise ServiceError("XAmzContentSHA256Mismatch", text)
    expected = _v4(request, credential, secret, stamp=stamp, headers=found["headers"], payload=payload)
    _compare(expected, found["signature"])
    return session


def _check_v4_url(
    request: HttpRequest, query: Mapping[str, str], keys: Mapping[str, str], now: float
) -> Session | None:
    stamp, text = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    seconds = whole_number(text)
    if seconds is None or not 0 < seconds <= LONGEST_EXPIRY:
        message = f"X-Amz-Expires: found {text!r}; expected seconds, at most {LONGEST_EXPIRY}."
        raise ServiceError("AuthorizationQueryParametersError", message)
    if now > _moment(stamp) + seconds:
        raise _forbidden("AccessDenied", "Request has expired")
    credential = _Credential.parse(query.get("X-Amz-Credential", ""))
    known = _known(credential.key, keys, request, now)
    if known is None:
        return None
    session, secret = known
    headers = query.get("X-Amz-SignedHeaders", "host")
    payload = _UNSIGNED if credential.service == "s3" else hashlib.sha256(b"").hexdigest()
    expected = _v4(request, credential, secret, stamp=stamp, headers=headers, payload=payload)
    _compare(expected, query["X-Amz-Signature"])
    return session


def _check_v2_url(
    request: HttpRequest, query: Mapping[str, str], keys: Mapping[str, str], now: float
) -> Session | None:
    expires = query.get("Expires", "")
    until = whole_number(expires)
    if until is None:
        raise _forbidden("AccessDenied", f"Expires: found {expires!r}; expected seconds since the epoch.")
    if now > until:
        raise _forbidden("AccessDenied", "Request has expired")
    known = _known(query["AWSAccessKeyId"], keys, request, now)
    if known is None:
        return None
    session, secret = known
    amazon = {
        name.lower(): value.strip()
        for name, value in {**query, **request.headers}.items()
        if name.lower().startswith("x-amz-")
    }
    resource = "&".join(
        f"{name}={value}" if value else name
        for name, value in sorted(query.items())
        if name in _V2_PARAMETERS
    )
    lines = [
        request.method,
        request.headers.get("Content-MD5", query.get("content-md5", "")),
        request.headers.get("Content-Type", query.get("content-type", "")),
        expires,
        *(f"{name}:{amazon[name]}" for name in sorted(amazon)),
        request.path_style + (f"?{resource}" if resource else ""),
    ]
    digest = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
    _compare(base64.b64encode(digest).decode(), query["Signature"])
    return session


def _v4(
    request: HttpRequest, credential: _Credential, secret: str, *, stamp: str, headers: str, payload: str
) -> str:
    """Return the signature that a request should have."""
    # S3 signs its keys as they are, the others a path in normal form, twice encoded.
    path = request.raw_path if credential.service == "s3" else _normal_path(request.raw_path)
    names = headers.split(";")
    values = (" ".join(request.headers.get(name, "").split()) for name in names)
    canonical = "\n".join(
        [
            request.method,
            path,
            _canonical_query(request.raw_query),
            *(f"{name}:{value}" for name, value in zip(names, values, strict=True)),
            "",
            headers,
            payload,
        ]
    )
    scope = f"{credential.day}/{credential.region}/{credential.service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.digest(_signing_key(secret, scope), text.encode(), hashlib.sha256).hex()


def _query_token(request: HttpRequest) -> str:
    """Return the token of a presigned address; the versions of signatures write its name differently."""
    query = request.query if request.raw_query else {}
    return query.get("X-Amz-Security-Token") or query.get("x-amz-security-token", "")


# A client's requests have all of these in common, or those of a second.
@lru_cache(64)
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


@lru_cache(256)
def _normal_path(path: str) -> str:
    found = posixpath.normpath(path) + ("/" if path.endswith("/") and path != "/" else "")
    return quote(found, safe="/~")


def _canonical_query(raw: str) -> str:
    if not raw:
        return ""
    pairs = (pair.partition("=")[::2] for pair in raw.split("&") if pair)
    encoded = (
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != "X-Amz-Signature")


def _known(key: str, keys: Mapping[str, str], request: HttpRequest, now: float) -> tuple[Session, str] | None:
    """Return whose a key is, and the secret that it is checked with; None if it is not checked."""
    if key in keys:
        return Session(key, ROLE, "session"), keys[key]
    token = request.headers.get("X-Amz-Security-Token") or _query_token(request)
    if sessions.is_token(token):
        return sessions.read(token, key, keys, now)
    if request.local_client:
        return None
    raise _forbidden(
        "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    )


@lru_cache(64)
def _moment(stamp: str) -> float:
    try:
        return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError as error:
        text = f"X-Amz-Date: found {stamp!r}; expected a time like 20261128T120000Z."
        raise _forbidden("IncompleteSignature", text) from error


def _compare(expected: str, found: str) -> None:
    if not hmac.compare_digest(expected, found):
        text = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        raise _forbidden("SignatureDoesNotMatch", text)


def _forbidden(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, HTTPStatus.FORBIDDEN)

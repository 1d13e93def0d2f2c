"""Tests of signatures beside those with clients: who must sign, and what is not a signature."""

from __future__ import annotations

from calendar import timegm
from time import strptime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict

from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest
from mlberth_local.identity import sessions
from mlberth_local.identity.sessions import Session
from mlberth_local.identity.signatures import check

KEYS = {"known": "secret"}


def signed(
    service: str, url: str, *, key: str = "known", secret: str = "secret", token: str | None = None
) -> tuple[HttpRequest, float]:
    """Return a request that botocore has signed, as a server sees it from afar, and when."""
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    request = AWSRequest("GET", url, headers={"x-amz-meta-spaces": "  a   b "})
    kind(Credentials(key, secret, token), service, "eu-west-1").add_auth(request)
    prepared = request.prepare()
    path, _, query = prepared.url.partition("://")[2].partition("/")[2].partition("?")
    headers = CIMultiDict({"Host": "host:8500", **prepared.headers})
    moment = timegm(strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    return HttpRequest("GET", f"/{path}", query, headers, local_client=False), moment


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("s3", "bucket/a%20b/%C3%BC?list-type=2&prefix=a%2Fb&empty="),
        ("s3", "bucket/a/../b//c"),
        ("sagemaker", "endpoints/a%20name/invocations"),
        ("iam", ""),
    ],
)
def test_botocores_signatures_are_ours(service: str, path: str) -> None:
    request, moment = signed(service, f"http://host:8500/{path}")
    check(request, b"", KEYS, moment)
    for other in ({"known": "other"}, {}):
        with pytest.raises(ServiceError) as caught:
            check(request, b"", other, moment)
        assert caught.value.status == 403
    with pytest.raises(ServiceError, match=r"XAmzContentSHA256Mismatch|SignatureDoesNotMatch"):
        check(request, b"another body", KEYS, moment)


def test_a_session_is_known_from_afar() -> None:
    keys = sessions.issue(Session("known", "role", "name", 2**33), "secret")
    request, moment = signed(
        "s3", "http://host:8500/b/k", key=keys.access_key, secret=keys.secret, token=keys.token
    )
    assert check(request, b"", KEYS, moment) == Session("known", "role", "name", 2**33)
    for other in ({"known": "another secret"}, {"unknown": "secret"}):
        with pytest.raises(ServiceError, match="InvalidToken"):
            check(request, b"", other, moment)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic dTpw"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=known, SignedHeaders=host, Signature=00"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=n/x/y/z/aws4_request, SignedHeaders=a, Signature=0"},
    ],
)
def test_who_is_not_on_this_machine_must_sign(headers: dict[str, str]) -> None:
    request = HttpRequest("GET", "/", "", CIMultiDict(headers), local_client=False)
    with pytest.raises(ServiceError) as caught:
        check(request, b"", KEYS, 0)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=0&X-Amz-Expires=604801&X-Amz-Date=20260101T000000Z",
        "X-Amz-Signature=0&X-Amz-Expires=soon&X-Amz-Date=20260101T000000Z",
        "X-Amz-Signature=0&X-Amz-Expires=60&X-Amz-Date=now",
        "Signature=0&AWSAccessKeyId=k&Expires=soon",
    ],
)
def test_presigned_addresses_that_are_none(query: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check(HttpRequest("GET", "/b/k", query, CIMultiDict()), b"", KEYS, 0)
    assert caught.value.status in {400, 403}

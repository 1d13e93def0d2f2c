"""Requests to S3, forwarded to another S3: signed anew with its credentials, bodies in constant memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from botocore.auth import UNSIGNED_PAYLOAD, S3SigV4Auth
from botocore.awsrequest import AWSRequest

from mlberth_local.api.aws_chunked import ChunkDecoder
from mlberth_local.api.http_answer import HttpAnswer, StreamBody
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest
from mlberth_local.other_s3 import open_session
from mlberth_local.platform import Platform

_PIECE = 1 << 20
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 600.0
_OWNER = "x-amz-expected-bucket-owner"
_OF_THE_SIGNATURE = {
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-security-token",
    "awsaccesskeyid",
    "signature",
    "expires",
}
"""Of a presigned address, and of headers; the other S3 gets a signature of its own."""
_PASSED_ON = ("content-encoding", "content-language", "content-disposition", "content-type", "content-md5")
_CACHE = ("cache-control", "range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_NOT_PASSED_ON = {"x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer", _OWNER}
_HOP_BY_HOP = {"connection", "date", "keep-alive", "server", "transfer-encoding", "content-length"}


class Forwarder:
    """Forwards the requests of one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._address = platform.settings.s3_endpoint
        self._aws: Any = open_session(platform.region, platform.settings.environ)
        self._http: aiohttp.ClientSession | None = None

    async def forward(self, request: HttpRequest, path: str, pieces: AsyncIterator[bytes]) -> HttpAnswer:
        """Return the other S3's answer. `path` is raw, with the bucket first. Raises `ServiceError`."""
        from yarl import URL  # aiohttp's own

        owner = request.headers.get(_OWNER)
        if owner not in (None, self._platform.account):
            raise ServiceError("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN)
        url = f"{self._address}{path}"
        if query := "&".join(_query(request)):
            url += f"?{query}"
        decoder = ChunkDecoder() if _is_chunked(request) else None
        headers = dict(_headers(request, chunked=decoder is not None))
        length = request.headers.get("x-amz-decoded-content-length") or request.headers.get("Content-Length")
        signed = await asyncio.to_thread(self._signed, request.method, url, headers)
        has_body = length is not None and length != "0"
        if length is not None:
            signed["Content-Length"] = length
        body = (_decoded(pieces, decoder) if decoder else pieces) if has_body else None
        try:
            answer = await self._session().request(
                request.method,
                URL(url, encoded=True),
                headers=signed,
                data=body,
                allow_redirects=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            )
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            cause = str(error) or type(error).__name__
            text = f"The S3 behind the platform, {self._address}, does not answer: {cause}"
            raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE) from error
        return _answer(request.method, answer)

    async def close(self) -> None:
        """Close the connections."""
        if self._http:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            limits = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS
            )
            self._http = aiohttp.ClientSession(
                timeout=limits,
                auto_decompress=False,
                read_bufsize=_PIECE,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._http

    def _signed(self, method: str, url: str, headers: dict[str, str]) -> dict[str, str]:
        credentials = self._aws.get_credentials()
        if credentials is None:
            text = "There are no credentials for it in the environment of `mlberth up`."
            raise ServiceError("AccessDenied", f"The S3 behind the platform: {text}", HTTPStatus.FORBIDDEN)
        request = AWSRequest(method, url, headers={**headers, "Host": urlsplit(url).netloc})
        _Signer(credentials.get_frozen_credentials(), "s3", self._platform.region).add_auth(request)
        return dict(request.headers)


class _Signer(S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """Signs all but the body, which is still coming in."""

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - as its base has it
        """Return what stands for the body."""
        return str(UNSIGNED_PAYLOAD)


def _query(request: HttpRequest) -> Iterator[str]:
    for pair in filter(None, request.raw_query.split("&")):
        if pair.partition("=")[0].lower() not in _OF_THE_SIGNATURE:
            yield pair


def _headers(request: HttpRequest, *, chunked: bool) -> Iterator[tuple[str, str]]:
    """Yield the headers that the other S3 has to know of."""
    for name, given in request.headers.items():
        low = name.lower()
        if low in _OF_THE_SIGNATURE or low in _NOT_PASSED_ON:
            continue
        if chunked and low == "x-amz-sdk-checksum-algorithm":
            continue  # the checksum was behind the body, in an encoding that ends here
        # Content-Encoding may have others beside it.
        value = (
            ",".join(one for one in given.split(",") if one.strip() != "aws-chunked") if chunked else given
        )
        if value and (low.startswith("x-amz-") or low in _PASSED_ON or low in _CACHE):
            yield name, value


def _is_chunked(request: HttpRequest) -> bool:
    sha256 = request.headers.get("x-amz-content-sha256", "")
    return "aws-chunked" in request.headers.get("Content-Encoding", "") or sha256.startswith("STREAMING-")


async def _decoded(pieces: AsyncIterator[bytes], decoder: ChunkDecoder) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if content := decoder.feed(piece):
            yield content
    decoder.finish()


def _answer(method: str, answer: aiohttp.ClientResponse) -> HttpAnswer:
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    length = answer.headers.get("Content-Length")
    if method == "HEAD" or length == "0" or answer.status == HTTPStatus.NO_CONTENT:
        answer.release()
        return HttpAnswer(answer.status, {**headers, **_length(length)} if method == "HEAD" else headers)
    headers |= _length(length)
    return HttpAnswer(answer.status, headers, StreamBody(answer.content.iter_any(), answer.close))


def _length(length: str | None) -> dict[str, str]:
    return {} if length is None else {"Content-Length": length}

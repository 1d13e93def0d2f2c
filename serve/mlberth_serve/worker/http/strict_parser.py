"""gunicorn's parser, with what it lets through and RFC 9112 does not."""

from __future__ import annotations

from typing import Any

from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, UnsupportedTransferCoding
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from mlberth_serve.shared.limits import MAX_HEAD_BYTES
from mlberth_serve.worker.http.fast_path import is_host


class StrictRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """One request with one Host, no transfer coding but chunked, and a head of bounded size."""

    @property
    def max_buffer_headers(self) -> int:
        """How large a head may grow: gunicorn would allow each header its own limit."""
        return MAX_HEAD_BYTES

    @max_buffer_headers.setter
    def max_buffer_headers(self, size: int) -> None:
        """Leave gunicorn's figure aside."""

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        """Return the headers; raises gunicorn's own errors."""
        if not from_trailer and len(data) > MAX_HEAD_BYTES:
            raise LimitRequestHeaders("max buffer headers")
        return super().parse_headers(data, from_trailer)

    def set_body_reader(self) -> None:
        """Check what the headers say together, before anything of the body is read."""
        hosts = [value for name, value in self.headers if name == "HOST"]
        # RFC 9112 section 3.2; HTTP/1.0 knew no Host.
        if (not hosts and self.version >= (1, 1)) or not all(is_host(host) for host in hosts):
            raise InvalidHeader("HOST", req=self)
        super().set_body_reader()
        codings = [value for name, value in self.headers if name == "TRANSFER-ENCODING"]
        if any(coding.lower() != "chunked" for coding in codings):
            raise UnsupportedTransferCoding(",".join(codings))


class StrictParser(RequestParser):  # type: ignore[misc]  # gunicorn has no types
    """Reads one request after the other."""

    mesg_class = StrictRequest

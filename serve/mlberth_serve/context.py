"""What a handler's function may ask about its request, and add to the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
LONGEST_CUSTOM_ATTRIBUTES = 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
# The server's own: written twice or wrongly they would break the framing of the answer.
_RESERVED = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "server",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
_UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class Headers(Mapping[str, str]):
    """A request's headers, by name in any case."""

    def __init__(self, environ: Mapping[str, object]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return str(self._environ[_key(name)])

    def __iter__(self) -> Iterator[str]:
        for key in self._environ:
            if key in _UNPREFIXED:
                yield key.replace("_", "-").title()
            elif key.startswith("HTTP_"):
                yield key[5:].replace("_", "-").title()

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Context:
    """One request, or the load of the model, where there are no headers yet."""

    __slots__ = ("_environ", "accept", "content_type", "request_id", "response_headers", "response_status")

    def __init__(
        self,
        environ: Mapping[str, object] | None = None,
        request_id: str = "",
        content_type: str = "",
        accept: str = "",
    ) -> None:
        self._environ = environ or {}
        self.request_id = request_id
        """Also in the answer's X-Request-Id and in the log."""
        self.content_type = content_type
        """The body's media type without its parameters, in lower case."""
        self.accept = accept
        """The media type chosen for the answer."""
        self.response_status = 200
        self.response_headers: dict[str, str] = {}

    @property
    def headers(self) -> Headers:
        """The request's headers, as they were sent."""
        return Headers(self._environ)

    @property
    def custom_attributes(self) -> str:
        """The request's X-Amzn-SageMaker-Custom-Attributes, "" where there are none."""
        return self.headers.get(CUSTOM_ATTRIBUTES, "")

    def set_custom_attributes(self, value: str) -> None:
        """Answer with X-Amzn-SageMaker-Custom-Attributes: at most 1024 printable ASCII characters."""
        if len(value) > LONGEST_CUSTOM_ATTRIBUTES:
            raise ValueError(f"custom attributes have at most {LONGEST_CUSTOM_ATTRIBUTES} characters")
        self.set_response_header(CUSTOM_ATTRIBUTES, value)

    def set_response_header(self, name: str, value: str) -> None:
        """Add a header to the answer; raises ValueError for what would break it.

        The Content-Type is the second item of what `output_fn` or `transform_fn` returns.
        """
        if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
            raise ValueError(f"a handler cannot set the header {name!r}")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of the header {name} holds more than printable ASCII")
        self.response_headers[name] = value

    def set_response_status(self, status: int) -> None:
        """Answer with another status than 200: a whole number from 200 to 599."""
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"status {status!r} is not a whole number from 200 to 599")
        self.response_status = status


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in _UNPREFIXED else "HTTP_" + key

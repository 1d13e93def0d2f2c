"""Headers of a request."""

from __future__ import annotations

from collections.abc import Mapping


def retrieve_content_type_header(request_property: Mapping[str, str]) -> str | None:
    """Return the Content-Type, whatever its case; None where there is none."""
    return next((value for name, value in request_property.items() if name.lower() == "content-type"), None)


def parse_accept(accept: str) -> list[str]:
    """Return the media types of an Accept header."""
    return [name.strip() for name in accept.split(",")]

"""Headers of a request, and files."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlberth.compat.training.files import read_file, write_file

__all__ = [
    "CONTENT_TYPE_REGEX",
    "parse_accept",
    "read_file",
    "remove_crlf",
    "retrieve_content_type_header",
    "write_file",
]

CONTENT_TYPE_REGEX = re.compile("^[Cc]ontent-?[Tt]ype")


def retrieve_content_type_header(request_property: Mapping[str, str]) -> str | None:
    """Return the Content-Type, whatever its case; None if there is none."""
    return next((value for name, value in request_property.items() if name.lower() == "content-type"), None)


def parse_accept(accept: str) -> list[str]:
    """Return the media types of an Accept header."""
    return [name.strip() for name in accept.split(",")]


def remove_crlf(illegal_string: str) -> str:
    """Return a text for a header, with a space for each line break."""
    return illegal_string.replace("\r", " ").replace("\n", " ")

"""The values of `serve`'s variables, read from text; each function raises ValueError for another text."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from mlberth.envvars import whole
from mlberth.paths import FILE, local_path

LAST_PORT = 65535


def address(text: str) -> str:
    """Return an IP address; `localhost` is one."""
    if text.lower() == "localhost":
        return "127.0.0.1"
    if "%" in text:  # the zone of an IPv6 address may be any text, nginx's directives too
        raise ValueError(text)
    return str(ipaddress.ip_address(text))


def module_attribute(text: str) -> str:
    """Return `module:attribute`, perhaps with brackets at its end."""
    module, _, attribute = text.partition(":")
    if not all(name.isidentifier() for name in (*module.split("."), attribute.removesuffix("()"))):
        raise ValueError(text)
    return text


def port_range(text: str) -> str:
    """Return two ports with a dash between, the smaller first."""
    first, last = (whole(end) for end in text.split("-"))
    if not 1 <= first <= last <= LAST_PORT:
        raise ValueError(text)
    return f"{first}-{last}"


def optional_text(text: str) -> str | None:
    """Return a text; an SDK sends "" for a program that nobody has named."""
    return text or None


def optional_source(text: str) -> str | None:
    """Return where code is; `file://` becomes a path."""
    return str(local_path(text)) if text.startswith(FILE) else text or None


def optional_path(text: str) -> Path | None:
    """Return a path."""
    return Path(text) if text else None


def s3_or_folder(text: str) -> str:
    """Return an absolute path, or an address of S3."""
    text = str(local_path(text)) if text.startswith(FILE) else text
    if text and not text.startswith(("s3://", "/")):
        raise ValueError(text)
    return text


def words(text: str) -> frozenset[str]:
    """Return the words between commas, in lower case."""
    return frozenset(word.strip().lower() for word in text.split(",") if word.strip())


def sides(text: str) -> frozenset[str]:
    """Return the sides of an exchange: input, output or both."""
    found = words(text)
    if not found or found - {"input", "output"}:
        raise ValueError(text)
    return found

"""Names of buckets and keys, and which keys can be the path of a file."""

from __future__ import annotations

import re

from mlberth.transfer.names import is_relative
from mlberth_local.errors import ServiceError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
LONGEST_KEY = 1024
"""In bytes of UTF-8."""


def check_bucket(name: str) -> None:
    """Raise InvalidBucketName for what S3 does not take as the name of a bucket."""
    if not _BUCKET.fullmatch(name) or _ADDRESS.fullmatch(name) or ".." in name:
        raise ServiceError("InvalidBucketName", f"The specified bucket is not valid: {name}")


def check_key(key: str) -> None:
    """Raise KeyTooLongError for a key of more than 1024 bytes."""
    if len(key.encode(errors="surrogatepass")) > LONGEST_KEY:
        raise ServiceError("KeyTooLongError", "Your key is too long")


def is_plain(key: str) -> bool:
    """Whether a key can be the path of a file below its bucket's folder.

    Not those with `..` or an empty segment, `folder/`, a NUL, or a segment that is too long.
    """
    return is_relative(key)

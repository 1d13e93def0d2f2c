"""Archives of the tests, made in memory."""

from __future__ import annotations

import io
import tarfile


def packed(name: str, text: str) -> bytes:
    """Return a .tar.gz with one file."""
    archive, body = io.BytesIO(), text.encode()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(body)
        tar.addfile(member, io.BytesIO(body))
    return archive.getvalue()

"""The document that a browser gets at `/`, and the policy that lets it run its own script and no other."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

CONTENT_TYPE = "text/html; charset=utf-8"
_FOLDER = Path(__file__).parent


class Page(NamedTuple):
    """A document, and its Content-Security-Policy."""

    body: bytes
    policy: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of a response with it; `Vary`, since a client that is no browser gets the routes."""
        return {
            "Content-Type": CONTENT_TYPE,
            "Content-Security-Policy": self.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Vary": "Accept",
        }


@cache
def make_page() -> Page:
    """Return the page with its style and script inside, which the policy names by their hashes."""
    style, script = (_FOLDER.joinpath(name).read_text() for name in ("style.css", "script.js"))
    text = _FOLDER.joinpath("page.html").read_text()
    text = text.replace("/* style.css */", style).replace("/* script.js */", script)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; "
        "img-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(text.encode(), policy)


def wants_page(accept: str | None) -> bool:
    """Return whether a client is a browser: nginx.conf has the same rule."""
    return "text/html" in (accept or "").lower()


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

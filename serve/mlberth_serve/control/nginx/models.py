"""The upstream of several models, and the locations that lead to it, which `models.conf` has.

nginx finds a model by a link of its name (`control/models/door.py`), so it need not be told of a load. It
keeps connections only to servers of its configuration: these are slots, and a model has the one that `hash`
makes of its name, or of name and mark. A model both of whose slots are taken gets a connection a request.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from mlberth_serve.settings import Settings

_LOCATIONS = Path(__file__).parent / "models.conf"
SLOTS = 2048
"""`hash` goes through them one by one, which costs a microsecond or two."""
_MARKS = ("", "~")
"""At the end of a name in each place that has a slot; no name holds the second."""
PLACES = range(len(_MARKS) + 1)
"""The folders that a model's name may be in; the last has no slot."""
_KEPT = 256
"""Connections to all models that each of nginx's processes keeps: of the 1024 that it may have."""


def slot_in(place: int, name: str) -> int | None:
    """Return the slot of a model in a place, as `hash` has it; None in the place without slots.

    Source: ngx_http_upstream_get_hash_peer, the first try, which is the only one as no server is ever down.
    """
    if place >= len(_MARKS):
        return None
    return ((zlib.crc32(f"{name}{_MARKS[place]}".encode()) >> 16) & 0x7FFF) % SLOTS


def model_snippets(settings: Settings) -> dict[str, str]:
    """Return the files for several models, by their path below the private folder."""
    return {
        "http.d/models.conf": _pool(keep=settings.retry),
        "server.d/models.conf": _LOCATIONS.read_text(encoding="utf-8"),
    }


def _pool(*, keep: bool) -> str:
    """Return the upstream of all slots; without a retry no connection is kept, as for a single model."""
    servers = "".join(f"    server unix:u/{slot} max_fails=0;\n" for slot in range(SLOTS))
    kept = f"    keepalive {_KEPT};\n    keepalive_requests 100000;\n" if keep else ""
    return f"upstream models {{\n    hash $model_key;\n{servers}{kept}}}\n"

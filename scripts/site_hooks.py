"""A hook of mkdocs for `make site`: links from docs/ to other files lead to the repository."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]*)")
# A strict build fails if there is any warning below mkdocs' own logger.
_log = logging.getLogger("mkdocs.hooks.site")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return a page with addresses for links to files outside docs/; warn if there is no such file."""
    docs = Path(config["docs_dir"])
    folder = docs / Path(page.file.src_uri).parent

    def lead(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        if target.is_relative_to(docs):
            return link[1]
        if not target.exists():
            _log.warning("%s links to %s, which is not there", page.file.src_uri, link[1])
        kind = "tree" if target.is_dir() else "blob"
        return urljoin(config["extra"]["repository"] + "/", f"{kind}/main/{target.relative_to(ROOT)}")

    return _LINK.sub(lead, markdown)

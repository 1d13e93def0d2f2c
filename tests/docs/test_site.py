"""The site of docs/: it builds strictly, from this checkout alone, and no link leads nowhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("material", reason="mkdocs-material needs Python 3.11")
ROOT = Path(__file__).resolve().parents[2]
# In a network namespace of its own, a build that needs a network fails.
NO_NETWORK = ["unshare", "--map-root-user", "--net"]


def build(checkout: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout into its build/site."""
    # Not with --quiet, which hides warnings from the count that makes a strict build fail, too.
    argv = [*before, sys.executable, "-m", "mkdocs", "build"]
    return subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what the site is made from, and of the files that it links to."""
    for name in ("deploy", "docs", "examples", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "mkdocs.yml", *ROOT.glob("*.md"), *ROOT.glob("Dockerfile.*")):
        shutil.copy(path, tmp_path)
    return tmp_path


class Loaded(HTMLParser):
    """Collects what a browser loads for a page; a link is not loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of a script, image, frame or style sheet."""
        named = dict(attrs)
        if tag in {"script", "img", "iframe", "source"} or (
            tag == "link" and named.get("rel") != "canonical"
        ):
            self.addresses |= {named.get("src") or "", named.get("href") or ""}


def test_site_builds_without_a_network(checkout: Path) -> None:
    """Every page comes out, and none makes a browser load something from elsewhere."""
    isolated = subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    done = build(checkout, *(NO_NETWORK if isolated else ()))
    assert done.returncode == 0, done.stdout + done.stderr
    site = checkout / "build/site"
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).exists()
    loaded = Loaded()
    for page in site.rglob("*.html"):
        loaded.feed(page.read_text())
    assert "" in loaded.addresses
    assert {address for address in loaded.addresses if re.match(r"(https?:)?//", address)} == set()


@pytest.mark.parametrize(
    "link",
    ["nowhere.md", "exit-codes.md#nothing", "../../nowhere.txt", "../../SECURITY"],
    ids=["page", "heading", "file", "file without its ending"],
)
def test_a_link_that_leads_nowhere_fails_the_build(link: str, checkout: Path) -> None:
    """The build names the page and the link."""
    page = checkout / "docs/reference/training.md"
    page.write_text(f"{page.read_text()}\n[here]({link})\n")
    done = build(checkout)
    assert done.returncode != 0
    assert "reference/training.md" in done.stdout + done.stderr
    assert link.removeprefix("exit-codes.md") in done.stdout + done.stderr


def test_a_page_that_is_in_no_menu_fails_the_build(checkout: Path) -> None:
    """A new page has to be listed in mkdocs.yml."""
    (checkout / "docs" / "how-to/new.md").write_text("# New\n")
    done = build(checkout)
    assert done.returncode != 0
    assert "how-to/new.md" in done.stdout + done.stderr

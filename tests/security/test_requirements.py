"""The page of security requirements: each names tests, and they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/security.md"
ROWS = re.findall(r"^\| (S\d+) \| .*? \| (.*) \|$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("number", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_requirement_has_its_tests(number: str, tests: str) -> None:
    """Every test that the page names for a requirement is in its file."""
    named = re.findall(r"`(.+?)::(test_\w+)`", tests)
    assert named
    for file, function in named:
        tree = ast.parse((ROOT / file).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_security_test_is_forgotten() -> None:
    """Every test with the number of a requirement in its name is on the page."""
    page = PAGE.read_text()
    for path in (*ROOT.glob("tests/security/*.py"), *ROOT.glob("tests/images/*.py")):
        for name in re.findall(r"^def (test_s\d\d_\w+)", path.read_text(), re.MULTILINE):
            assert name in page

"""Dependencies of a pyproject.toml, as pip takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlberth.code.pyproject import dependencies

POETRY = '[tool.poetry.dependencies]\npython = "^3.10"\n'


@pytest.mark.parametrize(
    ("text", "known", "unknown"),
    [
        ("", [], []),
        ("[tool.ruff]\n", [], []),
        ("[project\n", [], []),
        ('project = "x"\n', [], []),
        ('[project]\nname = "a"\n', [], []),
        (
            "[project]\ndependencies = ['numpy>=1', 'a; python_version < \"3\"']\n",
            ["numpy>=1", 'a; python_version < "3"'],
            [],
        ),
        (POETRY, [], []),
        (f'{POETRY}a = "*"\nb = "1.2"\nc = "1.2.*"\n', ["a", "b==1.2", "c==1.2.*"], []),
        (
            f'{POETRY}a = "^1.2.3"\nb = "^0.2.3"\nc = "^0.0.3"\nd = "^1"\ne = "^0"\n',
            ["a>=1.2.3,<2", "b>=0.2.3,<0.3", "c>=0.0.3,<0.0.4", "d>=1,<2", "e>=0,<1"],
            [],
        ),
        (f'{POETRY}a = "~1.2.3"\nb = "~1.2"\nc = "~1"\n', ["a>=1.2.3,<1.3", "b>=1.2,<1.3", "c>=1,<2"], []),
        (f'{POETRY}a = ">=1.2, <2"\nb = "!= 1.3"\n', ["a>=1.2,<2", "b!=1.3"], []),
        (f'{POETRY}a = {{version = "^1.2", extras = ["x", "y"]}}\n', ["a[x,y]>=1.2,<2"], []),
        (
            f'{POETRY}a = {{git = "https://x"}}\nb = "^x"\nc = "1 || 2"\nd = [{{version = "1"}}]\n',
            [],
            ["a", "b", "c", "d"],
        ),
    ],
)
def test_dependencies_are_what_pip_takes(
    tmp_path: Path, text: str, known: list[str], unknown: list[str]
) -> None:
    """PEP 621's as they are, Poetry's with their signs written out; what cannot be said is named."""
    (tmp_path / "pyproject.toml").write_text(text)
    found = dependencies(tmp_path / "pyproject.toml")
    assert found == (known, unknown)
    for one in found[0]:
        Requirement(one)

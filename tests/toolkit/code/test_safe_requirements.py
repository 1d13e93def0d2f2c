"""requirements.txt under SAGEMAKER_SAFE_REQUIREMENTS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlberth.code.safe_requirements import check_requirements
from mlberth.errors import DependencyError


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# -e .",
        "numpy",
        "numpy==1.26.4",
        "numpy >= 1.26, < 3  # a comment",
        "uvicorn[standard]~=0.30",
        "a-b_c.d===1.0+local",
        "pywin32; sys_platform == 'win32' and python_version >= \"3.10\"",
        "numpy==1.26.4 \\\n    --hash=sha256:00ff \\\n    --hash=sha256:11ff",
        "--require-hashes",
        "--only-binary :all:",
        "-r more.txt",
        "-rmore.txt",
        "--constraint=more.txt",
        "-r requirements.txt",
        "-r absent.txt",
    ],
)
def test_names_versions_and_hashes_pass(tmp_path: Path, line: str) -> None:
    """What leads to the index and nowhere else is accepted, in files that it includes as well."""
    (tmp_path / "more.txt").write_text("scipy\n")
    check(tmp_path, line)


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--editable=.",
        ".",
        "./pkg",
        "pkg/",
        "/etc/passwd",
        "file:///etc/passwd",
        "pkg @ https://example.com/pkg.whl",
        "pkg@git+https://example.com/pkg",
        "git+https://example.com/pkg#egg=pkg",
        "https://example.com/pkg.whl",
        "pkg.whl/../../x",
        "--index-url http://example.com",
        "-i http://example.com",
        "--extra-index-url=http://example.com",
        "--find-links /tmp",
        "-f /tmp",
        "--trusted-host example.com",
        "--no-index",
        "--pre",
        "-r ../outside.txt",
        "-r /etc/passwd",
        "-r https://example.com/r.txt",
        "-r nested.txt",
        "pkg --config-settings=x=y",
        "pkg; echo pwned > x@y",
        "$(id)",
        "${INDEX}",
        "\\\n-e .",
        "numpy==1.26.4 \\\n  -e .",
        "-x",
    ],
)
def test_everything_else_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    """A URL, path, repository or option that leads elsewhere is named by its line, and not repeated."""
    (tmp_path / "nested.txt").write_text("-e .\n")
    with pytest.raises(DependencyError, match=r"line 1: found something else; expected a package's name"):
        check(tmp_path, line)


def test_every_line_is_reported(tmp_path: Path) -> None:
    """All faulty lines are in one error, by their numbers."""
    with pytest.raises(DependencyError) as caught:
        check(tmp_path, "numpy\n-e .\n\n./x\n")
    wheres = [fault.where for fault in caught.value.faults]
    assert wheres == ["requirements.txt, line 2", "requirements.txt, line 4"]


def check(folder: Path, text: str) -> None:
    """Check a requirements.txt of the given text."""
    (folder / "requirements.txt").write_text(text)
    check_requirements(folder / "requirements.txt", folder)


def test_included_file_whose_name_no_disk_takes_leads_nowhere(tmp_path: Path) -> None:
    """It is as absent as any other, which pip will say."""
    for name in ("x" * 300, "a\0b"):
        check(tmp_path, f"-r {name}")


@pytest.mark.parametrize("line", ["numpy; x" + " " * 100_000 + "@ y", "numpy" + " " * 100_000 + "x # y"])
def test_long_line_is_refused_at_once(tmp_path: Path, line: str) -> None:
    """Blanks without end take no time to speak of."""
    began = time.process_time()
    with pytest.raises(DependencyError):
        check(tmp_path, line)
    assert time.process_time() - began < 20

"""The tutorial, followed from an empty folder to its end as it is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import differences, normal, read, script, typist
from tests.support import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/tutorial/first-model.md"
WITHOUT_DOCKER, _, WITH_DOCKER = PAGE.read_text().partition("\n## 9. The same in the images\n")


def follow(commands: str, folder: Path, port: int) -> str:
    """Return the output of the page's commands, in a shell with nothing but Python, curl and a checkout."""
    (folder / "mlberth").symlink_to(ROOT)
    # Compiling takes a third of the time, and is of no use to programs that run once.
    environ = typist(folder, port) | {"PIP_NO_COMPILE": "1"}
    done = subprocess.run(
        ["bash", "-c", commands.replace(":8080", f":{port}")],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout


def test_tutorial_as_it_is_written(tmp_path: Path) -> None:
    """Every command gives the output that the page shows, up to times, names of machines and folders."""
    parts = read(WITHOUT_DOCKER)
    port = free_port()
    output = follow(script(parts), tmp_path, port)
    assert (found := differences(parts, output, tmp_path, port)) == "", found


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("```sh\necho 1\n```\n", "+1"),
        ("```sh\necho 1\n```\n\n```text\n2\n```\n", "-2"),
        ("```sh\necho 1 s\necho 1.5 s\n```\n\n```text\n1 s\n1.5 m\n```\n", "-1.5 m"),
        ("```sh\ntrue\n```\n\n```sh\nfalse\n```\n", "these commands fail:\nfalse"),
        ('```python title="a.py"\nprint(3)\n```\n\n```sh\npython3 a.py\n```\n\n```text\n4\n```\n', "+3"),
    ],
    ids=["output not shown", "other output", "other unit", "failure", "file"],
)
def test_a_page_that_is_wrong_is_found(page: str, wrong: str, tmp_path: Path) -> None:
    """What a page does not show, shows otherwise or cannot do is reported with its command."""
    parts = read(page)
    done = subprocess.run(
        ["bash", "-c", script(parts)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert wrong in differences(parts, done.stdout, tmp_path, 8080)


def test_what_differs_from_run_to_run_is_left_out() -> None:
    """Times, seconds, machines, containers and request ids may differ; a program's own numbers may not."""
    first = "2026-11-28 07:06:36,166 INFO x: on laptop (rank 0 of 1) after 0.25 s"
    second = "2027-01-01 00:00:00,000 INFO x: on 3f2a86bc0cd1 (rank 0 of 1) after 11.5 s"
    assert normal(first) == normal(second)
    assert normal("accuracy=0.974") != normal("accuracy=0.973")

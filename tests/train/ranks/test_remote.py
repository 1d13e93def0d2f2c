"""What mpirun may start on another host."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.ranks.test_coordinator import PLAN

from mlberth_train.ranks.remote import ask_for, is_daemon


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["orted", "-mca", "ess", "env"], True),
        (["/usr/bin/orted"], True),
        (["prted"], True),
        (["sh", "-c", "orted"], False),
        (["orted;sh"], False),
        ([], False),
        ("orted", False),
        (["orted", 1], False),
    ],
)
def test_agents_run_the_daemon_alone(argv: object, allowed: bool) -> None:
    """A command that is not MPI's daemon is refused."""
    assert is_daemon(argv) is allowed


def test_words_are_read_as_ssh_reads_them(tmp_path: Path) -> None:
    """They are one command for a shell, which takes their quotes away; the daemon is to be waited for."""
    (tmp_path / "ranks").mkdir()
    plan = PLAN._replace(folder=str(tmp_path))
    assert ask_for(plan, "b", ["orted", "--daemonize", "-mca", "ess_base_jobid", '"17"']) == 0
    text = (tmp_path / "ranks/b.run").read_text()
    assert text == '{"host": "b", "argv": ["orted", "-mca", "ess_base_jobid", "17"]}'

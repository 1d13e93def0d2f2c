"""A secret that must be nowhere: what a job and a server were given, and everything that they let out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until
from tests.train.running import Tree

CANARY = "canary5e1fd0c7canary"
PROGRAM = """
import os, pathlib, sys, time
there = pathlib.Path(os.environ["SM_MODEL_DIR"])
(there / "there").touch()
while not (there / "go").exists():
    time.sleep(0.01)
{end}
"""
ENDS = {
    "success": "",
    "exception": "raise ValueError('cannot log in with ' + os.environ['DATABASE_PASSWORD'])",
    "message": "sys.exit('cannot log in with ' + os.environ['DATABASE_PASSWORD'])",
}
SECRETS = {
    "DATABASE_PASSWORD": CANARY,
    "WANDB_API_KEY": CANARY,
    "PIP_INDEX_URL": f"https://reader:{CANARY}@127.0.0.1:1/simple",
    "PIP_RETRIES": "0",
}


def commands(pid: int) -> bytes:
    """Return the arguments of a process and of all that it started, as `ps` shows them."""
    below = b"".join(commands(child) for child in children_of(pid))
    return Path(f"/proc/{pid}/cmdline").read_bytes() + below


def let_out(folder: Path) -> str:
    """Return everything in the files of a folder, and their names."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(f"{path}\n{path.read_bytes().decode(errors='replace')}" for path in paths)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_s13_secrets_of_a_job_are_nowhere(end: str, log_format: str, tmp_path: Path) -> None:
    """Not in our log, the reports or `ps`, whether the job succeeds or fails with the secret on its lips."""
    tree = Tree(tmp_path / "ml").code(train__py=PROGRAM.format(end=ENDS[end]))
    tree.config(hyperparameters={"db_password": CANARY})
    environ = {**SECRETS, "SAGEMAKER_ARGS_PROTOCOL": "none", "SAGEMAKER_LOG_FORMAT": log_format}
    job = tree.start([Path(sys.executable).parent / "train"], **environ)
    wait_until(lambda: (tree.layout.model / "there").exists() or job.poll() is not None, timeout=60)
    assert job.poll() is None, job.communicate()
    shown = commands(job.pid)
    (tree.layout.model / "go").touch()
    out, err = job.communicate(timeout=60)
    assert job.returncode == (end != "success")
    assert b"train.py" in shown
    assert CANARY.encode() not in shown
    # The program's own words pass as they are; those that we say are ours to keep clean.
    ours = [
        line for line in err.splitlines() if " ERROR " in line or " INFO " in line or line.startswith("{")
    ]
    assert CANARY not in "\n".join([out, *ours]), err
    assert CANARY not in let_out(tree.layout.output)
    assert (tree.failure == "") == (end == "success")


def test_s13_password_of_the_index_is_nowhere(tmp_path: Path) -> None:
    """An index that cannot be reached is told of without its password."""
    tree = Tree(tmp_path / "ml").code(train__py="", requirements__txt="nothing-of-that-name==1\n").config()
    ended = tree.train(**SECRETS)
    assert ended.code == 69
    assert "nothing-of-that-name" in tree.failure
    assert CANARY not in ended.out + ended.err + let_out(tree.layout.output)


def test_s13_secrets_of_a_server_are_nowhere(tmp_path: Path) -> None:
    """Not in its log, `ps`, its files, its metrics or what it says of itself."""
    require_nginx()
    with Server(tmp_path, **SECRETS, SAGEMAKER_ACCESS_LOG="true") as server:
        server.wait_ready()
        assert server.invoke("1", Authorization=f"Bearer {CANARY}").status == 200
        assert server.request("GET", f"/unknown?token={CANARY}").status == 404
        pages = [server.request("GET", path).body for path in ("/ping", "/metrics", "/execution-parameters")]
        assert CANARY.encode() not in commands(server.process.pid) + b"".join(pages)
        assert CANARY not in let_out(server.temporary)
        assert server.stop() == 0
        assert "/invocations" in server.text
        assert CANARY not in server.text


def test_s13_explanations_hide_secrets(tmp_path: Path) -> None:
    """`--explain` tells what would run, not what the secrets are."""
    tree = Tree(tmp_path / "ml").code(train__py="").config(hyperparameters={"db_password": CANARY})
    ended = tree.train("--explain", **SECRETS)
    assert ended.code == 0, ended.err
    assert "db_password" in ended.out.lower()
    assert CANARY not in ended.out + ended.err

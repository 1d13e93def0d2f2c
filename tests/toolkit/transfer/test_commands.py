"""The commands `mlberth fetch` and `mlberth push`, as a container runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.toolkit.transfer.test_fetch import archive, tree

MLBERTH = str(Path(sys.executable).with_name("mlberth"))


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `mlberth ARGUMENT…`."""
    environ = {"PATH": os.environ["PATH"], **variables}
    argv = [MLBERTH, *map(str, arguments)]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_fetch(tmp_path: Path) -> None:
    """What was fetched is said on stderr; a folder that is filled is left alone if that is asked for."""
    source = archive({"model": "m"}, tmp_path / "model.tar.gz")
    done = run("fetch", "--unpack", source, tmp_path / "x")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"mlberth fetch: 1 file from {source} in {tmp_path}/x\n"
    (tmp_path / "x/model").write_text("newer")
    done = run("fetch", "--if-empty", "--unpack", source, tmp_path / "x")
    assert "holds files already" in done.stderr
    assert tree(tmp_path / "x") == {"model": "newer"}
    done = run("fetch", "gs://b/x", tmp_path / "y")
    assert done.returncode == 78
    assert done.stderr.startswith("mlberth fetch: mlberth fetch, URL: found 'gs://b/x'; expected s3://")


def test_share_of_a_host(tmp_path: Path) -> None:
    """`auto` is by the variables of the engine, as `train` reads them."""
    for name in "abc":
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    base = {"SAGEMAKER_BASE_DIR": str(tmp_path / "ml")}
    hosts = {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "job-node-0-0.job"}
    done = run("fetch", "--shard", "auto", tmp_path / "data", tmp_path / "own", **base, **hosts)
    assert "(part 2 of 2)" in done.stderr, done.stderr
    assert tree(tmp_path / "own") == {"b": "b"}
    run("fetch", "--shard", "2/3", tmp_path / "data", tmp_path / "third", **base)
    assert tree(tmp_path / "third") == {"c": "c"}
    done = run("fetch", "--shard", "3/3", tmp_path / "data", tmp_path / "none")
    assert done.returncode == 2
    assert "I/N with I from 0 to N-1" in done.stderr


def test_push_after_a_command(tmp_path: Path) -> None:
    """A model is pushed if the command ends well; `--always` also pushes what a failed one has left."""
    write = (
        f"mkdir -p {tmp_path}/model {tmp_path}/output; touch {tmp_path}/model/m {tmp_path}/output/o; exit "
    )
    outer = ("push", "--always", tmp_path / "output", tmp_path / "to/output.tar.gz", "--", MLBERTH)
    inner = ("push", tmp_path / "model", tmp_path / "to/model.tar.gz", "--", "sh", "-c")
    done = run(*outer, *inner, f"{write} 3")
    assert done.returncode == 3
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["output.tar.gz"]
    done = run(*outer, *inner, f"{write} 0")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["model.tar.gz", "output.tar.gz"]


@pytest.mark.parametrize(("rank", "is_pushed"), [("0", True), ("1", False)])
def test_leader(tmp_path: Path, rank: str, is_pushed: bool) -> None:
    (tmp_path / "model").write_text("m")
    hosts = {"PET_NNODES": "2", "PET_NODE_RANK": rank, "PET_MASTER_ADDR": "job-node-0-0.job"}
    base = {"SAGEMAKER_BASE_DIR": str(tmp_path / "ml")}
    done = run("push", "--leader", tmp_path / "model", tmp_path / "to", **base, **hosts)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "to/model").exists() == is_pushed


def test_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    done = run("push", tmp_path / "model", "http://127.0.0.1:1/x.tar.gz?sig=secret")
    assert done.returncode == 0
    assert done.stderr.endswith("model holds no files; nothing is pushed to http://127.0.0.1:1/x.tar.gz?…\n")

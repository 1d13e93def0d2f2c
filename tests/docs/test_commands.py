"""Every command on a page is run by a test, or says why it cannot be."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.docs.commands import EXCUSED, LANGUAGES, ROOT, RUN_BY, blocks, commands, every_block
from tests.docs.serving import a_server, wait_scraped
from tests.serve.running import Server, require_nginx

_COMMAND = re.compile(r"(\$|curl|docker|kubectl|make|mlberth|pip|python3?) .*")
_FILE = re.compile(r"(?<![\w./:-])(?:docs|deploy|examples|scripts|tests)/[\w./-]+")


def test_a_block_says_what_it_is() -> None:
    """Each has a language, so that no command hides in one without, and text is not a command."""
    assert {block.language for block in every_block()} <= LANGUAGES
    texts = [block for block in every_block() if block.language == "text"]
    assert [block.page for block in texts if _COMMAND.match(block.content.splitlines()[0])] == []


def test_every_command_is_run_or_excused() -> None:
    """Each block of commands has a test that runs it or a reason from a short list, and never both."""
    found = [block for block in every_block() if block.language == "sh"]
    nobody = [(block.page, block.content) for block in found if not block.reason and not block.runner]
    assert nobody == []
    assert Counter(block.reason for block in found if block.reason) == EXCUSED
    run = {(block.page, block.section) for block in found if not block.reason}
    assert {
        place for place in RUN_BY if place not in run and (place[1] or place[0] not in dict(run))
    } == set()


def test_a_reason_is_for_commands() -> None:
    """A comment stands before a block of commands: elsewhere it would excuse nothing."""
    excused = [block for block in every_block() if block.reason]
    assert {block.language for block in excused} == {"sh"}
    written = sum(page.read_text().count("<!-- not run:") for page in {ROOT / one.page for one in excused})
    assert written - (ROOT / "CONTRIBUTING.md").read_text().count("`<!-- not run:") == len(excused)


@pytest.mark.parametrize("runner", sorted(set(RUN_BY.values())))
def test_the_runner_is_there(runner: str) -> None:
    """A test of that name takes commands from a page."""
    name, _, test = runner.partition("::")
    text = (ROOT / name).read_text()
    assert f"\ndef {test}(" in text
    assert re.search(r"\b(blocks|commands|read)\(", text)


def test_files_of_commands_are_there() -> None:
    """A command that is not run names files of the repository that exist; all manifests are validated."""
    for block in every_block():
        if block.reason:
            assert [name for name in _FILE.findall(block.content) if not (ROOT / name).exists()] == []
        if block.reason == "needs a cluster":
            assert all(name.startswith("deploy/kubernetes/") for name in _FILE.findall(block.content))


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run commands up to the first that fails, with the commands of this environment on PATH."""
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables}
    argv = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(
        argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def test_tools(tmp_path: Path) -> None:
    """The commands that find a cause run on any folder, and start nothing."""
    shutil.copytree(ROOT / "tests/projects/sklearn_job", tmp_path / "ml/code")
    (tmp_path / "ml/model").mkdir()
    (script,) = commands("docs/how-to/find-the-cause.md", "Tools")
    done = shell(script, tmp_path, SAGEMAKER_BASE_DIR=str(tmp_path / "ml"), SAGEMAKER_BIND_TO_PORT="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exit code 1" in done.stdout
    assert list((tmp_path / "ml/model").iterdir()) == []


def test_fetch_and_push(tmp_path: Path) -> None:
    """The page's commands bring data, and take a model to where another command finds it."""
    (script,) = commands("docs/how-to/kubernetes.md", "Data in, model out")
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "served/model/iris.csv").read_text() == "5.1,3.5,1.4,0.2,0\n"


def test_render(tmp_path: Path) -> None:
    """The page's request becomes a Job, and what it loses is said."""
    (script,) = commands("docs/how-to/kubernetes.md", "From a request")
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("mlberth render: CreateTrainingJob.RoleArn = ")
    assert "kind: Job" in (tmp_path / "job.yaml").read_text()


def test_metrics(tmp_path: Path) -> None:
    """A server's page comes, and has its metrics."""
    require_nginx()
    (script,) = commands("docs/reference/observability.md", "GET /metrics")
    with a_server(tmp_path) as server:
        wait_scraped(server)
        done = shell(script.replace(":8080", f":{server.port}"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mlberth_workers 2.0" in done.stdout


def test_a_failing_input_is_made_again() -> None:
    """The fuzzer makes the one input that a seed and a number name."""
    require_nginx()
    (script,) = commands("docs/explanation/fuzzing.md", "")
    assert ".venv/bin/python" in script
    done = shell(script.replace(".venv/bin/python", sys.executable), ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_audit_never_passes_without_advisories(tmp_path: Path) -> None:
    """`make audit` fails if nobody can be asked; a scan of nothing is no result."""
    pytest.importorskip("pip_audit")
    for name in ("scripts", "constraints"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "scripts/audit", tmp_path / "scripts")
    shutil.copy(ROOT / "constraints/base.txt", tmp_path / "constraints")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    nowhere = "http://127.0.0.1:9"
    done = shell("scripts/audit base", tmp_path, HTTPS_PROXY=nowhere, https_proxy=nowhere, HOME=str(tmp_path))
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr


def test_a_handler_adds_a_media_type(tmp_path: Path) -> None:
    """The page's handler reads and writes a type of its own, and leaves the others to the codecs."""
    require_nginx()
    page = (ROOT / "docs/reference/codecs.md").read_text()
    shown = re.search(r'```python title="inference.py"\n(.*?)```', page, re.DOTALL)
    assert shown
    row = np.array([1, 2, 3, 4], "<f4")
    with a_server(tmp_path, shown[1]) as server:
        server.wait_ready()
        own = {"Content-Type": "application/x-floats", "Accept": "application/x-floats"}
        answer = server.request("POST", "/invocations", row.tobytes(), own)
        assert (answer.status, answer.body) == (200, (row * 2).tobytes())
        assert answer.headers["Content-Type"] == "application/x-floats"
        other = {"Content-Type": "text/csv", "Accept": "application/json"}
        answer = server.request("POST", "/invocations", b"1,2", other)
        assert (answer.status, answer.body) == (200, b"[2, 4]")


@pytest.mark.parametrize("text", ["```\nmake x\n```\n", "# A\n\n## B\n\n```sh\n# c\n```\n"])
def test_blocks_are_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block without a language is one, and a comment in a block is no heading."""
    monkeypatch.setattr("tests.docs.commands.ROOT", tmp_path)
    (tmp_path / "page.md").write_text(text)
    (block,) = blocks(tmp_path / "page.md")
    assert (block.language, block.section) in {("", ""), ("sh", "B")}


def test_stream(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A client without a library gets the example's events, as they are made."""
    require_nginx()
    folder = tmp_path_factory.mktemp("s")
    shutil.copytree(ROOT / "examples/chat", folder / "ml/code")
    (folder / "ml/model").mkdir()
    with Server(folder, "mlberth_serve.wsgi:application") as server:
        server.wait_ready()
        (command,) = commands("docs/how-to/stream.md", "")
        done = shell(command.replace("8080", str(server.port)), folder)
    events = done.stdout.split("\n\n")
    assert all(event.startswith("data: {") for event in events[:-2]), done
    assert events[-2:] == ["data: [DONE]", ""]


def test_stream_both_ways(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The page's client talks to the page's handler."""
    require_nginx()
    folder = tmp_path_factory.mktemp("s")
    (folder / "ml/model").mkdir(parents=True)
    (folder / "ml/code").mkdir()
    page = blocks(ROOT / "docs/how-to/stream-both-ways.md")
    handler, client = [block.content for block in page if block.language == "python"]
    (folder / "ml/code/inference.py").write_text(handler)
    with Server(folder, "mlberth_serve.wsgi:application") as server:
        server.wait_ready()
        argv = [sys.executable, "-c", client.replace("8080", str(server.port))]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "AHOY\n", done.stderr

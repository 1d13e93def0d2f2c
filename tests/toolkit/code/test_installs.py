"""Where installs may come from: settings of the image and of the job."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.toolkit.installing import result, start, wheel

ARN = "arn:aws:codeartifact:eu-central-1:123456789012:repository/team/python"
TOKEN = "canary-token"
UV = Path(sys.executable).with_name("uv")
LOCKED = """\
[project]
name = "job"
version = "1"
requires-python = ">=3.10"
dependencies = ["mlberth_locked"]
[tool.uv]
no-index = true
find-links = ["."]
"""
LOGIN = f"Basic {base64.b64encode(f'aws:{TOKEN}'.encode()).decode()}"


class Index(BaseHTTPRequestHandler):
    """CodeArtifact's two calls, and a private index behind a password, on one port."""

    folder: ClassVar[Path]

    def do_POST(self) -> None:
        """Give out a token."""
        self.answer(json.dumps({"authorizationToken": TOKEN, "expiration": 0}).encode())

    def do_GET(self) -> None:
        """Name the endpoint, list a package, or send a wheel to who has the token."""
        if self.path.startswith("/v1/repository/endpoint"):
            host = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            self.answer(json.dumps({"repositoryEndpoint": f"{host}/pypi/python/"}).encode())
        elif self.headers["Authorization"] != LOGIN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
        elif self.path.endswith(".whl"):
            self.answer((self.folder / Path(self.path).name).read_bytes())
        else:
            (file,) = self.folder.glob("*.whl")
            self.answer(f'<a href="/{file.name}">{file.name}</a>'.encode(), "text/html")

    def answer(self, body: bytes, kind: str = "application/json") -> None:
        """Send a body."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Return the address of an index that has one package, `mlberth_private`."""
    Index.folder = tmp_path / "packages"
    Index.folder.mkdir()
    wheel(Index.folder, "mlberth_private")
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Return a folder whose code asks for the private package."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "requirements.txt").write_text("mlberth_private\n")
    return folder


@pytest.fixture
def private(python: str) -> Iterator[None]:
    """Forget the private package in the end."""
    yield
    subprocess.run(
        [python, "-m", "pip", "uninstall", "-qy", "mlberth_private"], check=True, capture_output=True
    )


@pytest.mark.usefixtures("private")
def test_codeartifact_is_pips_index(code: Path, python: str, index: str) -> None:
    """CA_REPOSITORY_ARN brings a token, and pip installs with it; nobody sees the token."""
    environ = {"AWS_ENDPOINT_URL_CODEARTIFACT": index, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    answer, said = result(start(code, python, CA_REPOSITORY_ARN=ARN, PIP_NO_INDEX="0", **environ))
    assert answer == {"stopped": None}, said
    assert "Successfully installed" in said
    assert TOKEN not in said


@pytest.mark.parametrize("arn", ["python", "arn:aws:s3:::bucket", f"{ARN}/more"])
def test_codeartifact_needs_an_arn(code: Path, python: str, arn: str) -> None:
    """What is no repository's ARN is named before anything is asked."""
    answer, _ = result(start(code, python, CA_REPOSITORY_ARN=arn))
    assert (answer["kind"], answer["exit_code"]) == ("ContractError", 78)
    assert "CA_REPOSITORY_ARN" in answer["error"]


def test_codeartifact_that_refuses_is_a_dependency_error(code: Path, python: str) -> None:
    """Without an answer there is a reason, and no traceback."""
    environ = {"AWS_ENDPOINT_URL_CODEARTIFACT": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    answer, said = result(start(code, python, CA_REPOSITORY_ARN=ARN, **environ, **keys))
    assert (answer["kind"], "CA_REPOSITORY_ARN" in answer["error"]) == ("DependencyError", True)
    assert "Traceback" not in said


@pytest.mark.usefixtures("private")
def test_private_index_from_a_secret_file(code: Path, python: str, index: str, tmp_path: Path) -> None:
    """PIP_CONFIG_FILE can name a mounted secret with index and password, which nobody sees."""
    secret = tmp_path / "pip.conf"
    secret.write_text(f"[global]\nindex-url = {index.replace('://', f'://aws:{TOKEN}@')}/simple/\n")
    answer, said = result(
        start(code, python, PIP_CONFIG_FILE=str(secret), PIP_NO_INDEX="0", PIP_INDEX_URL="")
    )
    assert answer == {"stopped": None}, said
    assert TOKEN not in said


@pytest.mark.usefixtures("private")
def test_wheelhouse_is_the_only_source(code: Path, python: str) -> None:
    """With wheels beside the code no index is asked, wherever pip is told to look."""
    (code / "wheelhouse").mkdir()
    wheel(code / "wheelhouse", "mlberth_private")
    answer, said = result(start(code, python, PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/simple"))
    assert answer == {"stopped": None}, said


def test_install_that_is_forbidden_is_not_tried(code: Path, python: str) -> None:
    """With SAGEMAKER_ALLOW_INSTALL=false a job that asks for a package ends with the reason."""
    answer, said = result(start(code, python, SAGEMAKER_ALLOW_INSTALL="false"))
    assert (answer["kind"], answer["exit_code"]) == ("DependencyError", 69)
    assert answer["error"].startswith("SAGEMAKER_ALLOW_INSTALL: found false")
    assert "pip" not in said.replace(answer["error"], "")


def test_unsafe_requirement_never_reaches_pip(code: Path, python: str) -> None:
    """With SAGEMAKER_SAFE_REQUIREMENTS=true a URL is refused before pip starts."""
    (code / "requirements.txt").write_text("numpy\ngit+https://example.com/x\n")
    answer, _ = result(start(code, python, SAGEMAKER_SAFE_REQUIREMENTS="true"))
    assert answer["error"].startswith("requirements.txt, line 2: found something else")


@pytest.mark.parametrize("name", ["setup.py", "pyproject.toml", "wheelhouse/x", "uv.lock"])
def test_safe_install_has_one_way_in(code: Path, python: str, name: str) -> None:
    """Nor is anything else of the code's folder installed, or installed from."""
    (code / name).parent.mkdir(exist_ok=True)
    (code / name).write_text("[build-system]\n")
    if name == "uv.lock":
        (code / "requirements.txt").unlink()
    answer, _ = result(start(code, python, SAGEMAKER_SAFE_REQUIREMENTS="true"))
    assert answer["kind"] == "DependencyError"
    assert answer["error"].startswith("SAGEMAKER_SAFE_REQUIREMENTS: found true, and ")
    assert name.partition("/")[0] in answer["error"]


@pytest.mark.usefixtures("private")
def test_safe_install_runs_nothing_of_the_code(code: Path, python: str, index: str, tmp_path: Path) -> None:
    """Pip is the installed one, with Python's own modules, whatever the code's folder has of their names."""
    for name in ("pip.py", "json.py", "runpy.py", "types.py", "sitecustomize.py"):
        (code / name).write_text(f"import os\nos.mkdir({str(tmp_path / 'pwned')!r})\n")
    (code / "mlberth_private-1.0.tar.gz").write_text("no archive")
    address = f"{index.replace('://', f'://aws:{TOKEN}@')}/simple/"
    variables = {"PIP_INDEX_URL": address, "PIP_NO_INDEX": "0"}
    answer, said = result(start(code, python, SAGEMAKER_SAFE_REQUIREMENTS="true", **variables))
    assert answer == {"stopped": None}, said
    assert "Successfully installed" in said
    assert not (tmp_path / "pwned").exists()


def test_constraints_protect_what_the_image_has(code: Path, python: str, tmp_path: Path) -> None:
    """A requirement against SAGEMAKER_PIP_CONSTRAINTS fails with pip's reason, and changes nothing."""
    wheel(code, "mlberth_private")
    (code / "requirements.txt").write_text("--find-links .\nmlberth_private==1.0\n")
    (tmp_path / "constraints.txt").write_text("mlberth_private==2.0\n")
    answer, said = result(start(code, python, SAGEMAKER_PIP_CONSTRAINTS=str(tmp_path / "constraints.txt")))
    assert answer["kind"] == "DependencyError"
    assert "The user requested (constraint) mlberth" in said.replace("-private", "_private")
    assert "The user requested (constraint) mlberth" in answer["error"]


def test_lock_without_uv_says_what_to_do(code: Path, python: str) -> None:
    """uv.lock alone needs uv; without it the error names both ways out."""
    (code / "requirements.txt").unlink()
    (code / "uv.lock").write_text("version = 1\n")
    answer, _ = result(start(code, python, PATH="/usr/bin:/bin"))
    assert (answer["kind"], answer["exit_code"]) == ("DependencyError", 69)
    assert "uv export -o requirements.txt" in answer["error"]


def test_lock_is_synced_by_uv(tmp_path: Path, python: str) -> None:
    """uv.lock is installed as it is locked, into the environment, and nothing else is taken away."""
    if not UV.exists():
        pytest.skip("uv is not installed")
    wheel(tmp_path, "mlberth_locked")
    (tmp_path / "pyproject.toml").write_text(LOCKED)
    environment = str(Path(python).parent.parent)
    uv = {"UV_PROJECT_ENVIRONMENT": environment, "UV_OFFLINE": "1", "UV_NO_CONFIG": "0"}
    path = f"{UV.parent}:{os.environ['PATH']}"
    subprocess.run([UV, "lock", "-q"], cwd=tmp_path, env={**os.environ, **uv}, check=True)
    answer, said = result(start(tmp_path, python, PATH=path, **uv))
    assert answer == {"stopped": None}, said
    subprocess.run([python, "-c", "import mlberth_locked, pip"], check=True)

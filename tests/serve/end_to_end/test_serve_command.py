"""The `serve` command as a user types it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import free_port

from mlberth.errors import DependencyError
from mlberth_serve.control import preflight
from mlberth_serve.settings import Settings


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `serve` to its end."""
    environ = os.environ | {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1"} | variables
    argv = [sys.executable, "-m", "mlberth_serve", *arguments]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_help() -> None:
    """`--help` says what the command does and which variables matter."""
    done = run("--help")
    assert done.returncode == 0
    assert "SAGEMAKER_MODEL_SERVER_WORKERS" in done.stdout


def test_unknown_argument() -> None:
    """An argument that is none of ours is named, with the usage."""
    done = run("--workers=4")
    assert done.returncode == 2
    assert "'--workers=4'" in done.stderr
    assert "usage: serve" in done.stderr


def test_all_faulty_variables_are_listed_at_once() -> None:
    """Every fault names its variable, what was found and what was expected; the exit code is 78."""
    done = run(
        SAGEMAKER_BIND_TO_PORT="0",
        SAGEMAKER_BIND_TO_HOST="everywhere",
        SAGEMAKER_MODEL_SERVER_WORKERS="many",
        SAGEMAKER_MODEL_SERVER_TIMEOUT="60s",
    )
    assert done.returncode == 78
    host, port, workers, timeout = done.stderr.splitlines()
    assert host == (
        "serve: SAGEMAKER_BIND_TO_HOST: found 'everywhere'; expected an IP address, or localhost. "
        "Correct it, or unset it for the default (0.0.0.0)."
    )
    assert "SAGEMAKER_BIND_TO_PORT: found '0'; expected a whole number from 1 to 65535" in port
    assert "SAGEMAKER_MODEL_SERVER_WORKERS: found 'many'" in workers
    assert "SAGEMAKER_MODEL_SERVER_TIMEOUT: found '60s'" in timeout


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names them and the Python that has none, once, and where they would come from."""
    monkeypatch.setattr(preflight, "find_spec", lambda name: None if name in ("flask", "orjson") else name)
    with pytest.raises(DependencyError) as error:
        preflight.check_installed(Settings({}))
    expected = f"{sys.executable}: not installed: flask, orjson. Install the extra `serve` of mlberth there"
    assert str(error.value).startswith(expected)


def test_address_by_name_and_port_of_other_platforms() -> None:
    """Localhost is 127.0.0.1; PORT counts if our own variable says nothing, and never against it."""
    settings = Settings({"SAGEMAKER_BIND_TO_HOST": "localhost", "PORT": "9000"})
    assert settings.listen_address == "127.0.0.1:9000"
    assert Settings({"PORT": "9000", "SAGEMAKER_BIND_TO_PORT": "9001"}).port == 9001
    assert Settings({"PORT": "9000", "SAGEMAKER_BIND_TO_PORT": ""}).port == 9000
    done = run(PORT="tcp://10.0.0.1:80")
    assert (done.returncode, done.stderr.startswith("serve: PORT: found 'tcp://")) == (78, True)


def test_delay_is_part_of_the_grace() -> None:
    """A stop delay that leaves nothing of the grace is refused."""
    done = run(SAGEMAKER_STOP_DELAY_SECONDS="25")
    assert done.returncode == 78
    assert "SAGEMAKER_STOP_DELAY_SECONDS: found 25; expected less than" in done.stderr


@pytest.mark.parametrize("nginx", ["true", "false"])
def test_port_in_use(nginx: str) -> None:
    """The message names port and variable, nothing is started, and the other server is left alone."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run(SAGEMAKER_BIND_TO_PORT=port, SAGEMAKER_USE_NGINX=nginx)
    assert done.returncode == 98
    assert f"SAGEMAKER_BIND_TO_PORT: 127.0.0.1:{port} is in use. End" in done.stderr
    assert "Traceback" not in done.stderr


def test_address_of_another_machine() -> None:
    """An address that is not ours is the contract's fault, not a port in use."""
    done = run(SAGEMAKER_BIND_TO_HOST="192.0.2.1", SAGEMAKER_BIND_TO_PORT=str(free_port()))
    assert done.returncode == 78
    assert "SAGEMAKER_BIND_TO_HOST and SAGEMAKER_BIND_TO_PORT: nobody can listen on 192.0.2.1:" in done.stderr


def test_program_that_is_missing(tmp_path: Path) -> None:
    """A handler file that a variable names and that is not there is told before anything starts."""
    done = run(SAGEMAKER_BASE_DIR=str(tmp_path), SAGEMAKER_PROGRAM="handler.py")
    assert done.returncode == 78
    assert "SAGEMAKER_PROGRAM: found no file 'handler.py'" in done.stderr


def test_own_nginx_conf_that_is_missing(tmp_path: Path) -> None:
    """The variable that names it is in the message."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not on PATH")
    variables = {"SAGEMAKER_NGINX_CONF": "/nowhere", "SAGEMAKER_BIND_TO_PORT": str(free_port())}
    done = run(TMPDIR=str(tmp_path), **variables)
    assert done.returncode == 78
    assert "SAGEMAKER_NGINX_CONF: found '/nowhere'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_temporary_folder_with_a_long_path(tmp_path: Path) -> None:
    """A socket's path has a limit; TMPDIR is named where it is too long."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    done = run(TMPDIR=str(deep), SAGEMAKER_BIND_TO_PORT=str(free_port()))
    assert done.returncode == 78
    assert "TMPDIR" in done.stderr
    assert list(deep.iterdir()) == []


def test_explain_shows_what_would_run_and_runs_nothing(tmp_path: Path) -> None:
    """Settings, commands and rendered files are printed; nothing is made and no port is opened."""
    done = run("--explain", TMPDIR=str(tmp_path), SAGEMAKER_BIND_TO_PORT="9123")
    assert done.returncode == 0
    assert "\nSAGEMAKER_BIND_TO_PORT = 9123\n" in done.stdout
    assert "\nSAGEMAKER_MODEL_SERVER_TIMEOUT = 60 (default)\n" in done.stdout
    assert "mlberth_serve.worker.gunicorn_app" in done.stdout
    assert 'OMP_NUM_THREADS = "1"' in done.stdout
    if shutil.which("nginx"):
        assert "listen 127.0.0.1:9123;" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not on PATH")
def test_explain_shows_a_path_that_is_no_text() -> None:
    """What is no text in the name of a file is shown with escapes."""
    done = run("--explain", SAGEMAKER_NGINX_CONF=os.fsdecode(b"/\xff"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "a link to /\\udcff" in done.stdout


def test_explain_hides_secrets() -> None:
    """A password in an address is not printed."""
    done = run("--explain", SAGEMAKER_SUBMIT_DIRECTORY="s3://user:hunter2@bucket/code.tar.gz")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout + done.stderr
    assert "s3://***@bucket/code.tar.gz" in done.stdout


def test_explain_tells_why_gunicorn_would_answer_alone() -> None:
    """Without nginx the explanation has no nginx, and gunicorn binds the port."""
    done = run("--explain", PATH="/nowhere", SAGEMAKER_BIND_TO_PORT="9123")
    assert done.returncode == 0
    assert "# nginx" not in done.stdout
    assert 'bind = "127.0.0.1:9123"' in done.stdout

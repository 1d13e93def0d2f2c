"""gunicorn: its settings, its environment, and what from outside cannot change them."""

from __future__ import annotations

from pathlib import Path

from tests.serve.running import Server

from mlberth_serve.control.commands import gunicorn_environment, gunicorn_settings
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import GenerationDirectory

RUN = GenerationDirectory(Path("/run/x/1"))


def test_security_settings() -> None:
    """Our parser, no control socket, no trusted header, a private socket."""
    settings = gunicorn_settings(Settings.from_environ({}), RUN, behind_nginx=True)
    assert settings["bind"] == "unix:/run/x/1.sock"
    assert settings["umask"] == 0o077
    assert settings["http_parser"] == "python"
    assert settings["control_socket_disable"] is True
    assert settings["secure_scheme_headers"] == {}
    assert settings["forwarder_headers"] == ""


def test_worker_is_replaced_after_nginx_has_answered() -> None:
    """Gunicorn's timeout is nginx's and a second more."""
    settings = Settings.from_environ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2.5"})
    assert gunicorn_settings(settings, RUN, behind_nginx=True)["timeout"] == 4


def test_connections_are_kept_where_that_costs_nothing() -> None:
    """Not behind nginx without the retry; by clients that talk to the worker, always."""
    off = Settings.from_environ({"SAGEMAKER_MODEL_SERVER_RETRY": "false"})
    assert gunicorn_settings(off, RUN, behind_nginx=True)["keepalive"] == 0
    assert gunicorn_settings(off, RUN, behind_nginx=False)["keepalive"] > 0
    assert gunicorn_settings(Settings.from_environ({}), RUN, behind_nginx=True)["keepalive"] > 0


def test_heartbeats_fall_back_to_the_private_folder() -> None:
    """Where /dev/shm cannot be written."""
    settings = Settings.from_environ({})
    shared = gunicorn_settings(settings, RUN, behind_nginx=True, may_write=lambda *_: True)
    private = gunicorn_settings(settings, RUN, behind_nginx=True, may_write=lambda *_: False)
    assert (shared["worker_tmp_dir"], private["worker_tmp_dir"]) == ("/dev/shm", "/run/x/1")


def test_one_thread_a_worker_unless_set() -> None:
    """The numeric libraries get one thread; a variable of the user's wins."""
    environment = gunicorn_environment({"OMP_NUM_THREADS": "4", "A": "b"})
    assert environment["OMP_NUM_THREADS"] == "4"
    assert environment["OPENBLAS_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "1"
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment["A"] == "b"


def test_memory_of_large_bodies_is_kept_unless_set() -> None:
    """Up to 32 MB a process; a variable of the user's wins."""
    environment = gunicorn_environment({"MALLOC_TRIM_THRESHOLD_": "0"})
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "0"
    assert environment["MALLOC_MMAP_THRESHOLD_"] == str(32 * 1024**2)


def test_gunicorns_own_variables_change_nothing(tmp_path: Path) -> None:
    """GUNICORN_CMD_ARGS and its like are ignored, and the log says so."""
    variables = {
        "GUNICORN_CMD_ARGS": "--workers 7 --timeout 0 --bind 127.0.0.1:1",
        "WEB_CONCURRENCY": "7",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    with Server(tmp_path, **variables) as server:
        server.wait_ready()
        assert "GUNICORN_CMD_ARGS, WEB_CONCURRENCY: ignored" in server.text
        assert server.invoke("variable GUNICORN_CMD_ARGS").body == b""
        assert server.text.count("Booting worker") == 1


def test_module_in_the_current_folder_is_not_ours(tmp_path: Path) -> None:
    """A user's json.py where `serve` is started is not imported in place of Python's."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    with Server(tmp_path) as server:
        server.wait_ready()

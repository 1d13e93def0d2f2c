"""nginx.conf, and what is rendered beside it: read by the real nginx."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.serve.running import require_nginx

from mlberth.contract.resources import cpu_count
from mlberth.errors import ContractError
from mlberth_serve import variables
from mlberth_serve.control.nginx import own_conf
from mlberth_serve.control.nginx.config import (
    STATIC_CONF,
    bodies_in_memory,
    body_buffer,
    install_config,
    nginx_argv,
    render,
    upstreams,
)
from mlberth_serve.control.nginx.own_conf import adapt_own_conf
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory

MB = 1024**2
GB = 1024**3


def settings(**variables: str) -> Settings:
    """Return settings for a port that anybody may listen on."""
    return Settings.from_environ({"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", **variables})


def nginx_test(folder: Path, conf: Path) -> subprocess.CompletedProcess[str]:
    """Let nginx read a configuration."""
    argv = ["nginx", "-e", "stderr", "-t", "-p", f"{folder}/", "-c", str(conf)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_bare_file_is_complete(tmp_path: Path) -> None:
    """The static file passes `nginx -t` with nothing beside it."""
    require_nginx()
    shutil.copy(STATIC_CONF, tmp_path / "nginx.conf")
    done = nginx_test(tmp_path, tmp_path / "nginx.conf")
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SAGEMAKER_CONTAINER_LOG_LEVEL": "DEBUG"},
        {"SAGEMAKER_ACCESS_LOG": "1", "SAGEMAKER_LOG_FORMAT": "json"},
        {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"},
    ],
    ids=["defaults", "debug", "access", "unlimited"],
)
def test_rendered_files_are_read(tmp_path: Path, variables: dict[str, str]) -> None:
    """What is rendered passes `nginx -t`, whoever we are, and is for our user's eyes alone."""
    require_nginx()
    run = RunDirectory(tmp_path)
    install_config(run, settings(**variables), as_root=False)
    done = nginx_test(tmp_path, run.nginx_conf)
    assert done.returncode == 0, done.stderr
    for path in tmp_path.glob("*.d/*.conf"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_risky_directives_are_absent() -> None:
    """No directive of the modules that security faults were found in, and no version is told."""
    rendered = render(settings(SAGEMAKER_ACCESS_LOG="true"), as_root=True).values()
    text = re.sub(r"#.*", "", "\n".join([STATIC_CONF.read_text(), *rendered]))
    directives = {line.split()[0] for line in text.splitlines() if line.split()}
    assert not directives & {"rewrite", "map", "ssi", "slice", "uwsgi_pass", "scgi_pass", "alias"}
    assert "server_tokens off;" in text


def test_one_setting_drives_each_limit() -> None:
    """Address, payload and timeout are the settings' own; without a limit nginx has none."""
    made = render(
        settings(
            SAGEMAKER_BIND_TO_PORT="9000",
            SAGEMAKER_MAX_PAYLOAD_IN_MB="7",
            SAGEMAKER_MODEL_SERVER_TIMEOUT="1.5",
        ),
        as_root=False,
        memory=lambda: 64 * GB,
    )
    assert made["bodies.d/bodies.conf"].splitlines() == [
        "limit_conn bodies 1170;",
        "limit_conn_status 420;",
        "limit_conn_log_level info;",
        f"client_body_buffer_size {7 * MB};",
    ]
    assert made["server.d/server.conf"].splitlines() == [
        "listen 127.0.0.1:9000;",
        f"client_max_body_size {7 * MB};",
        "proxy_read_timeout 1500ms;",
        'set $max_payload "7 MB (SAGEMAKER_MAX_PAYLOAD_IN_MB)";',
        'set $max_seconds "1.5 s (SAGEMAKER_MODEL_SERVER_TIMEOUT)";',
        f'set $max_in_flight "{max(128, 2 * cpu_count())} (SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT)";',
        "set $retry on;",
        "set $metrics on;",
    ]
    unlimited = render(settings(SAGEMAKER_MAX_PAYLOAD_IN_MB="0"), as_root=False)
    assert "client_max_body_size 0;" in unlimited["server.d/server.conf"]


@pytest.mark.parametrize(
    ("variables", "memory", "expected"),
    [
        ({}, 64 * GB, 25 * MB),
        ({}, 4 * GB, 4 * MB),
        ({}, GB // 8, MB // 8),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, 16 * GB, 16 * MB),
        ({"SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT": "8"}, 2 * GB, 25 * MB),
        ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}, GB // 4, 16 * MB),
    ],
    ids=["whole bodies", "small machine", "at least", "no limit", "few in flight", "batch"],
)
def test_bodies_stay_in_memory_within_a_budget(variables: dict[str, str], memory: int, expected: int) -> None:
    """An eighth of the memory is divided by the requests in flight, up to the payload limit."""
    found = settings(**variables)
    assert body_buffer(found, memory) == expected
    assert memory // 8 - expected < expected * bodies_in_memory(found, memory) <= memory // 8
    in_flight = found.max_in_flight or found.workers
    assert bodies_in_memory(found, memory) >= min(in_flight, memory // 8 // expected)


def test_limit_of_requests_in_flight() -> None:
    """128, or two for each worker, or what is set; none in a batch transform, and never for the retry."""
    assert "max_conns=128;" in upstreams(settings(SAGEMAKER_MODEL_SERVER_WORKERS="2"))
    assert "max_conns=200;" in upstreams(settings(SAGEMAKER_MODEL_SERVER_WORKERS="100"))
    limited = upstreams(settings(SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT="7"))
    assert "max_conns=7;" in limited
    assert "max_conns" not in limited.partition("upstream workers_unlimited")[2]
    batch = settings(SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT="7", SAGEMAKER_BATCH="true")
    assert "max_conns" not in upstreams(batch)


def test_without_the_retry_no_connection_is_kept() -> None:
    """A connection that its worker closes just when it is used again would cost a request."""
    off = settings(SAGEMAKER_MODEL_SERVER_RETRY="false")
    assert "keepalive" not in upstreams(off)
    assert "set $retry on" not in render(off, as_root=False)["server.d/server.conf"]
    assert "keepalive" in upstreams(settings())


def test_ipv6_address_is_written_in_brackets() -> None:
    """As nginx wants it."""
    rendered = render(settings(SAGEMAKER_BIND_TO_HOST="::1"), as_root=False)
    assert "listen [::1]:8080;" in rendered["server.d/server.conf"]


def test_user_is_named_for_root_alone() -> None:
    """Root's nginx keeps one owner for everything; any other user's nginx says nothing of users."""
    assert render(settings(), as_root=True)["main.d/user.conf"] == "user root;\n"
    assert "main.d/user.conf" not in render(settings(), as_root=False)


def test_access_log_is_for_those_who_ask() -> None:
    """Off by default; to standard output at DEBUG, and where its variable says so."""
    assert "server.d/access.conf" not in render(settings(), as_root=False)
    for variable, value in (("CONTAINER_LOG_LEVEL", str(logging.DEBUG)), ("ACCESS_LOG", "true")):
        files = render(settings(**{f"SAGEMAKER_{variable}": value}), as_root=False)
        assert 'access_log "" mlberth;' in files["server.d/access.conf"]


INJECTIONS = [
    "1; evil on;",
    "1;\nevil on;",
    "127.0.0.1; } evil { $request_id \n",
    "::1%x]:1; evil on; listen [::1",
    "$evil",
    "evil\r\n}",
]


@pytest.mark.parametrize("name", [variable.name for variable in variables.ALL])
@pytest.mark.parametrize("value", INJECTIONS)
def test_no_variable_brings_a_directive(tmp_path: Path, name: str, value: str) -> None:
    """A value with nginx's own signs is refused by the variable's name, or reaches no file of nginx."""
    run = RunDirectory(tmp_path)
    profile = {"SAGEMAKER_PROFILE": "xgboost"} if name == "SAGEMAKER_INFERENCE_OUTPUT" else {}
    refused = None
    try:
        install_config(run, settings(**profile, **{name: value}), as_root=False)
    except ContractError as error:
        refused = error
    if refused:
        assert (refused.exit_code, refused.faults[0].where) == (78, name)
        return
    rendered = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.glob("*.d/*.conf")}
    assert rendered == render(settings(), as_root=False)


def test_own_file_is_used(tmp_path: Path) -> None:
    """SAGEMAKER_NGINX_CONF names a file that takes the place of ours."""
    own = tmp_path / "own.conf"
    own.write_text("events {}\n")
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    install_config(run, settings(SAGEMAKER_NGINX_CONF=str(own)), as_root=False)
    assert run.nginx_conf.read_text() == "events {}\n"


def test_own_file_that_is_missing(tmp_path: Path) -> None:
    """A file that does not exist is refused with the variable's name."""
    with pytest.raises(ContractError, match="SAGEMAKER_NGINX_CONF"):
        install_config(RunDirectory(tmp_path), settings(SAGEMAKER_NGINX_CONF="/nowhere"), as_root=False)


@pytest.mark.parametrize("word", [b"nonsense", b"n\xffnsense"])
def test_own_file_that_nginx_refuses(tmp_path: Path, word: bytes) -> None:
    """What nginx says of it, with its line, is the error's text, whatever bytes it repeats."""
    require_nginx()
    own = tmp_path / "own.conf"
    own.write_bytes(b"events {}\n" + word + b";\n")
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    chosen = settings(SAGEMAKER_NGINX_CONF=str(own))
    install_config(run, chosen, as_root=False)
    with pytest.raises(ContractError, match=r'unknown directive "n.*nsense" in .*own.conf:2'):
        adapt_own_conf(nginx_argv("nginx", run), run, chosen, as_root=False)


def test_upstream_that_errors_and_pages_name_is_ours() -> None:
    """The name that a message gives to the author of a nginx.conf is the one that is rendered."""
    assert "upstream workers {" in upstreams(settings())
    assert "`workers`" in own_conf._OURS

"""nginx: what differs from run to run, rendered from the settings; the rest is the static nginx.conf.

What is rendered is made of numbers, and of an address that was parsed, so that no variable can bring
a directive of its own. The socket is named relative to the private folder, in which nginx is started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from mlberth.contract.resources import memory_limit
from mlberth.errors import ContractError, Fault
from mlberth.paths import is_file
from mlberth_serve.control.nginx.direct_responses import DIRECT_SNIPPETS
from mlberth_serve.control.nginx.models import model_snippets
from mlberth_serve.control.nginx.tls import TLS_SNIPPET, link_files
from mlberth_serve.errors import describe_payload, describe_timeout
from mlberth_serve.settings import Settings
from mlberth_serve.shared.access_log import access_snippets
from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS
from mlberth_serve.shared.route_list import route_list
from mlberth_serve.shared.run_directory import RunDirectory, write_private
from mlberth_serve.shared.try_page.page import make_page
from mlberth_serve.variables import Variables

STATIC_CONF = Path(__file__).parents[2] / "nginx.conf"
_MIN_BUFFER = 128 * 1024
_MAX_LIMIT = 65535
"""Of `limit_conn`."""
_BUFFERS_SHARE = 8
"""A full house of requests in flight, each with its body in memory, takes one part in so many of it."""


def wants_access_log(settings: Settings) -> bool:
    """Return whether a line is logged for each request."""
    return settings.access_log or settings.log_level <= logging.DEBUG


def nginx_argv(executable: str, run: RunDirectory) -> list[str]:
    """Return the command that runs nginx in the private folder."""
    # -e: until it has read its configuration, nginx would log to a file that only root can write.
    return [executable, "-e", "stderr", "-p", f"{run.path}/", "-c", str(run.nginx_conf)]


def body_buffer(settings: Settings, memory: int) -> int:
    """Return up to how many bytes of a body nginx keeps in memory; the rest of it goes through a file.

    It allocates no more than a body's Content-Length. A file costs it more than twice the CPU. So many
    connections as nginx takes could each have one while none is in flight: see `bodies_in_memory`.
    """
    slots = settings.max_in_flight or settings.max_concurrent_transforms or settings.workers
    affordable = max(_MIN_BUFFER, memory // _BUFFERS_SHARE // slots)
    return min(affordable, settings.max_payload_bytes or affordable)


def bodies_in_memory(settings: Settings, memory: int) -> int:
    """Return how many bodies nginx keeps in memory at once; others go through files, however few they are."""
    affordable = max(1, memory // _BUFFERS_SHARE // body_buffer(settings, memory))
    return min(affordable, _MAX_LIMIT)


def render(settings: Settings, *, as_root: bool, memory: Callable[[], int] = memory_limit) -> dict[str, str]:
    """Return what goes into main.d, http.d, server.d and bodies.d, by its path below the private folder."""
    milliseconds, available = round(settings.timeout * 1000), memory()
    server = [
        f"listen {settings.listen_address}{' ssl' if settings.tls else ''};",
        f"client_max_body_size {settings.max_payload_bytes or 0};",
        f"proxy_read_timeout {milliseconds}ms;",
        f'set $max_payload "{describe_payload(settings.max_payload_bytes or 0)}";',
        f'set $max_seconds "{describe_timeout(settings.timeout)}";',
        f'set $max_in_flight "{describe_max_in_flight(settings)}";',
        *_switches(settings),
    ]
    bodies = [
        f"limit_conn bodies {bodies_in_memory(settings, available)};",
        "limit_conn_status 420;",
        "limit_conn_log_level info;",
        f"client_body_buffer_size {body_buffer(settings, available)};",
    ]
    files = {
        "bodies.d/bodies.conf": "\n".join(bodies) + "\n",
        "http.d/upstream.conf": upstreams(settings),
        "server.d/server.conf": "\n".join(server) + "\n",
    }
    if settings.try_page:
        files["server.d/page.conf"] = f'set $page_policy "{make_page().policy}";\n'
    if settings.tls:
        files["server.d/tls.conf"] = TLS_SNIPPET
    if wants_access_log(settings):
        files |= access_snippets(settings.log_format)
    if settings.metrics:
        files |= DIRECT_SNIPPETS
    if settings.multi_model:
        files |= model_snippets(settings)
    if as_root:
        # One owner for nginx, gunicorn and the private folder, and no capability needed to change it.
        files["main.d/user.conf"] = "user root;\n"
    return files


def _switches(settings: Settings) -> list[str]:
    """Return what is on in nginx.conf."""
    switches = {
        "passthrough workers": settings.serving_module,
        "retry on": settings.retry,
        "metrics on": settings.metrics,
        "page on": settings.try_page and not settings.serving_module,
    }
    return [f"set ${name};" for name, is_on in switches.items() if is_on]


def describe_max_in_flight(settings: Settings) -> str:
    """Return how many requests may be in flight, with the variable that sets it."""
    limit = settings.max_in_flight
    by_queue = settings.in_flight_limit is None and settings.job_queue_size is not None
    return f"{limit} ({Variables.job_queue_size.name if by_queue else Variables.in_flight_limit.name})"


def upstreams(settings: Settings) -> str:
    """Return the one socket under two names: `workers` has the limit of requests in flight.

    A zone makes the limit that of all of nginx's processes together.
    """
    limit = f" max_conns={settings.max_in_flight}" if settings.max_in_flight else ""
    # A connection that is kept may be closed just when it is to be used, and needs the retry for that.
    keep = (
        f"    keepalive {settings.workers * MAX_KEPT_CONNECTIONS};\n    keepalive_requests 100000;\n"
        if settings.retry
        else ""
    )
    server = "    server unix:gunicorn.sock max_fails=0"
    return (
        f"upstream workers {{\n    zone workers 64k;\n{server}{limit};\n{keep}}}\n"
        f"upstream workers_unlimited {{\n    zone workers_unlimited 64k;\n{server};\n}}\n"
    )


def install_config(run: RunDirectory, settings: Settings, *, as_root: bool) -> None:
    """Make the private folder what nginx is to find there; raises ContractError for a missing nginx.conf."""
    conf = settings.nginx_conf or STATIC_CONF
    if not is_file(conf):
        raise ContractError(Fault(Variables.nginx_conf.name, repr(str(conf)), "a file that exists"))
    run.nginx_conf.symlink_to(conf.resolve())
    if settings.tls:
        link_files(settings.tls, run.path)
    run.state.mkdir(mode=0o700, exist_ok=True)
    write_private(run.routes, route_list(metrics=settings.metrics, models=settings.multi_model).decode())
    if settings.try_page:
        write_private(run.try_page, make_page().body.decode())
    for name, text in render(settings, as_root=as_root).items():
        path = run.path / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(path, text)

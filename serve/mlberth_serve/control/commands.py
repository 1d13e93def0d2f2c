"""The commands of our own children: gunicorn's, with its settings and environment, and Python's."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlberth.envvars import overlaid
from mlberth_serve.control.nginx.config import wants_access_log
from mlberth_serve.settings import Settings
from mlberth_serve.shared.launch_spec import LaunchSpec
from mlberth_serve.shared.limits import MAX_HEADER_BYTES, MAX_HEADERS
from mlberth_serve.shared.run_directory import GenerationDirectory

APPLICATION = "mlberth_serve.wsgi:application"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# gunicorn would read these; its settings are ours alone.
IGNORED = ("GUNICORN_CMD_ARGS", "GUNICORN_PID", "GUNICORN_FD", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
# glibc gives what is freed back to the kernel at once, which clears each page anew for the next large body.
_KEPT_BYTES = 32 * 1024 * 1024
_ALLOCATOR = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a folder in memory; gunicorn makes files of its own name there

# The current folder is taken off the path: a user's `json.py` there would be imported in place of
# Python's. (`python -P` does the same from 3.11 on.)
_WITH_PACKAGES = (
    "import site, sys; sys.path.insert(min((sys.path.index(folder) for folder in site.getsitepackages() "
    "if folder in sys.path), default=len(sys.path)), {!r}); "
)
"""After the standard library, before what is installed, as `usercode.importing.add_to_path` has it."""
_BOOT = (
    "import os, sys; sys.path[:] = filter(None, sys.path); "
    "from {module} import {function}; sys.exit({function}(sys.argv[1:], os.environ))"
)


def python_command(module: str, function: str, *arguments: str, packages: Path | None = None) -> list[str]:
    """Return the command that exits with what `module.function(arguments, environ)` returns.

    It imports from the folder `packages` what is there, in place of what is installed.
    """
    boot = _BOOT.format(module=module, function=function)
    if packages:
        boot = _WITH_PACKAGES.format(str(packages)) + boot
    return [sys.executable, "-c", boot, *arguments]


def gunicorn_argv(folder: GenerationDirectory, packages: Path | None = None) -> list[str]:
    """Return the command that runs gunicorn's arbiter."""
    module = "mlberth_serve.worker.gunicorn_app"
    return python_command(module, "main", str(folder.path), packages=packages)


def manager_argv(folder: GenerationDirectory) -> list[str]:
    """Return the command that runs the model manager, if there are several models."""
    return python_command("mlberth_serve.control.models.manager", "main", str(folder.path))


def gunicorn_settings(
    settings: Settings,
    folder: GenerationDirectory,
    *,
    behind_nginx: bool,
    of_several: bool = False,
    may_write: Callable[[str, int], bool] = os.access,
) -> dict[str, Any]:
    """Return gunicorn's settings by its own names; `of_several` if its model is one of many.

    nginx limits the requests in flight, but not those of each model: the queue of its socket does.
    """
    queue = {"backlog": settings.max_in_flight} if of_several and settings.max_in_flight else {}
    return queue | {
        "bind": f"unix:{folder.socket}" if behind_nginx else settings.listen_address,
        "umask": 0o077,
        "workers": settings.workers,
        "worker_class": "mlberth_serve.worker.worker.Worker",
        # Whether connections are kept; the worker knows how long. Behind nginx one that is kept may have to
        # be closed just when nginx uses it again.
        "keepalive": 0 if behind_nginx and not settings.retry else 1,
        "max_requests": settings.max_requests or 0,
        "max_requests_jitter": (settings.max_requests or 0) // 10,
        # nginx answers 504 after the timeout; a second later gunicorn replaces the worker that hangs.
        "timeout": math.ceil(settings.timeout) + 1,
        # For a reload, whose requests may take all their time; in a stop the supervisor is stricter.
        "graceful_timeout": math.ceil(max(settings.stop_grace, settings.timeout + 1)),
        # The heartbeat of a worker is a file's time stamp, which must not wait for a disk.
        "worker_tmp_dir": _SHARED_MEMORY if may_write(_SHARED_MEMORY, os.W_OK) else str(folder.path),
        "logger_class": "mlberth_serve.worker.gunicorn_logger.GunicornLogger",
        "limit_request_line": MAX_HEADER_BYTES,
        "limit_request_fields": MAX_HEADERS,
        "limit_request_field_size": MAX_HEADER_BYTES + len("\r\n"),
        # The C parser is chosen silently if an old one is installed, and lets through what this refuses.
        "http_parser": "python",
        "control_socket_disable": True,
        # Over a unix socket gunicorn trusts every peer: let no header change the request's environment.
        "secure_scheme_headers": {},
        "forwarder_headers": "",
        "forwarded_allow_ips": "",
    }


def launch_spec(
    settings: Settings,
    folder: GenerationDirectory,
    *,
    behind_nginx: bool,
    heartbeats: int,
    metrics: int | None,
    application: str = APPLICATION,
    model: str = "",
) -> LaunchSpec:
    """Return what the arbiter is told; `heartbeats` and `metrics` are descriptors of shared memory."""
    return LaunchSpec(
        application=application,
        behind_nginx=behind_nginx,
        heartbeats=heartbeats,
        metrics=metrics,
        log_level=settings.log_level,
        log_format=settings.log_format,
        access_log=wants_access_log(settings),
        timeout=settings.timeout,
        max_memory=settings.max_memory_bytes,
        gunicorn=gunicorn_settings(settings, folder, behind_nginx=behind_nginx, of_several=bool(model)),
        out_of_memory=str(folder.run.models_out_of_memory / model if model else folder.run.out_of_memory),
        model=model,
    )


def gunicorn_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of gunicorn and its workers.

    One thread for each numeric library, unless a variable says otherwise: a model that is loaded with
    a started thread pool deadlocks in a forked worker, and there is a worker for each CPU. ONNX Runtime
    starts a thread when it is imported, and reports to its makers, unless it is told not to. Each
    process may keep 32 MB of memory that large bodies have left behind.
    """
    defaults = dict.fromkeys(_THREADS, "1") | dict.fromkeys(_ALLOCATOR, str(_KEPT_BYTES))
    defaults |= {"PYTHONUNBUFFERED": "1", "ORT_DISABLE_TELEMETRY": "1"}
    return overlaid(defaults, {name: value for name, value in environ.items() if name not in IGNORED})

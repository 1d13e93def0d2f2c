"""The settings of this server for the compatibility packages."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from mlberth.compat import server
from mlberth.contract.resources import cpu_count
from mlberth_serve.settings import MB, Settings
from mlberth_serve.usercode.locate import Program
from mlberth_serve.variables import DEFAULT_PROGRAM


def publish(settings: Settings, program: Program | None) -> None:
    """Tell them in this process; a handler that is imported later may ask."""
    model = settings.layout.model
    limit = settings.max_payload_bytes
    folder = program.folder if program else settings.submit_directory or settings.layout.code
    server.publish(
        {
            "base_dir": str(settings.layout.base),
            "model_dir": str(model),
            "code_dir": str(model / "code"),
            "module_dir": str(folder),
            "module_name": program.module_name if program else Path(settings.program or DEFAULT_PROGRAM).stem,
            "current_host": socket.gethostname(),
            "log_level": settings.log_level,
            "num_cpus": cpu_count(),
            "num_gpus": settings.gpus,
            "use_nginx": settings.use_nginx,
            "model_server_timeout": int(settings.timeout),
            "model_server_timeout_seconds": int(settings.timeout),
            "model_server_workers": settings.workers,
            "framework_module": settings.serving_module,
            "default_accept": settings.default_accept,
            "http_port": str(settings.port),
            "inference_http_port": str(settings.port),
            "safe_port_range": settings.safe_port_range,
            "max_request_size_in_mb": limit and limit // MB,
        },
        _read_recordio,
    )


def _read_recordio(body: bytes) -> Any:
    from mlberth_serve.codecs import recordio
    from mlberth_serve.media_types import RECORDIO, MediaType

    return recordio.decode(bytes(body), MediaType(RECORDIO, {})).array

"""Our own stack built the usual way: nginx, gunicorn's threads and Flask, with our codecs."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.front import SOCKET, beside, nginx_argv, nginx_conf
from bench.server import INVOCATIONS, Command, Place, Server

APPS = Path(__file__).parent / "apps"


def start(place: Place) -> Command:
    """Return nginx and gunicorn side by side."""
    place.write("nginx.conf", nginx_conf(place.port))
    gunicorn = [
        *(sys.executable, "-m", "gunicorn", "--bind", f"unix:{SOCKET}", "--workers", str(place.workers)),
        *("--worker-class", "gthread", "--threads", "4", "--preload", "--log-level", "warning"),
        *("--pythonpath", str(APPS), f"flask_app:make_app({str(place.model)!r})"),
    ]
    return beside(gunicorn, nginx_argv("."))


SERVER = Server("gthread + Flask", start, INVOCATIONS, packages=("gunicorn", "flask"), needs=("nginx",))

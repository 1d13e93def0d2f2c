"""The container that one builds by hand: nginx, gunicorn, Flask and pandas, written afresh."""

from __future__ import annotations

from bench.data import CSV
from bench.front import SOCKET, beside, nginx_argv, nginx_conf
from bench.peers.flask_gthread import APPS
from bench.server import INVOCATIONS, Command, Place, Server


def start(place: Place) -> Command:
    """Return nginx and gunicorn side by side."""
    place.write("nginx.conf", nginx_conf(place.port))
    gunicorn = [
        *(place.command("gunicorn"), "--timeout", "60", "--bind", f"unix:{SOCKET}"),
        *("--workers", str(place.workers), "--log-level", "warning"),
        *("--pythonpath", str(APPS), f"pandas_app:make_app({str(place.model)!r})"),
    ]
    return beside(gunicorn, nginx_argv("."))


SERVER = Server(
    "bring your own",
    start,
    {CSV: INVOCATIONS[CSV]},
    environment="own_container",
    packages=("gunicorn", "flask", "pandas"),
    needs=("nginx",),
)

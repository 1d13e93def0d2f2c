"""The nginx.conf that is usually put in front of a Python server, and one that answers by itself."""

from __future__ import annotations

import json
import os
import sys

from bench.data import CSV
from bench.server import HOST, Command, Place, Server, plain

SOCKET = "app.sock"


def nginx_conf(port: int, *, keepalive: int = 0) -> str:
    """Return a short reverse proxy to a unix socket; `keepalive` connections to it stay open."""
    kept = f"    keepalive {keepalive};\n" if keepalive else ""
    reuse = '      proxy_http_version 1.1;\n      proxy_set_header Connection "";\n' if keepalive else ""
    return _wrapped(
        f"""  upstream app {{
    server unix:{SOCKET} fail_timeout=0;
{kept}  }}
  server {{
    listen {HOST}:{port} deferred;
    client_max_body_size 25m;
    keepalive_timeout 75;
    keepalive_requests 1000000;
    location / {{
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Host $http_host;
      proxy_redirect off;
      proxy_read_timeout 60s;
{reuse}      proxy_pass http://app;
    }}
  }}
"""
    )


def answering_conf() -> str:
    """Return a server on the unix socket that answers by itself."""
    return _wrapped(
        f"""  server {{
    listen unix:{SOCKET};
    keepalive_requests 1000000;
    location / {{ default_type application/json; return 200 "0"; }}
  }}
"""
    )


def _wrapped(servers: str) -> str:
    temp = "".join(
        f"  {kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # it must reach a socket in a private folder
    return (
        f"{user}daemon off;\npid nginx.pid;\nerror_log stderr error;\nworker_processes 2;\n"
        "events { worker_connections 1024; }\n"
        f"http {{\n  access_log off;\n{temp}{servers}}}\n"
    )


def nginx_argv(folder: str) -> list[str]:
    """Return the command that runs the nginx.conf of a folder."""
    return ["nginx", "-e", "stderr", "-p", folder, "-c", "nginx.conf"]


def _pair(place: Place) -> Command:
    place.write("front/nginx.conf", nginx_conf(place.port, keepalive=32).replace(SOCKET, f"../{SOCKET}"))
    place.write("back/nginx.conf", answering_conf().replace(SOCKET, f"../{SOCKET}"))
    return beside(nginx_argv("back"), nginx_argv("front"))


def beside(first: list[str], second: list[str]) -> Command:
    """Return a command that runs two programs side by side, and ends both when told to."""
    program = (
        "import json, signal, subprocess, sys\n"
        "both = [subprocess.Popen(argv) for argv in map(json.loads, sys.argv[1:])]\n"
        "signal.signal(signal.SIGTERM, lambda *_: [one.terminate() for one in both])\n"
        "[one.wait() for one in both]\n"
    )
    return Command([sys.executable, "-c", program, json.dumps(first), json.dumps(second)])


PAIR = Server(
    "nginx to nginx",
    _pair,
    {CSV: plain("/invocations")},
    packages=(),
    needs=("nginx",),
    answers_rows=False,
)

"""The user's own nginx.conf: checked, and adapted to a gunicorn whose socket it may know by another name.

Most such files come from other servers. Their upstream is the socket that gunicorn has there, they name no
user, and some leave it to a command line that nginx stays in the foreground.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlberth.errors import ContractError, Fault
from mlberth.paths import exists
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory
from mlberth_serve.variables import Variables

_CHECK_SECONDS = 30
_SOCKETS = re.compile(r"\b(?:server|proxy_pass)\s+(?:https?://)?unix:([^\s:;]+)")
_ADDRESSES = re.compile(r"\b(?:server\s+|proxy_pass\s+https?://)([\w.\[\]-]+:\d+)")
_LISTENS = re.compile(r"\blisten\s+(?:[\w.*\[\]:]*:)?(\d+)\b")
_USER = re.compile(r"^\s*user\s+([\w-]+)", re.MULTILINE)
_FOREGROUND = re.compile(r"\bdaemon\s+off\b")
_OURS = "`server unix:gunicorn.sock;` in an upstream, or `include http.d/*.conf;` and the upstream `workers`"

log = logging.getLogger(__name__)


def adapt_own_conf(argv: Sequence[str], run: RunDirectory, settings: Settings, *, as_root: bool) -> list[str]:
    """Return what nginx's command needs beside the user's file; nothing for ours.

    Raises ContractError with nginx's own words if it refuses the file, and if nothing in it leads to
    gunicorn.
    """
    if settings.nginx_conf is None:
        return []
    text = _read(argv, run, settings)
    _lead_to_gunicorn(text, run)
    ports = set(map(int, _LISTENS.findall(text)))
    if ports and settings.port not in ports:
        log.warning(
            "%s listens on %s, and %s is %d",
            Variables.nginx_conf.name,
            ", ".join(map(str, sorted(ports))),
            Variables.port.name,
            settings.port,
        )
    user = _USER.search(text)
    if as_root and user and user[1] != "root":
        # The socket is in a folder that nobody but our own user can enter.
        raise ContractError(
            _fault(f"user {user[1]}", "user root, which this container runs as, or no such line")
        )
    directives = [] if _FOREGROUND.search(text) else ["daemon off;"]
    directives += ["user root;"] if as_root and not user else []
    return ["-g", " ".join(directives)] if directives else []


def _read(argv: Sequence[str], run: RunDirectory, settings: Settings) -> str:
    """Return all of the configuration, with what it includes, without comments."""
    command = [*argv, "-T"]
    done = subprocess.run(command, cwd=run.path, capture_output=True, check=False, timeout=_CHECK_SECONDS)
    if done.returncode:
        # It repeats what it has read, in whatever encoding.
        said = done.stderr.decode(errors="backslashreplace")
        found = " ".join(said.replace(str(run.nginx_conf), str(settings.nginx_conf)).split())
        raise ContractError(_fault(found, "a file that passes `nginx -t`"))
    return re.sub(r"(?m)(^|\s)#.*$", "", done.stdout.decode(errors="backslashreplace"))


def _lead_to_gunicorn(text: str, run: RunDirectory) -> None:
    named = {Path(name) for name in _SOCKETS.findall(text)}
    if any(run.path / name == run.socket for name in named):
        return
    others = sorted(name for name in named if name.is_absolute())
    if not others:
        addresses = _ADDRESSES.findall(text)
        found = f"the upstream {addresses[0]}" if addresses else "no upstream"
        raise ContractError(_fault(f"{found}, and none that leads to gunicorn", _OURS))
    for path in others:
        if _is_in_use(path):
            raise ContractError(_fault(f"the upstream unix:{path}, where somebody else listens", _OURS))
        try:
            run.lead_here(path)
        except OSError as error:
            found = f"the upstream unix:{path}, which cannot be made a link ({error.strerror})"
            raise ContractError(_fault(found, _OURS)) from error
        log.info("%s: its upstream unix:%s leads to gunicorn now", Variables.nginx_conf.name, path)


def _is_in_use(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        return True
    return exists(path) and not path.is_socket()


def _fault(found: str, expected: str) -> Fault:
    return Fault(Variables.nginx_conf.name, found, expected)

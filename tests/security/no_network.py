"""Run commands in a network of their own, which has a loopback interface and nothing else.

usage: unshare -rn python no_network.py FOLDER

FOLDER holds ml/ with a model and a program. Serves, asks, stops and trains; every `connect` that is called is
written to FOLDER/connects, and at last one of a program that connects to a port where nobody listens.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BIN = Path(sys.executable).parent
_SET_FLAGS, _UP = 0x8914, 0x1
_SECONDS = 60
URL = "http://127.0.0.1:8080"
CONTROL = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"


def raise_loopback() -> None:
    """Switch the loopback interface on."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def traced(folder: Path, *command: str | Path) -> list[str | Path]:
    """Return what runs a command and notes each connection that it asks for."""
    return ["strace", "-f", "-qq", "-A", "-e", "trace=connect", "-o", f"{folder}/connects", *command]


def ask(path: str, body: bytes | None = None) -> int:
    """Return the status of an answer; 0 where nobody listens."""
    request = urllib.request.Request(URL + path, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def main(folder: Path) -> None:
    """Serve, ask, stop and train; exits with the first thing that fails."""
    raise_loopback()
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(folder / "ml"), "SAGEMAKER_USE_NGINX": "false"}
    server = subprocess.Popen(traced(folder, BIN / "serve"), env=environ)
    deadline = time.monotonic() + _SECONDS
    while ask("/ping") != 200 and time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit("the server has ended")
        time.sleep(0.05)
    if (status := ask("/invocations", b"[[1, 2]]")) != 200:
        sys.exit(f"a prediction has the status {status}")
    # strace passes no signal on; its child is the server.
    (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(child), 15)
    if code := server.wait(_SECONDS):
        sys.exit(f"the server has ended with {code}")
    train = traced(folder, BIN / "train")
    if code := subprocess.run(train, env=environ, timeout=_SECONDS, check=False).returncode:
        sys.exit(f"train has ended with {code}")
    subprocess.run(traced(folder, sys.executable, "-c", CONTROL), timeout=_SECONDS, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

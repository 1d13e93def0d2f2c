"""A process that has imported the shim, and forks one for each host, in a tenth of the time of a new one."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path

from mlberth_local.engines import shim
from mlberth_local.engines.base import EngineError

_LONGEST = 65536
"""Of a message: the path of a folder, or a number."""
_ANSWER_SECONDS = 20.0


class ForkServer:
    """Starts shims. The process is made for the first one, and ends with the one that has made it."""

    def __init__(self, environ: Mapping[str, str], python: str = sys.executable) -> None:
        self._environ = dict(environ)
        self._python = python
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def start(self, folder: Path, lock: int, output: int) -> None:
        """Start the shim of a folder, which gets two descriptors: its lock, and where its own words go.

        Raises EngineError.
        """
        with self._lock:
            connection = self._live_connection()
            try:
                socket.send_fds(connection, [os.fsencode(folder.absolute())], [lock, output])
                answer = connection.recv(_LONGEST)
            except OSError as error:
                answer = str(error).encode()
            if not answer.isdigit():
                # It may have forked: whoever asks again would have two shims of one host.
                raise EngineError(f"the process of a host cannot be started: {answer.decode() or 'killed'}")

    def close(self) -> None:
        """End the process; shims go on."""
        with self._lock:
            self._forget()

    def _live_connection(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._forget()
        if self._connection is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.settimeout(_ANSWER_SECONDS)
            with theirs:
                self._process = subprocess.Popen(
                    # Isolated from the user's variables and folders; the environment has us on its path.
                    (self._python, "-I", __file__, str(theirs.fileno())),
                    stdin=subprocess.DEVNULL,
                    env=self._environ,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            self._connection = ours
        return self._connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.wait(_ANSWER_SECONDS)
        self._process = self._connection = None


def serve(connection: socket.socket) -> None:
    """Fork a shim for each message, until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects them
    gc.freeze()  # no collection of a shim need touch, and so copy, what is here
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, _LONGEST, 2)
        if not message:
            return
        try:
            pid = os.fork()
        except OSError as error:
            answer = str(error.strerror)
        else:
            if pid == 0:
                connection.close()
                _be_shim(Path(os.fsdecode(message)), *descriptors)
            answer = str(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(answer.encode())


def _be_shim(folder: Path, lock: int, output: int) -> None:
    """Run a shim in this process, to its end; the lock is free then."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.set_inheritable(lock, False)
        os.setsid()
        for number in (1, 2):
            os.dup2(output, number)
        os.close(output)
        shim.main(folder)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, nothing of the server may run here
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

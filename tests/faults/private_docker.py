"""A Docker engine of a test's own, which may be killed, with data, a socket and a bridge of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until

_SECONDS = 60.0
_DEFAULT_BRIDGE = "docker0"


class PrivateDocker:
    """Starts and ends `dockerd`; what runs in containers stays or ends as Docker has it."""

    def __init__(self) -> None:
        # A socket's path, of at most 107 bytes, begins with it.
        self.folder = Path(tempfile.mkdtemp(prefix="mlberth-dockerd-", dir="/tmp"))
        self._bridge = f"mlb{os.getpid()}"
        self._daemon: subprocess.Popen[bytes] | None = None
        (self.folder / "daemon.json").write_text("{}")  # the machine's own is none of ours
        self._ip("link", "add", self._bridge, "type", "bridge")
        self._ip("addr", "add", f"{self.address}/24", "dev", self._bridge)
        self._ip("link", "set", self._bridge, "up")

    @property
    def address(self) -> str:
        """The bridge's address, at which containers find this machine."""
        return f"10.213.{os.getpid() % 256}.1"

    @property
    def host(self) -> str:
        """The address of the engine, for DOCKER_HOST."""
        return f"unix://{self.folder}/docker.sock"

    def start(self, *, live_restore: bool) -> None:
        """Start it, once an earlier one has ended, and return when it answers."""
        if self._daemon and self._daemon.poll() is None:
            self.end(signal.SIGTERM)
        folder, default = self.folder, _default_bridge()
        (folder / "docker.pid").unlink(missing_ok=True)
        self._forget_containerd()
        argv = [
            *("dockerd", "--config-file", str(folder / "daemon.json"), "--host", self.host),
            *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
            *("--pidfile", str(folder / "docker.pid"), "--bridge", self._bridge),
            *("--iptables=false", "--ip-masq=false", "--default-address-pool", "base=10.214.0.0/16,size=24"),
            *(["--live-restore"] if live_restore else []),
        ]
        with (folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.answers() or self._daemon is None or self._daemon.poll(), timeout=_SECONDS)
        assert self._daemon.poll() is None, (folder / "log").read_text()[-2000:]
        if default and not _default_bridge():
            # An engine with address pools of its own removes it when it starts again: it is the machine's.
            self._ip("link", "add", _DEFAULT_BRIDGE, "type", "bridge")
            self._ip("addr", "add", default, "dev", _DEFAULT_BRIDGE)
            self._ip("link", "set", _DEFAULT_BRIDGE, "up")

    def _forget_containerd(self) -> None:
        """Wait for the end of a killed engine's containerd, whose number may be a zombie's."""
        file = self.folder / "exec/containerd/containerd.pid"
        if file.exists():
            pid = int(file.read_text())
            wait_until(lambda: not is_alive(pid), timeout=_SECONDS)
            file.unlink()

    def answers(self) -> bool:
        """Return whether it answers."""
        return self.run("version", check=False).returncode == 0

    def end(self, number: signal.Signals) -> None:
        """Send a signal that ends it, and return when it has."""
        assert self._daemon
        self._daemon.send_signal(number)
        self._daemon.wait(_SECONDS)

    def pause(self, number: signal.Signals) -> None:
        """Send SIGSTOP or SIGCONT."""
        assert self._daemon
        self._daemon.send_signal(number)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker ARGUMENT…`."""
        argv = ["docker", "--host", self.host, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def load(self, image: str, name: str) -> None:
        """Bring an image of the machine's engine, under a name."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            argv = ["docker", "--host", self.host, "load", "--quiet"]
            subprocess.run(argv, stdin=saving.stdout, check=True, capture_output=True, timeout=5 * _SECONDS)
        self.run("tag", image, name)

    def left(self) -> list[str]:
        """Return the containers and networks that there are, beside the engine's own networks."""
        containers = self.run("ps", "--all", "--format", "{{.Names}}").stdout.split()
        networks = self.run("network", "ls", "--format", "{{.Name}}").stdout.split()
        return containers + sorted(set(networks) - {"bridge", "host", "none"})

    def close(self) -> None:
        """End it with all that it has started, and leave nothing behind."""
        try:
            if self._daemon and self._daemon.poll() is not None:
                self.start(live_restore=False)  # it alone can end the containers of a killed one
            if self._daemon:
                if containers := self.run("ps", "--all", "--quiet").stdout.split():
                    self.run("rm", "--force", *containers)
                self.end(signal.SIGTERM)
        finally:
            self._clear()

    def _clear(self) -> None:
        """Remove what a killed engine leaves: its processes, its mounts, its bridge and its folder."""
        for pid in self._processes():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self._processes())
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        subprocess.run(["ip", "link", "delete", self._bridge], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[int]:
        own, found = str(self.folder).encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if own in words and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)


def require() -> None:
    """Skip a test if this machine cannot have a second Docker engine."""
    if os.getuid():
        pytest.skip("only root can start a second Docker engine")
    missing = [name for name in ("dockerd", "docker", "ip") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def _default_bridge() -> str:
    """Return the address of the bridge of the machine's own engine; "" if there is none."""
    argv = ["ip", "-json", "-4", "addr", "show", "dev", _DEFAULT_BRIDGE]
    shown = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    found = [one for device in json.loads(shown or "[]") for one in device.get("addr_info", ())]
    return f"{found[0]['local']}/{found[0]['prefixlen']}" if found else ""

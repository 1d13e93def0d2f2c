"""A shim's own view of the machine: /opt/ml is the host's tree, algo-N are names, and maybe no network.

With the kernel's namespaces (namespaces(7)): as root, or else as root of a user namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
# From <linux/sockios.h> and <linux/if.h>.
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_CONTRACT = Path("/opt/ml")


def enter(host: str, hosts: Sequence[str], scratch: Path, *, isolated: bool) -> None:
    """Give this process, and those that it starts, a view of their own; must have one thread.

    Each of `hosts` becomes an address of the loopback network. If `isolated`, there is no other device.
    `scratch` is an empty folder for what that needs. Raises OSError if the kernel refuses.
    """
    flags = _CLONE_NEWNS | _CLONE_NEWUTS | (_CLONE_NEWNET if isolated else 0)
    user, group = os.geteuid(), os.getegid()
    _call("unshare", flags | (_CLONE_NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("", "/", _MS_REC | _MS_PRIVATE)
    name = host.encode()
    _call("sethostname", name, ctypes.c_size_t(len(name)))
    _mount(str(_hosts_file(hosts, scratch)), "/etc/hosts", _MS_BIND)
    if isolated:
        _bring_up_loopback()


def mount_overlay(target: Path, options: str) -> None:
    """Show a folder with the changes of this view, after `enter`."""
    # What is deleted is noted in attributes of files; root alone may use the kernel's own.
    own = ",userxattr" if os.geteuid() else ""
    _mount("overlay", str(target), 0, kind="overlay", options=options + own)


def _hosts_file(hosts: Sequence[str], scratch: Path) -> Path:
    """Write the names of the hosts: each has an address of its own, so that they can use the same ports."""
    network = loopback_network(scratch.parent)
    lines = [f"{network}.{number} {name}" for number, name in enumerate(hosts, 1)]
    file = scratch / "hosts"
    file.write_text("\n".join([*lines, Path("/etc/hosts").read_text()]))
    return file


def loopback_network(run: Path) -> str:
    """Return the first bytes of the addresses of a run's hosts: those of another run have others."""
    digest = zlib.crc32(bytes(run))
    return f"127.{16 + digest % 224}.{digest >> 16 & 255}"


def place(base: Path, scratch: Path) -> None:
    """Show `base` as /opt/ml, after `enter`; if there is no such folder, /opt becomes a copy that has one."""
    if not _CONTRACT.is_dir():
        parent, before = _CONTRACT.parent, scratch / "opt"
        before.mkdir(exist_ok=True)
        _mount(str(parent), str(before), _MS_BIND | _MS_REC)
        _mount("tmpfs", str(parent), 0, kind="tmpfs")
        for entry in before.iterdir():
            if entry.is_symlink():
                (parent / entry.name).symlink_to(entry.readlink())
            elif entry.is_dir():
                (parent / entry.name).mkdir()
                _mount(str(entry), str(parent / entry.name), _MS_BIND | _MS_REC)
            else:
                (parent / entry.name).touch()
                _mount(str(entry), str(parent / entry.name), _MS_BIND)
        _CONTRACT.mkdir()
    _mount(str(base), str(_CONTRACT), _MS_BIND | _MS_REC)


def _bring_up_loopback() -> None:
    import socket  # rarely needed, and every shim would wait for it

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _mount(source: str, target: str, flags: int, *, kind: str = "", options: str = "") -> None:
    _call(
        "mount",
        *(os.fsencode(source), os.fsencode(target), kind.encode() or None),
        *(ctypes.c_ulong(flags), os.fsencode(options) or None),
    )


def _call(function: str, *values: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*values):
        error = ctypes.get_errno()
        raise OSError(error, f"{function}: {os.strerror(error)}")

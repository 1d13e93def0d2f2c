"""HTTP subscribers: addresses of this machine and its containers' networks, and one request to one."""

from __future__ import annotations

import http.client
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

PROTOCOLS = ("http", "https")
SECONDS = 15.0
"""For each request, as the service has it."""


class SubscriberError(Exception):
    """A subscriber that did not take a message; `is_final` says that it never will."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


def fault(url: str, protocol: str) -> str | None:
    """Return what is wrong with a subscriber's address, if anything is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{url} is no address: {error}"
    if parts.scheme != protocol or not parts.hostname or port == 0:
        return f"{url} must begin with {protocol}:// and name a host"
    if parts.username or parts.password:
        return "credentials in the address are not supported"
    try:
        _address(parts.hostname, port or 80)
    except SubscriberError as error:
        return str(error)
    return None


def _address(host: str, port: int) -> str:
    """Return the address of a host. Raises SubscriberError if it is not of this machine's networks."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SubscriberError(f"the host {host} is not known: {error.strerror}") from error
    address = str(found[0][4][0])
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback or (parsed.is_private and not parsed.is_link_local and not parsed.is_unspecified):
        return address
    raise SubscriberError(f"the host {host} is not on this machine: nothing is sent beyond it", is_final=True)


def send(url: str, headers: Mapping[str, str], body: bytes, *, seconds: float = SECONDS) -> None:
    """Post a body. Raises SubscriberError unless the answer is a 2xx."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = _address(host, port)
    # A certificate is for the name; without one, the address that was checked is connected to.
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection(host, port, timeout=seconds)
        if secure
        else http.client.HTTPConnection(address, port, timeout=seconds)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, {**headers, "Host": parts.netloc})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise SubscriberError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        # As the service has it: what the client is to blame for is not sent again.
        raise SubscriberError(f"it answered {status}", is_final=400 <= status < 500 and status != 429)

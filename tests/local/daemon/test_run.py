"""Tests of the daemon's start."""

from __future__ import annotations

import socket

import pytest
from tests.support import free_port

from mlberth.errors import ContractError, PortInUseError
from mlberth_local.daemon.run import check_variables, listen


def test_all_faulty_variables_are_named_at_once() -> None:
    with pytest.raises(ContractError) as raised:
        check_variables({"MLBERTH_CPUS": "x", "MLBERTH_METRIC_MINUTE_SECONDS": "0"})
    assert "MLBERTH_CPUS is 'x'" in str(raised.value)
    assert "MLBERTH_METRIC_MINUTE_SECONDS is '0'; expected seconds" in str(raised.value)


def test_inherited_sockets() -> None:
    """That of the same port goes on; that of another one would keep a port that nobody answers on."""
    kept = socket.create_server(("127.0.0.1", 0))
    address = kept.getsockname()
    inherited = {address: kept}
    assert listen(address[1], "process", {}, inherited) == [kept]
    with pytest.raises(PortInUseError, match=f"port {address[1]}"):
        listen(address[1], "process", {})
    (other,) = listen(free_port(), "process", {}, inherited)
    other.close()
    assert kept.fileno() == -1

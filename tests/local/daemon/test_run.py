"""Tests of the daemon's start."""

from __future__ import annotations

import pytest

from mlberth.errors import ContractError
from mlberth_local.daemon.run import check_variables


def test_all_faulty_variables_are_named_at_once() -> None:
    with pytest.raises(ContractError) as raised:
        check_variables({"MLBERTH_CPUS": "x", "MLBERTH_METRIC_MINUTE_SECONDS": "0"})
    assert "MLBERTH_CPUS is 'x'" in str(raised.value)
    assert "MLBERTH_METRIC_MINUTE_SECONDS is '0'; expected seconds" in str(raised.value)

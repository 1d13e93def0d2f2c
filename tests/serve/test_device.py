"""Which device a worker predicts on."""

from __future__ import annotations

import pytest

from mlberth_serve.frameworks.device import choose_device


@pytest.mark.parametrize(
    ("gpus", "devices"),
    [
        (0, ["cpu", "cpu", "cpu"]),
        (1, ["cuda:0", "cuda:0", "cuda:0"]),
        (2, ["cuda:0", "cuda:1", "cuda:0"]),
        (4, ["cuda:0", "cuda:1", "cuda:2"]),
    ],
)
def test_workers_take_the_gpus_in_turn(gpus: int, devices: list[str]) -> None:
    """No GPU stands idle while another has two workers."""
    assert [choose_device(worker, gpus) for worker in range(3)] == devices

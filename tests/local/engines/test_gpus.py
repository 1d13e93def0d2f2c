"""Which GPUs there are for jobs, and what the programs of a host are told of theirs."""

from __future__ import annotations

import pytest

from mlberth_local.engines.docker import device_requests
from mlberth_local.engines.gpus import container_environ, process_environ, read_gpus


@pytest.mark.parametrize(
    ("environ", "there", "gpus"),
    [
        ({}, 0, ()),
        ({}, 3, ("0", "1", "2")),
        ({"MLBERTH_GPUS": ""}, 2, ("0", "1")),
        ({"MLBERTH_GPUS": "0"}, 2, ()),
        ({"MLBERTH_GPUS": "1"}, 2, ("0",)),
        ({"MLBERTH_GPUS": "4"}, 0, ("0", "1", "2", "3")),
        ({"CUDA_VISIBLE_DEVICES": "3, 1"}, 4, ("3", "1")),
        ({"CUDA_VISIBLE_DEVICES": "3,7,1"}, 4, ("3",)),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, 4, ()),
        ({"CUDA_VISIBLE_DEVICES": "2,3", "MLBERTH_GPUS": "1"}, 4, ("2",)),
        ({"CUDA_VISIBLE_DEVICES": "GPU-5e2a"}, 4, ("GPU-5e2a",)),
    ],
)
def test_the_gpus_of_the_machine(environ: dict[str, str], there: int, gpus: tuple[str, ...]) -> None:
    """All that it has, or that CUDA may see, or as many as the variable says."""
    assert read_gpus(environ, lambda: there) == gpus


def test_a_number_that_is_none() -> None:
    with pytest.raises(ValueError, match="MLBERTH_GPUS is 'all'; expected how many"):
        read_gpus({"MLBERTH_GPUS": "all"})


@pytest.mark.parametrize(
    ("gpus", "selection", "visible"),
    [
        (("2", "3"), None, "2,3"),
        (("2", "3"), "1", "3"),
        (("2", "3"), "1, 0", "3,2"),
        (("2", "3"), "0,2", "2"),
        (("2", "3"), "", ""),
        ((), None, ""),
    ],
)
def test_the_variables_of_a_process(gpus: tuple[str, ...], selection: str | None, visible: str) -> None:
    """It sees the host's alone, and chooses among them by numbers from 0."""
    given = {} if selection is None else {"CUDA_VISIBLE_DEVICES": selection}
    assert process_environ(gpus, given) == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": visible,
        "NVIDIA_VISIBLE_DEVICES": visible or "void",
    }


def test_containers() -> None:
    """They ask the engine for devices by number; one without has none, whatever runtime is the default."""
    [asked] = device_requests(("2", "3")) or []
    assert asked == {
        "Driver": "",
        "Count": 0,
        "DeviceIDs": ["2", "3"],
        "Capabilities": [["gpu"]],
        "Options": {},
    }
    assert container_environ(("2", "3")) == {}
    assert (device_requests(()), container_environ(())) == (None, {"NVIDIA_VISIBLE_DEVICES": "void"})


def test_a_machine_without() -> None:
    """Nothing is asked for, and nothing hidden."""
    assert (device_requests(None), container_environ(None), process_environ(None, {})) == (None, {}, {})

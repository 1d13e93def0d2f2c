"""The GPUs of the machine; and those of a host: its programs are told, so that they use no others."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping

from mlberth.contract.resources import count_visible, gpu_count

_CUDA, _RUNTIME = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"
GPUS = "MLBERTH_GPUS"
_TOOL_SECONDS = 20.0


def read_gpus(environ: Mapping[str, str], count: Callable[[], int] | None = None) -> tuple[str, ...]:
    """Return the numbers of the GPUs that jobs may have, as `nvidia-smi` counts them.

    They are all of the machine, or those of CUDA_VISIBLE_DEVICES; MLBERTH_GPUS takes as many of them.
    Raises ValueError for one that is no number.
    """
    text = environ.get(GPUS) or ""
    if text and not text.isdecimal():
        raise ValueError(f"{GPUS} is {text!r}; expected how many GPUs jobs may have, such as 0 or 4")
    selection = environ.get(_CUDA)
    total = (count or machine_gpus)()
    numbers = [str(number) for number in range(total)]
    if selection is not None:
        numbers = [name.strip() for name in selection.split(",")][: count_visible(selection, total)]
    if not text:
        return tuple(numbers)
    # Who says that there are more than can be seen from here knows it better.
    wanted = int(text)
    return tuple(numbers[:wanted] if wanted <= len(numbers) else map(str, range(wanted)))


def machine_gpus() -> int:
    """Return how many GPUs the machine has: by the device files, else (as on WSL) by `nvidia-smi`."""
    found = gpu_count()
    tool = None if found else shutil.which("nvidia-smi")
    if not tool:
        return found
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, timeout=_TOOL_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith(b"GPU ") for line in listing.stdout.splitlines())


def container_environ(gpus: tuple[str, ...] | None) -> dict[str, str]:
    """Return the variables of a container, whose devices are the engine's business."""
    # NVIDIA's runtime, if it is the engine's default, hands all over to a container that asks for none.
    return {_RUNTIME: "void"} if gpus == () else {}


def process_environ(gpus: tuple[str, ...] | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that sees every device of the machine.

    CUDA_VISIBLE_DEVICES of `environ` chooses among the host's, which are 0, 1, … to its programs.
    """
    if gpus is None:
        return {}
    visible = ",".join(_chosen(gpus, environ.get(_CUDA)))
    # By CUDA's own order the numbers would be others than those of nvidia-smi and of the device files.
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", _CUDA: visible, _RUNTIME: visible or "void"}


def _chosen(gpus: tuple[str, ...], selection: str | None) -> list[str]:
    if selection is None:
        return list(gpus)
    numbers = {str(number): gpu for number, gpu in enumerate(gpus)}
    found = []
    for name in selection.split(","):
        if name.strip() not in numbers:  # CUDA takes those before the first one that it does not know
            break
        found.append(numbers[name.strip()])
    return found

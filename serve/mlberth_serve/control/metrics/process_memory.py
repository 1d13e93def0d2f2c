"""The memory of a process, from /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_MAX_WALKED = 2 << 30
"""Working out a PSS holds up the process, for about 20 ms a GB: large ones are spared."""


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    resident: int
    proportional: int | None = None
    """None if it was not worked out."""


def read_proportional(pid: int, resident: int, proc: Path = Path("/proc")) -> int | None:
    """Return a process's PSS in bytes; None if it is gone, too large, or the kernel does not say."""
    if resident > _MAX_WALKED:
        return None
    try:
        found = _PSS.search((proc / str(pid) / "smaps_rollup").read_bytes())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None

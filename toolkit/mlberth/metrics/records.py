"""output/data/metrics.jsonl: a JSON object for each call, appended by every process of a host."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.hosts import read_hosts
from mlberth.contract.layout import Layout
from mlberth.contract.ranks import read_rank
from mlberth.log_outlet import say
from mlberth.metrics.lines import RESERVED
from mlberth.paths import is_folder

_LARGEST_LINE = 1 << 20


class Recorder:
    """Appends to the file; one that cannot be written costs a warning, and never the training."""

    def __init__(
        self,
        path: Path | None,
        origin: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], object] = say,
    ) -> None:
        self._path = path
        self._origin = dict(origin)
        self._clock = clock
        self._warn = warn

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Recorder:
        """Return the recorder of this process; outside of a job, if no tree is, it writes nothing."""
        layout = Layout.from_environ(environ)
        if not is_folder(layout.base):
            return cls(None, {})
        hosts = read_hosts(layout.resource_config, environ)
        rank, _ = read_rank(environ, hosts)
        return cls(layout.metrics(hosts.current if hosts.rank else ""), {"host": hosts.current, "rank": rank})

    def append(self, numbers: Mapping[str, int | float], step: int | None = None) -> None:
        """Append one record; what is not finite, for which JSON has no word, is null."""
        if self._path is None:
            return
        now = self._clock()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        record = {
            **({} if step is None else {"step": step}),
            **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
            "time": f"{stamp}.{int(now % 1 * 1000):03}Z",
            **self._origin,
        }
        line = json.dumps(record, ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # One write to the end, so that lines of several processes do not mix.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._warn(f"{self._path} cannot be written: {error.strerror}. Metrics are printed only.")
            self._path = None


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file, without what is no record; an absent file has none."""
    try:
        with path.open("rb") as file:
            while line := file.readline(_LARGEST_LINE):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):  # a line of somebody else's, or one cut by a full disk
                    continue
                if isinstance(record, dict):
                    yield record
    except OSError:
        return


def numbers_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a record that are numbers."""
    return {
        name: value
        for name, value in record.items()
        if name not in RESERVED
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    }

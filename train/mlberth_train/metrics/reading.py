"""The reader of the output: lines in, records out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlberth.metrics.records import Recorder
from mlberth_train.log import WARNING, Log
from mlberth_train.metrics.definitions import Definition
from mlberth_train.metrics.matching import Matcher

_LONGEST = 65536


def read_output(
    source: int, definitions: Iterable[Definition], target: Path, origin: Mapping[str, Any], log: Log
) -> None:
    """Append the metrics in the lines of a descriptor to a file, until its end."""

    def warn(text: str) -> None:
        log.write(WARNING, text)

    matcher = Matcher(definitions, warn)
    recorder = Recorder(target, {**origin, "definition": True}, warn=warn)
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            found = dict(matcher.find(line[:_LONGEST].decode(errors="replace").rstrip("\n")))
            if found:
                recorder.append(found)

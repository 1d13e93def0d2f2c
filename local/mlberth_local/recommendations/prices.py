"""The table of prices, `prices.json` in the home: the cost of an hour of each instance type.

People edit the file. Its defaults are examples: list prices of real-time inference in us-east-1 as they were
published in 2024, from memory. Nothing is fetched, and nobody keeps them up to date.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlberth_local.errors import ValidationError
from mlberth_local.files import write_atomically

FILE = "prices.json"
_NOTE = (
    "Examples to edit: list prices of real-time inference in us-east-1 of about 2024, in US dollars. "
    "They are not kept up to date: put in what you pay, and other instance types."
)
_PER_HOUR = {
    "ml.t2.medium": 0.056,
    "ml.c5.large": 0.102,
    "ml.c5.xlarge": 0.204,
    "ml.c5.2xlarge": 0.408,
    "ml.c5.4xlarge": 0.816,
    "ml.c5.9xlarge": 1.836,
    "ml.c6i.large": 0.102,
    "ml.c6i.xlarge": 0.204,
    "ml.c6i.2xlarge": 0.408,
    "ml.c6i.4xlarge": 0.816,
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
    "ml.m5.12xlarge": 2.765,
    "ml.r5.large": 0.151,
    "ml.r5.xlarge": 0.302,
    "ml.r5.2xlarge": 0.605,
    "ml.g4dn.xlarge": 0.736,
    "ml.g4dn.2xlarge": 0.94,
    "ml.g5.xlarge": 1.408,
    "ml.g5.2xlarge": 1.515,
}
_SERVERLESS = 0.00002
DEFAULTS: Mapping[str, Any] = {
    "note": _NOTE,
    "currency": "USD",
    "region": "us-east-1",
    "instance_per_hour": _PER_HOUR,
    "serverless_per_gb_second": _SERVERLESS,
}


@dataclass(frozen=True)
class Prices:
    """The prices of a home, in the currency that its table names."""

    instance_per_hour: Mapping[str, float]
    serverless_per_gb_second: float


def read_prices(home: Path) -> Prices:
    """Return the prices; a table that is not there is written with its defaults. Raises `ValidationError`."""
    path = home / FILE
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        write_atomically(path, json.dumps(DEFAULTS, indent=2).encode() + b"\n")
        found = DEFAULTS
    except ValueError as error:
        raise ValidationError(f"{FILE} is not valid JSON: {error}") from error
    faults = list(_faults(found))
    if faults:
        raise ValidationError("; ".join(faults))
    return Prices(dict(found["instance_per_hour"]), found.get("serverless_per_gb_second", _SERVERLESS))


def _faults(found: Any) -> list[str]:
    if not isinstance(found, dict) or not isinstance(found.get("instance_per_hour"), dict):
        return [f'{FILE}: expected an object with {{"instance_per_hour": {{"ml.m5.large": 0.115}}}}']
    named = {f"instance_per_hour.{name}": price for name, price in found["instance_per_hour"].items()}
    named["serverless_per_gb_second"] = found.get("serverless_per_gb_second", _SERVERLESS)
    return [
        f"{FILE}: {name} is {json.dumps(price)}; expected a number of 0 or more"
        for name, price in named.items()
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf
    ]

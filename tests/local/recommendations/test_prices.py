"""Tests of the table of prices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlberth_local.errors import ValidationError
from mlberth_local.recommendations.prices import FILE, read_prices


def test_people_edit_the_table(tmp_path: Path) -> None:
    """It is made with its defaults, which say what they are, and then it is theirs."""
    found = read_prices(tmp_path)
    assert found.instance_per_hour["ml.m5.large"] > found.instance_per_hour["ml.c5.large"] > 0
    table = json.loads((tmp_path / FILE).read_text())
    assert (table["region"], table["currency"]) == ("us-east-1", "USD")
    assert table["note"].startswith("Examples to edit")
    table["instance_per_hour"] = {"ml.m5.large": 1, "local": 0}
    (tmp_path / FILE).write_text(json.dumps(table))
    assert read_prices(tmp_path).instance_per_hour == {"ml.m5.large": 1, "local": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "prices.json is not valid JSON"),
        ("[]", "expected an object with"),
        ('{"instance_per_hour": {"a": -1, "b": "x"}}', "instance_per_hour.a is -1; .*instance_per_hour.b is"),
        ('{"instance_per_hour": {"a": NaN}}', "instance_per_hour.a is NaN"),
        ('{"instance_per_hour": {}, "serverless_per_gb_second": null}', "serverless_per_gb_second is null"),
    ],
)
def test_faults(tmp_path: Path, text: str, message: str) -> None:
    """All of them are said, and the file stays as it is."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValidationError, match=message):
        read_prices(tmp_path)
    assert (tmp_path / FILE).read_text() == text

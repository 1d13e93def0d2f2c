"""The report of a shadow variant."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from mlberth_local.reports.__main__ import shadows
from mlberth_local.reports.shadow_report import ShadowReport, read_copies


def copy(first: str, second: str | None, seconds: float = 0.01, dropped: int = 0) -> dict[str, Any]:
    """Return a line of the gateway; without a second answer the shadow has failed."""
    sides = {}
    for name, body in (("production", first), ("shadow", second)):
        sides[name] = {"variant": name, "seconds": seconds, "status": 200 if body else 500}
        if body:
            sides[name] |= {"type": "text/csv", "body": b64encode(body.encode()).decode()}
    return {"time": 1.0, "dropped": dropped, **sides}


COPIES = [
    copy("1", "1"),
    copy("1", "1.0000001", 0.02),
    copy("1", "2", 0.03),
    copy("1", None, 0.04, dropped=5),
]


def test_what_it_says() -> None:
    """Counts, the largest difference, and quantiles in milliseconds."""
    report = ShadowReport(1e-6)
    for one in COPIES:
        report.add(one)
    found = report.as_json()
    assert (found["copies"], found["dropped"], found["compared"]) == (4, 5, 3)
    assert (found["equal"], found["within_tolerance"], found["largest_difference"]) == (1, 2, 1.0)
    assert found["agreement"] == pytest.approx(2 / 3)
    assert found["different_status"] == 1
    assert (found["shadow"]["errors"], found["shadow"]["statuses"]) == (1, {"200": 3, "500": 1})
    assert found["production"]["milliseconds"] == {"p50": 20.0, "p90": 40.0, "p99": 40.0}


def test_an_empty_report_has_no_figures() -> None:
    """There is nothing to say about answers that nobody has given."""
    report = ShadowReport(1e-6)
    assert report.as_json()["agreement"] is None
    assert report.charts() == {}


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints lines or JSON, and writes a page with plots; a line that is cut off is left out."""
    folder = tmp_path / "gateway/shadows/e/b"
    folder.mkdir(parents=True)
    text = "".join(json.dumps(one) + "\n" for one in COPIES)
    (folder / "1.jsonl").write_text(text)
    (folder / "2.jsonl.part").write_text(text[:-20])
    assert len(list(read_copies(folder))) == 7
    arguments = ["mlberth", "e", "--home", str(tmp_path), "--html", str(tmp_path / "page.html")]
    monkeypatch.setattr("sys.argv", arguments)
    assert shadows() == 0
    printed = capsys.readouterr().out
    assert "e, shadow variant b" in printed
    assert "66.67% of 6 answers within 1e-06 (2 are equal to the byte)" in printed
    page = (tmp_path / "page.html").read_text()
    [picture] = page.split("<h2>")[1:]
    ET.fromstring(picture[picture.index("<svg") : picture.index("</svg>") + len("</svg>")])
    assert "latency (ms) by percentile" in picture
    monkeypatch.setattr("sys.argv", [*arguments, "--json"])
    assert shadows() == 0
    assert json.loads(capsys.readouterr().out)["b"]["compared"] == 6
    monkeypatch.setattr("sys.argv", ["mlberth", "other", "--home", str(tmp_path)])
    assert shadows() == 70
    assert "none of its requests were copied" in capsys.readouterr().err

"""The page, the plots and the bars, from results that are known."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench import bars, data, ours, report, results

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parent / "results.json").read_text())
PAGE = f"before\n{report.BEGIN}\nstale\n{report.END}\nafter\n"


def test_the_tables_are_made_from_the_results() -> None:
    """Every server has its row, in requests per CPU second and in microseconds; what is around stays."""
    page = report.with_tables(PAGE, FIXTURE)
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "stale" not in page
    assert f"| mlberth | 8 000 (125 µs) | 8 000 (125 µs) | {bars.NONE} | {bars.NONE} |" in page
    assert f"| LitServe | {bars.NONE} | 1 000 (1 000 µs) | {bars.NONE} | {bars.NONE} |" in page
    assert "Skipped: TorchServe (there is no `java` on PATH)" in page
    assert report.with_tables(page, FIXTURE) == page


def test_bars_show_what_was_missed() -> None:
    """A bar that was reached, one that was missed and one that was not measured each say so."""
    found = {outcome.bar.what: outcome for outcome in bars.outcomes(FIXTURE)}
    assert found["1 row JSON beside LitServe"].cells()[1:] == ("≥ 8", "8", "reached")
    assert found["p99 of /ping, idle"].cells()[1:] == ("≤ 1 ms", "2 ms", "missed")
    assert found["1 row CSV beside MLflow"].verdict == "not measured"
    assert found["p99 of /ping, idle"].share == 0.5


def test_start_that_was_not_measured_is_said() -> None:
    """The rest of the page is there, and the bar says so too."""
    failed = FIXTURE | {"start": "no answer for 60 s"}
    assert "was not measured: no answer for 60 s." in report.with_tables(PAGE, failed)
    found = {outcome.bar.what: outcome for outcome in bars.outcomes(failed)}
    assert found["start to the first 200, beyond the framework and the model"].verdict == "not measured"


def test_without_batching_its_bars_are_not_measured() -> None:
    """The defaults are no figure for batching where nothing is batched."""
    find = {bar.what: bar for bar in bars.BARS}["1 row CSV, batched, 32 clients, of the unbatched limit"]
    changed = copy.deepcopy(FIXTURE)
    assert next(bars.outcomes(changed, [find])).value is None
    changed["servers"][ours.UNBATCHED] = changed["servers"][ours.NAME]
    assert next(bars.outcomes(changed, [find])).value == pytest.approx(0.5)


def test_plots_are_valid_and_show_every_server() -> None:
    """The plots are SVG, name every server that answered, and come out alike each time."""
    plots = report.plots(FIXTURE)
    assert plots == report.plots(FIXTURE)
    for text in plots.values():
        assert ET.fromstring(text).tag.endswith("svg")
    for name in ("mlberth", "LitServe", "the limit"):
        assert f">{name}<" in plots["peers.svg"]


def test_results_keep_four_digits_and_no_name_of_the_machine(tmp_path: Path) -> None:
    """What is written holds no more digits than it knows."""
    path = tmp_path / "results.json"
    results.write({"a": [1234.5678], "b": {"c": 0.000123456}, "d": 123456, "e": "x"}, path)
    assert json.loads(path.read_text()) == {"a": [1235.0], "b": {"c": 0.0001235}, "d": 123456, "e": "x"}
    assert set(results.machine()) == set(FIXTURE["machine"])


def test_the_page_is_current() -> None:
    """The page and the plots in docs/ are those of the results that lie beside the benchmark."""
    found: Mapping[str, Any] = json.loads(results.FILE.read_text())
    page = report.PAGE.read_text()
    assert report.with_tables(page, found) == page
    for name, text in report.plots(found).items():
        assert (report.PLOTS / name).read_text() == text


def test_every_case_has_a_body_of_its_type() -> None:
    """The cases are what their names say."""
    cases = data.cases()
    assert cases[data.ONE_CSV].body.count(b"\n") == 1
    assert cases[data.THOUSAND_CSV].body.count(b"\n") == 1000
    assert len(json.loads(cases[data.ONE_JSON].body)[0]) == 30
    assert 5_000_000 < len(cases[data.FIVE_MB].body) < 5 * 2**20 + 200

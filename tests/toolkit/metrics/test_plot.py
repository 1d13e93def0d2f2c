"""The plot: an image that every reader of XML takes, whatever the numbers are."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from mlberth.metrics.plot import MAX_CHARTS, MAX_LINES, Line, collect, draw, write_plot

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "step": st.integers(),
            "loss": NUMBERS,
            "<&>\x00": NUMBERS,
            "host": st.text(),
            "rank": st.integers(),
        },
    ),
    min_size=1,
)


@given(RECORDS)
def test_every_number_has_its_place(records: list[dict[str, object]]) -> None:
    """The image is XML, and no coordinate is outside of it."""
    charts = collect(records)
    if not charts:
        return
    image = ET.fromstring(draw(charts, "loss"))
    for element in image.iter():
        for point in element.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 380
            assert 0 <= y <= 220
    assert not re.search(r"nan|inf\b", draw(charts))


def test_charts_lines_and_the_objective() -> None:
    """A chart for each metric, a line for each process, the last value and the objective in the title."""
    records = [
        {"step": step, "loss": 1 / (step + 1), "auc": step / 10, "host": "algo-1", "rank": rank}
        for step in range(5)
        for rank in range(2)
    ]
    image = draw(collect(records), "auc")
    assert image.count("<polyline") == 4
    assert ">loss = 0.2<" in image
    assert ">auc = 0.4 (objective)<" in image
    assert "algo-1 1" in image


def test_many_metrics_and_points_stay_small() -> None:
    """Charts, lines and points have an upper bound; the last point is always there."""
    charts = collect({f"m{number}": 1.0, "rank": number} for number in range(100))
    assert len(charts) == MAX_CHARTS
    charts = collect({"loss": 1.0, "rank": number} for number in range(100))
    assert len(charts["loss"]) == MAX_LINES
    line = Line()
    for number in range(100_000):
        line.add(None, float(number))
    assert 1000 <= len(line.drawn()) <= 2001
    assert line.drawn()[-1] == (99_999.0, 99_999.0)


def test_it_is_written_whole(tmp_path: Path) -> None:
    """By one rename."""
    write_plot(collect([{"loss": 1.0}]), tmp_path / "metrics.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.svg"]
    assert (tmp_path / "metrics.svg").read_text().count("<circle") == 1

"""output/data/metrics.svg: a small chart for each metric, drawn with nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from mlberth.metrics.lines import to_text
from mlberth.metrics.records import numbers_of

MAX_CHARTS, MAX_LINES = 24, 8
"""More would be no picture; each costs memory."""
_MAX_POINTS = 1000
_WIDTH, _HEIGHT, _COLUMNS = 380, 220, 2
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 34, 14, 30
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#888888")
"""Okabe and Ito's, which colour-blind people can tell apart."""


class Line:
    """The points of one metric from one process; of many, every second, fourth, … is kept."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._every = 1
        self._seen = 0
        self._last = (0.0, 0.0)

    def add(self, x: float | None, y: float) -> None:
        """Add a point; without an `x` it has its number."""
        self._last = (float(self._seen) if x is None else x, y)
        if self._seen % self._every == 0:
            self.points.append(self._last)
            if len(self.points) >= 2 * _MAX_POINTS:
                del self.points[1::2]
                self._every *= 2
        self._seen += 1

    def drawn(self) -> list[tuple[float, float]]:
        """Return the points in the order of `x`, the last one always among them."""
        return sorted({*self.points, self._last})


Charts = Mapping[str, Mapping[str, Line]]
"""The lines of each metric, by host and rank."""


def write_plot(charts: Charts, target: Path, objective: str | None = None) -> None:
    """Write charts to a file, whole or not at all; raises OSError for a disk that refuses."""
    draft = target.with_name(f".{target.name}.partial")
    draft.write_text(draw(charts, objective), encoding="utf-8")
    draft.replace(target)


def collect(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Line]]:
    """Return the lines of each metric by host and rank."""
    charts: dict[str, dict[str, Line]] = {}
    for record in records:
        step = record.get("step")
        x = float(step) if isinstance(step, int) and abs(step) < 2**63 else None
        for name, y in numbers_of(record).items():
            if name not in charts and len(charts) >= MAX_CHARTS:
                continue
            lines = charts.setdefault(name, {})
            source = " ".join(str(record[key]) for key in ("host", "rank") if record.get(key) is not None)
            if source in lines or len(lines) < MAX_LINES:
                lines.setdefault(source, Line()).add(x, float(y))
    return charts


def draw(charts: Charts, objective: str | None = None) -> str:
    """Return charts as an SVG image."""
    columns = min(_COLUMNS, len(charts))
    width, height = columns * _WIDTH, math.ceil(len(charts) / columns) * _HEIGHT
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for place, (name, lines) in enumerate(charts.items()):
        row, column = divmod(place, columns)
        parts.append(f'<g transform="translate({column * _WIDTH},{row * _HEIGHT})">')
        parts += _chart(name, lines, is_objective=name == objective)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _chart(name: str, lines: Mapping[str, Line], *, is_objective: bool) -> list[str]:
    points = {source: line.drawn() for source, line in lines.items()}
    every = [point for drawn in points.values() for point in drawn]
    horizontal = _Axis([x for x, _ in every], _LEFT, _WIDTH - _RIGHT)
    vertical = _Axis([y for _, y in every], _HEIGHT - _BOTTOM, _TOP)
    last = to_text(float(f"{next(iter(points.values()))[-1][1]:.6g}"))
    title = f"{_short(name)} = {last}" + (" (objective)" if is_objective else "")
    parts = [f'<text x="{_LEFT}" y="20" font-size="13" font-weight="bold">{_text(title)}</text>']
    if len(points) > 1:
        labels = (
            f'<tspan fill="{_COLOURS[number % len(_COLOURS)]}" dx="8">{_text(_short(source))}</tspan>'
            for number, source in enumerate(points)
        )
        parts.append(f'<text x="{_LEFT}" y="31" font-size="8">{"".join(labels)}</text>')
    for value in vertical.ticks:
        y = vertical.place(value)
        parts.append(f'<path d="M{_LEFT},{y}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:g}" text-anchor="end">{value:.4g}</text>')
    for value in horizontal.ticks:
        x, y = horizontal.place(value), _HEIGHT - _BOTTOM + 16
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle">{value:g}</text>')
    for number, (source, drawn) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        label = f"<title>{_text(source)}</title>"
        places = [f"{horizontal.place(x)},{vertical.place(y)}" for x, y in drawn]
        if len(places) == 1:
            at_x, _, at_y = places[0].partition(",")
            parts.append(f'<circle cx="{at_x}" cy="{at_y}" r="3" fill="{colour}">{label}</circle>')
        else:
            style = f'fill="none" stroke="{colour}" stroke-width="1.5"'
            parts.append(f'<polyline points="{" ".join(places)}" {style}>{label}</polyline>')
    return parts


class _Axis:
    """Values from the smallest to the largest, on pixels from `start` to `end`."""

    def __init__(self, values: list[float], start: int, end: int) -> None:
        self._low, self._high = min(values), max(values)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return the pixel of a value."""
        # Halves, since the difference of two large numbers may be infinite.
        span = self._high / 2 - self._low / 2
        share = (value / 2 - self._low / 2) / span if span else 0.5
        return round(self._start + share * (self._end - self._start), 1)

    @property
    def ticks(self) -> list[float]:
        """Round values for labels, or the only value that there is."""
        span = self._high - self._low
        if not span or math.isinf(span):
            return [self._low, self._high] if span else [self._low]
        step = 10.0 ** math.floor(math.log10(span))
        step *= next(factor for factor in (0.2, 0.5, 1, 2) if span / (step * factor) <= 5)
        first = math.ceil(self._low / step)
        found = [
            number * step for number in range(first, first + 8) if number * step <= self._high + step / 1e6
        ]
        return [value for value in found if math.isfinite(value)] or [self._low]


def _short(name: str) -> str:
    return name if len(name) <= 32 else f"{name[:31]}…"


def _text(text: str) -> str:
    """Return a text for XML, without characters that XML has no place for."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))

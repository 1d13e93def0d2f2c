"""Plots as SVG, written by hand: the same results give the same bytes, and nothing has to be installed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_FONT = 'font-family="system-ui, sans-serif" font-size="12"'
_OURS, _OTHERS, _LIMIT = "#0b7285", "#adb5bd", "#495057"
_COLOURS = ("#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e")


@dataclass(frozen=True)
class Bars:
    """One panel of a bar chart: names and values, ours marked."""

    title: str
    values: Mapping[str, float]


def bar_chart(title: str, panels: Sequence[Bars], *, ours: str, limit: str) -> str:
    """Return panels of horizontal bars below each other, the longest first in each."""
    lines, top = [_text(10, 22, title, weight="bold")], 44
    for panel in panels:
        lines.append(_text(10, top, panel.title, weight="bold"))
        largest = max(panel.values.values())
        for name, value in sorted(panel.values.items(), key=lambda item: -item[1]):
            top += 20
            colour = _OURS if name.startswith(ours) else _LIMIT if name == limit else _OTHERS
            length = max(1.0, 360 * value / largest)
            lines.append(_text(208, top, name, anchor="end"))
            lines.append(f'<rect x="216" y="{top - 11}" width="{length:.1f}" height="14" fill="{colour}"/>')
            lines.append(_text(216 + length + 6, top, _number(value)))
        top += 34
    return _svg(680, top - 10, lines)


@dataclass(frozen=True)
class Line:
    """One series of a line chart; `marks` are single points, drawn as circles."""

    name: str
    line: Sequence[tuple[float, float]]
    marks: Sequence[tuple[float, float]] = ()


def line_chart(title: str, x_title: str, y_title: str, lines: Sequence[Line]) -> str:
    """Return series over two logarithmic axes, with a line for each power of ten."""
    everything = [point for line in lines for point in (*line.line, *line.marks)]
    x_low, x_high = _decades([x for x, _ in everything])
    y_low, y_high = _decades([y for _, y in everything])

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = 70 + 480 * (math.log10(point[0]) - x_low) / (x_high - x_low)
        return x, 320 - 260 * (math.log10(point[1]) - y_low) / (y_high - y_low)

    drawn = [_text(10, 22, title, weight="bold"), _text(310, 358, x_title, anchor="middle")]
    drawn.append(_text(10, 44, y_title))
    for power in range(x_low, x_high + 1):
        x, _ = place((10**power, 10**y_low))
        drawn.append(f'<path d="M{x:.1f} 60V320" stroke="#dee2e6"/>')
        drawn.append(_text(x, 338, _number(10**power), anchor="middle"))
    for power in range(y_low, y_high + 1):
        _, y = place((10**x_low, 10**power))
        drawn.append(f'<path d="M70 {y:.1f}H550" stroke="#dee2e6"/>')
        drawn.append(_text(62, y + 4, _number(10**power), anchor="end"))
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in map(place, line.line))
        drawn.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for x, y in map(place, line.marks):
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        drawn.append(f'<circle cx="566" cy="{70 + 20 * number}" r="4" fill="{colour}"/>')
        drawn.append(_text(576, 74 + 20 * number, line.name))
    return _svg(760, 372, drawn)


def step_chart(title: str, x_title: str, panels: Sequence[Line]) -> str:
    """Return series that keep each value until the next one, below each other over one linear axis."""
    end = max(x for panel in panels for x, _ in panel.line)
    drawn, top = [_text(10, 22, title, weight="bold")], 40
    for number, panel in enumerate(panels):
        most = max(1.0, *(y for _, y in panel.line))
        bottom = top + 120
        drawn.append(_text(10, top + 12, panel.name))
        for share in (0.0, 0.5, 1.0):
            y = bottom - 90 * share
            drawn.append(f'<path d="M70 {y:.1f}H650" stroke="#dee2e6"/>')
            drawn.append(_text(62, y + 4, _number(most * share), anchor="end"))
        points = [(70 + 580 * x / end, bottom - 90 * y / most) for x, y in panel.line]
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:])
        drawn.append(
            f'<path d="{path}" fill="none" stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="1.5"/>'
        )
        top = bottom + 10
    step = 10 ** math.floor(math.log10(end))
    marks = [number * step for number in range(int(end / step) + 1)]
    drawn += [_text(70 + 580 * x / end, top + 10, _number(x), anchor="middle") for x in marks]
    drawn.append(_text(360, top + 30, x_title, anchor="middle"))
    return _svg(680, top + 42, drawn)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.10g}".replace(",", " ")


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text {where} fill="#212529">{escape(text)}</text>'


def _svg(width: int, height: int, lines: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {_FONT}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *lines, "</svg>", ""])

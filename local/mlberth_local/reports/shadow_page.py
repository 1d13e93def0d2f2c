"""The report of shadow variants as lines for a terminal, and as one page with its plots in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from mlberth.metrics.plot import draw
from mlberth_local.reports.shadow_report import ShadowReport

_STYLE = "body{font:16px sans-serif;margin:2em;max-width:60em}td,th{padding:.2em 1em;text-align:left}"


def rows(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a report says: a name and its words."""
    yield "copies", f"{report['copies']}, and {report['dropped']} dropped"
    if report["compared"]:
        agreement = (
            f"{report['agreement']:.2%} of {report['compared']} answers within {report['tolerance']:g}"
        )
        yield "agreement", f"{agreement} ({report['equal']} are equal to the byte)"
        largest = report["largest_difference"]
        yield "largest difference", "none to compare" if largest is None else f"{largest:.6g}"
        yield "other shape", str(report["other_shape"])
    yield "other status", str(report["different_status"])
    for side in ("production", "shadow"):
        found = report[side]
        statuses = ", ".join(f"{count} times {status}" for status, count in found["statuses"].items())
        yield f"{side} statuses", statuses or "none"
        times = ", ".join(
            f"{name} {value:g} ms" for name, value in found["milliseconds"].items() if value is not None
        )
        yield f"{side} latency", times or "none"


def text(endpoint: str, reports: Mapping[str, ShadowReport]) -> str:
    """Return the lines for a terminal."""
    lines = []
    for name, report in reports.items():
        lines.append(f"{endpoint}, shadow variant {name}")
        lines += [f"  {label + ':':22}{words}" for label, words in rows(report.as_json())]
    return "\n".join(lines)


def page(endpoint: str, reports: Mapping[str, ShadowReport]) -> str:
    """Return a page that needs nothing else."""
    parts = [
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(endpoint)}: shadows</title>',
        f"<style>{_STYLE}</style><h1>{escape(endpoint)}</h1>",
    ]
    for name, report in reports.items():
        parts.append(f"<h2>Shadow variant {escape(name)}</h2><table>")
        parts += [f"<tr><th>{escape(label)}<td>{escape(words)}" for label, words in rows(report.as_json())]
        parts.append("</table>")
        if charts := report.charts():
            parts.append(draw(charts))
    return "\n".join([*parts, "</html>"]) + "\n"

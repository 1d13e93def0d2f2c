"""The commands that report about endpoints."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from mlberth import __version__
from mlberth.command_line import VERSION, show
from mlberth.errors import Fault, MlberthError, PlatformError
from mlberth.log_outlet import say

_HELP = """\
mlberth shadows my-endpoint
mlberth shadows my-endpoint --tolerance 1e-3 --html report.html

Answers are compared by their numbers if they are JSON or CSV, else to the byte. Bodies of more than 64 kB
are not compared.

Exit codes: 0 reported; 70 nothing was copied."""


def shadows() -> int:
    """Say how the shadow variants of an endpoint compare with production."""
    parser = ArgumentParser(
        "mlberth shadows",
        description=shadows.__doc__,
        epilog=_HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(*VERSION, action="version", version=f"mlberth {__version__}")
    parser.add_argument("endpoint", help="its name; it may have been deleted")
    parser.add_argument(
        "--tolerance", type=float, default=1e-6, help="of numbers, absolute and relative (1e-6)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page with plots, too")
    parser.add_argument(
        "--home", metavar="DIR", help="the folder of the platform (MLBERTH_HOME, or ~/.mlberth)"
    )
    chosen = parser.parse_args()
    try:
        return _report(chosen.home, chosen.endpoint, chosen.tolerance, chosen.html, as_json=chosen.json)
    except MlberthError as error:
        say(f"mlberth shadows: {error}")
        return error.exit_code


def _report(given: str | None, endpoint: str, tolerance: float, html: Path | None, *, as_json: bool) -> int:
    from mlberth_local.daemon.home import Home
    from mlberth_local.gateway.control_socket import Places
    from mlberth_local.reports.shadow_page import page, text
    from mlberth_local.reports.shadow_report import ShadowReport, read_copies

    folder = Places(Home.of(os.environ, given).gateway).shadows / endpoint
    if not folder.is_dir():
        fault = Fault(endpoint, "none of its requests were copied", "an endpoint with a shadow variant")
        raise PlatformError(fault)
    reports = {}
    for place in sorted(folder.iterdir()):
        report = reports[place.name] = ShadowReport(tolerance)
        for copy in read_copies(place):
            report.add(copy)
    if html:
        html.write_text(page(endpoint, reports), encoding="utf-8")
    if as_json:
        show(json.dumps({name: report.as_json() for name, report in reports.items()}, indent=2))
    else:
        show(text(endpoint, reports))
    return 0


if __name__ == "__main__":
    sys.exit(shadows())

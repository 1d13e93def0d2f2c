"""What a reader crosses on the way of one warm prediction: functions, modules, and changes of file.

    python -m bench.hops [--quiet]

Starts `serve` behind nginx with one worker and without batching, asks it for one row of CSV some times over
one connection, and prints our own calls for the last request in order, from the event that wakes the worker
to its next wait: with a scikit-learn model, and with a handler that does nothing, which leaves the server.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from bench import data
from bench.load import Exchange, prepare
from bench.ours import BATCH_SIZE
from bench.server import HOST, Command, Place, Server, free_ports, running

ROOT = Path(__file__).resolve().parent.parent
TRACE = "MLBERTH_BENCH_TRACE"
"""The file that the traced worker writes."""
_PACKAGES = tuple(f"{ROOT / root}{os.sep}" for root in ("serve/mlberth_serve", "toolkit/mlberth"))
CASES = {"scikit-learn": None, "a handler that does nothing": ROOT / "bench/handlers/nothing.py"}
_PREDICTS = "inference/pipeline.py"
"""Without it the worker has only given a sign of life."""
_WARM = 50
"""Requests until caches are filled and the worker has learnt how long it takes."""
_BOOT = (
    "import os, sys; from mlberth_serve.control.supervisor import serve; "
    "sys.exit(serve(os.environ, application='bench.hops:make_traced()'))"
)


def make_traced() -> Any:
    """Return the application of mlberth_serve.wsgi, whose worker writes down what it calls."""
    from mlberth_serve.app.factory import create_app

    application = create_app(os.environ)
    warm_up, path = application.warm_up, Path(os.environ[TRACE])

    def trace_after_warm_up() -> None:
        warm_up()
        sys.setprofile(Tracer(path))

    application.warm_up = trace_after_warm_up  # type: ignore[method-assign]
    return application


class Tracer:
    """A profile function: our own calls between two waits of the worker's poll, as `file name` lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._calls: list[str] = []

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Take one event of the interpreter."""
        if event == "call" and frame.f_code.co_filename.startswith(_PACKAGES):
            code = frame.f_code
            name = getattr(code, "co_qualname", code.co_name)  # the long one from Python 3.11 on
            self._calls.append(f"{Path(code.co_filename).relative_to(ROOT)} {name}")
        elif event in ("c_call", "c_return") and isinstance(
            getattr(argument, "__self__", None), select.epoll
        ):
            if event == "c_call" and any(_PREDICTS in call for call in self._calls):
                staged = self._path.with_suffix(".new")
                staged.write_text("\n".join(self._calls))
                staged.replace(self._path)
            self._calls = []


def trace(folder: Path, handler: Path | None) -> list[tuple[str, str]]:
    """Return file and function of each call of a warm request, in order."""
    data.train(folder / "ml/model")
    if handler:
        (folder / "ml/model/code").mkdir()
        shutil.copy(handler, folder / "ml/model/code/inference.py")
    case = data.cases()[data.ONE_CSV]

    def start(place: Place) -> Command:
        environ = {
            "PYTHONPATH": str(ROOT),
            "SAGEMAKER_BASE_DIR": str(folder / "ml"),
            "SAGEMAKER_BIND_TO_HOST": HOST,
            "SAGEMAKER_BIND_TO_PORT": str(place.port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            BATCH_SIZE: "1",
            TRACE: str(folder / "trace"),
        }
        return Command([sys.executable, "-c", _BOOT], environ)

    place = Place(folder / "server", folder / "ml/model", Path(sys.executable), free_ports(1))
    with running(Server("mlberth", start, {}), place) as server:
        exchange = Exchange(server.address)
        for _ in range(_WARM):
            exchange.send(prepare("/invocations", case.body, case.content_type, case.content_type))
            while not exchange.receive():
                pass
        exchange.socket.close()
    lines = (folder / "trace").read_text().splitlines()
    return [(file, name) for file, _, name in (line.partition(" ") for line in lines)]


def main() -> int:
    """Trace, and print what was found."""
    parser = argparse.ArgumentParser(prog="bench.hops", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quiet", action="store_true", help="the counts alone")
    arguments = parser.parse_args()
    for name, handler in CASES.items():
        with tempfile.TemporaryDirectory(prefix="mlberth-hops-") as folder:
            calls = trace(Path(folder), handler)
        runs = [(file, [name for _, name in run]) for file, run in groupby(calls, key=lambda call: call[0])]
        if not arguments.quiet:
            for file, names in runs:
                print(f"{file:55} {', '.join(names)}")
        modules = len({file for file, _ in calls})
        print(f"{name}: {len(calls)} calls in {modules} modules, {len(runs) - 1} changes of file")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a reader crosses on the way of one warm prediction: functions, modules, and changes of file.

    python -m bench.hops [--quiet] [--without-nginx]

Starts `serve` behind nginx with one worker and without batching, asks it for one row of CSV some times over
one connection, and prints our own calls for the usual request in order, from the event that wakes the worker
to its next wait: with a scikit-learn model, and with a handler that does nothing, which leaves the server.
Without nginx it is a worker in this process, which is sent what nginx would send, and no busy machine slows.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count, groupby
from pathlib import Path
from types import FrameType, SimpleNamespace
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
_TRACED = 40
"""Further requests, so that the usual one counts: a few do what is due now and then."""
_STEP_SECONDS = 1e-4
"""Between two looks at the clock, without nginx."""
_SECONDS = 60.0
"""How long a response may take."""
_BOOT = (
    "import os, sys; from mlberth_serve.control.supervisor import serve; "
    "sys.exit(serve(os.environ, application='bench.hops:make_traced()'))"
)

Call = tuple[str, str]
"""File and function."""


def make_traced() -> Any:
    """Return the application of mlberth_serve.wsgi, whose worker writes down what it calls."""
    from mlberth_serve.app.factory import create_app

    application = create_app(os.environ)
    warm_up, path = application.warm_up, Path(os.environ[TRACE])

    traces: Counter[tuple[Call, ...]] = Counter()

    def write(calls: Sequence[Call]) -> None:
        traces[tuple(calls)] += 1
        staged = path.with_suffix(".new")
        staged.write_text("\n".join(" ".join(call) for call in traces.most_common(1)[0][0]))
        staged.replace(path)

    def trace_after_warm_up() -> None:
        warm_up()
        sys.setprofile(Tracer(write))

    application.warm_up = trace_after_warm_up  # type: ignore[method-assign]
    return application


class Tracer:
    """A profile function: our own calls between two waits of the worker's poll, if there was a prediction."""

    def __init__(self, keep: Callable[[Sequence[Call]], None]) -> None:
        self._keep = keep
        self._calls: list[Call] = []

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Take one event of the interpreter."""
        if event == "call" and frame.f_code.co_filename.startswith(_PACKAGES):
            code = frame.f_code
            name = getattr(code, "co_qualname", code.co_name)  # the long one from Python 3.11 on
            self._calls.append((str(Path(code.co_filename).relative_to(ROOT)), name))
        elif event in ("c_call", "c_return") and isinstance(
            getattr(argument, "__self__", None), select.epoll
        ):
            if event == "c_call" and any(_PREDICTS in file for file, _ in self._calls):
                self._keep(self._calls)
            self._calls = []


def trace(folder: Path, handler: Path | None) -> list[Call]:
    """Return the calls of a warm request to a server behind nginx, in order."""
    case = _make_model(folder, handler)

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
        for _ in range(_WARM + _TRACED):
            exchange.send(prepare("/invocations", case.body, case.content_type, case.content_type))
            while not exchange.receive():
                pass
        exchange.socket.close()
    lines = (folder / "trace").read_text().splitlines()
    return [(file, name) for file, _, name in (line.partition(" ") for line in lines)]


def trace_in_process(folder: Path, handler: Path | None) -> list[Call]:
    """Return the calls of a warm request to a worker that runs here, in order."""
    from gunicorn.config import Config
    from gunicorn.glogging import Logger

    from mlberth_serve.app.factory import create_app
    from mlberth_serve.shared.heartbeat import Heartbeats
    from mlberth_serve.shared.metrics_memory import PAGE_BYTES
    from mlberth_serve.shared.metrics_recorder import Recorder
    from mlberth_serve.worker.instrumentation import Instrumented
    from mlberth_serve.worker.revocation import ConnectionRevoker
    from mlberth_serve.worker.standard_streams import StandardStreams
    from mlberth_serve.worker.worker import Worker

    case = _make_model(folder, handler)
    application = create_app({"SAGEMAKER_BASE_DIR": str(folder / "ml"), BATCH_SIZE: "1"})
    application.warm_up()
    instrumented = Instrumented(application, Recorder(bytearray(PAGE_BYTES)), behind_nginx=True)
    settings, path = Config(), str(folder / "socket")
    traces: Counter[tuple[Call, ...]] = Counter()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        app = SimpleNamespace(predictions=instrumented)
        worker = Worker(0, os.getppid(), [listener], app, _SECONDS, settings, Logger(settings))
        # What gunicorn and the arbiter give to a worker that they fork.
        worker.pid, worker.PIPE = os.getpid(), os.pipe()
        # By this clock each request is quick, however busy the machine is: what is slow takes another way.
        clock = count(1.0, _STEP_SECONDS).__next__
        worker.heartbeat, worker.revoker = Heartbeats.create(1).heartbeat(0, clock), ConnectionRevoker()
        worker.streams, worker.is_leaving = StandardStreams("text"), lambda: False

        def ask() -> None:
            try:
                _ask_as_nginx(path, case)
            finally:
                worker.alive = False
                os.write(worker.PIPE[1], b"x")

        client = threading.Thread(target=ask)
        client.start()
        sys.setprofile(Tracer(lambda calls: traces.update({tuple(calls): 1})))
        try:
            worker.run()
        finally:
            sys.setprofile(None)
            client.join()
    return [*traces.most_common(1)[0][0]]


def _make_model(folder: Path, handler: Path | None) -> data.Case:
    """Make the model folder that is served; returns the request."""
    data.train(folder / "ml/model")
    if handler:
        (folder / "ml/model/code").mkdir()
        shutil.copy(handler, folder / "ml/model/code/inference.py")
    return data.cases()[data.ONE_CSV]


def _ask_as_nginx(path: str, case: data.Case) -> None:
    """Send requests in the form in which nginx sends them, over a connection for as long as it is kept."""
    client = None
    for number in range(_WARM + _TRACED):
        if client is None:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(_SECONDS)
            client.connect(path)
        head = [
            "POST /invocations HTTP/1.1",
            f"X-Request-Id: {number:032x}",
            "X-Request-Start: t=1700000000.000",
            "Host: localhost",
            f"Content-Length: {len(case.body)}",
            f"Content-Type: {case.content_type}",
            f"Accept: {case.content_type}",
        ]
        client.sendall("\r\n".join([*head, "", ""]).encode() + case.body)
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
        if b"\r\nConnection: close\r\n" in answer:
            client.close()
            client = None
    if client:
        client.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Trace, and print what was found."""
    parser = argparse.ArgumentParser(prog="bench.hops", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quiet", action="store_true", help="the counts alone")
    parser.add_argument(
        "--without-nginx", action="store_true", help="a worker in this process, which is quicker"
    )
    arguments = parser.parse_args(argv)
    for name, handler in CASES.items():
        with tempfile.TemporaryDirectory(prefix="mlberth-hops-") as folder:
            calls = (trace_in_process if arguments.without_nginx else trace)(Path(folder), handler)
        runs = [(file, [name for _, name in run]) for file, run in groupby(calls, key=lambda call: call[0])]
        if not arguments.quiet:
            for file, names in runs:
                print(f"{file:55} {', '.join(names)}")
        modules = len({file for file, _ in calls})
        print(f"{name}: {len(calls)} calls in {modules} modules, {len(runs) - 1} changes of file")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The commands of the platform on this machine: those of the daemon, and those of its jobs."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from mlberth import __version__
from mlberth.command_line import VERSION, show
from mlberth.errors import DependencyError, Fault, MlberthError, PlatformError
from mlberth.log_outlet import say
from mlberth_local.daemon.home import DEFAULT_PORT, DEFAULT_REGION, ENGINES, Home, Running

_NOT_RUNNING = 3
"""The exit code of commands that need a daemon, as `systemctl status` has it."""


def up() -> int:
    """Start the platform: SageMaker's API, S3 and what else clients need, on this machine."""
    flags = _parser("up", up.__doc__, _UP_HELP)
    flags.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"of the API on 127.0.0.1 ({DEFAULT_PORT})"
    )
    flags.add_argument("--engine", choices=ENGINES, default="docker", help="what runs jobs (docker)")
    flags.add_argument("--region", default=_region(), help=f"that ARNs name ({_region()})")
    flags.add_argument("--gpus", metavar="N", help="as many GPUs are for jobs (all that are found)")
    flags.add_argument(
        "--s3-endpoint", metavar="URL", help="another S3 that has the objects, with this environment's keys"
    )
    flags.add_argument(
        "--stream-port",
        type=int,
        default=0,
        metavar="N",
        help="for streams in both directions (HTTP/2 over TLS), such as 8443; none unless it is given",
    )
    flags.add_argument(
        "--detach", "-d", action="store_true", help="go to the background when the API answers"
    )
    flags.add_argument("--ready", type=int, help="a descriptor to write to when the API answers")
    flags.add_argument(
        "--lease", type=int, help="a descriptor: when its other end is closed and no job is left, stop"
    )
    return _run(flags, _up)


def _region() -> str:
    return os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or DEFAULT_REGION


def _up(home: Home, chosen: Namespace) -> int:
    from mlberth_local.daemon.start import start_detached, start_here
    from mlberth_local.daemon.start_flags import StartFlags
    from mlberth_local.other_s3 import checked_address

    other = checked_address(chosen.s3_endpoint) if chosen.s3_endpoint else ""
    flags = StartFlags(
        chosen.port,
        chosen.engine,
        chosen.region,
        other,
        stream_port=chosen.stream_port,
        lease=chosen.lease,
    )
    environ = os.environ if chosen.gpus is None else {**os.environ, "MLBERTH_GPUS": chosen.gpus}
    if chosen.detach:
        started = start_detached(home, flags, environ)
    else:
        _log_to_stderr()
        if chosen.ready is None:
            show(f"mlberth: home {home.folder}, http://127.0.0.1:{chosen.port}; Ctrl-C stops it")
        started = start_here(home, flags, environ, chosen.ready)
    running = home.running()
    if started and chosen.detach and running:
        show(f"mlberth is up: {_described(home, running)}")
        show('Point clients at it with: eval "$(mlberth env)"')
    elif not started:
        where = _described(home, running) if running else f"home {home.folder}; it is starting"
        show(f"mlberth runs already: {where}")
    return 0


def _described(home: Home, running: Running) -> str:
    other = f", S3 {running.s3_endpoint}" if running.s3_endpoint else ""
    where = f"http://127.0.0.1:{running.port}, engine {running.engine}{other}"
    return f"{where}, home {home.folder}, pid {running.pid}"


def _log_to_stderr() -> None:
    import logging

    from mlberth import logs

    form = "json" if os.environ.get("SAGEMAKER_LOG_FORMAT") == "json" else "text"
    logs.configure(logging.INFO, form=form)


def down() -> int:
    """Stop the platform: jobs first, with time to save, then the daemon."""
    return _run(_parser("down", down.__doc__, _DOWN_HELP), _down)


def _down(home: Home, _: Namespace) -> int:
    from mlberth_local.daemon.stop import stop_daemon

    ran = stop_daemon(home, Path.home(), os.environ)
    show(f"mlberth is down: home {home.folder}" if ran else f"mlberth does not run: home {home.folder}")
    return 0


def env() -> int:
    """Print the variables that point boto3, the aws command and the SageMaker SDKs at the platform."""
    return _run(_parser("env", env.__doc__, _ENV_HELP), _env)


def _env(home: Home, _: Namespace) -> int:
    running = home.running()
    if running is None:
        return _say_that_none_runs(home)
    from mlberth_local.daemon.client_environment import client_environment, install_endpoints

    note = install_endpoints(Path.home(), home, running)
    if note:
        say(f"mlberth env: {note}")
    variables = client_environment(home, running)
    show("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0


def status() -> int:
    """Say whether the platform runs, and where; or how an endpoint is."""
    parser = _parser("status", status.__doc__, _STATUS_HELP)
    parser.add_argument(
        "endpoint", nargs="?", help="its variants, its instances, and what has happened to it"
    )
    return _run(parser, _status)


def _status(home: Home, chosen: Namespace) -> int:
    if chosen.endpoint:
        from mlberth_local.daemon.endpoint_status import find_endpoint, lines
        from mlberth_local.daemon.job_list import open_resources
        from mlberth_local.gateway.loaded_models import loaded_models

        with open_resources(home) as resources:
            endpoint = find_endpoint(resources, chosen.endpoint)
        show("\n".join(lines(endpoint, loaded_models(home.gateway))))
        return 0
    running = home.running()
    if running is None:
        return _say_that_none_runs(home)
    show(f"mlberth is up: {_described(home, running)}")
    return 0


def _say_that_none_runs(home: Home) -> int:
    say(f"mlberth does not run on the home {home.folder}. Run: mlberth up --detach")
    return _NOT_RUNNING


def ps() -> int:
    """List endpoints, and the jobs that run or wait; with --all, what has ended or failed too."""
    parser = _parser("ps", ps.__doc__, None)
    parser.add_argument("--all", "-a", action="store_true", help="finished ones too")
    parser.add_argument("--limit", type=int, default=50, help="at most so many, newest first (50)")
    return _run(parser, _ps)


def _ps(home: Home, chosen: Namespace) -> int:
    from mlberth_local.daemon.job_list import jobs, open_resources, table

    with open_resources(home) as resources:
        show(table(jobs(resources, finished=chosen.all, limit=chosen.limit)))
    return 0


def logs() -> int:
    """Print the log of a job or an endpoint; with -f, until it has ended."""
    parser = _parser("logs", logs.__doc__, None)
    parser.add_argument("name", help="of the job or the endpoint")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until it has ended")
    return _run(parser, _logs)


def _logs(home: Home, chosen: Namespace) -> int:
    from mlberth_local.daemon.job_list import find_job, has_ended, log_lines, open_resources

    with open_resources(home) as resources:
        job = find_job(resources, chosen.name)

        def is_finished() -> bool:
            return has_ended(resources, job)

        hosts: set[str] = set()
        for stream, line in log_lines(home, job, is_finished if chosen.follow else None):
            hosts.add(stream)
            show(line if len(hosts) == 1 else f"{stream.rpartition('/')[2]}: {line}")
    return 0


def stop() -> int:
    """Stop a job: its programs get SIGTERM, and time to save."""
    parser = _parser("stop", stop.__doc__, None)
    parser.add_argument("name", help="of the job")
    return _run(parser, _stop)


def _stop(home: Home, chosen: Namespace) -> int:
    running = home.running()
    if running is None:
        return _say_that_none_runs(home)
    from mlberth_local.daemon import api_client
    from mlberth_local.daemon.job_list import STOP_OPERATIONS, find_job, open_resources

    with open_resources(home) as resources:
        job = find_job(resources, chosen.name)
    if job.kind not in STOP_OPERATIONS:
        raise PlatformError(Fault(job.name, "it is an endpoint", "a job", "Endpoints are deleted."))
    operation, parameter = STOP_OPERATIONS[job.kind]
    api_client.call(running, operation, {parameter: job.name})
    show(f"{job.name} is stopping")
    return 0


def interrupt() -> int:
    """Take a training job's spot instance away: it starts again from its checkpoints."""
    parser = _parser("interrupt", interrupt.__doc__, "Its programs get SIGTERM, and 120 seconds to save.")
    parser.add_argument("name", help="of a training job that trains")
    return _run(parser, _interrupt)


def _interrupt(home: Home, chosen: Namespace) -> int:
    running = home.running()
    if running is None:
        return _say_that_none_runs(home)
    from mlberth_local.daemon import api_client

    api_client.interrupt(running, chosen.name)
    show(f"{chosen.name} is interrupted, and starts again")
    return 0


def invoke() -> int:
    """Send a request to an endpoint, and print the answer."""
    parser = _parser("invoke", invoke.__doc__, _INVOKE_HELP)
    parser.add_argument("name", help="of the endpoint")
    parser.add_argument("--body", metavar="FILE", default="-", help="the request's body; - is stdin (-)")
    parser.add_argument("--content-type", help="of the body (by the file's name, else text/csv)")
    parser.add_argument("--accept", help="the media type of the answer")
    parser.add_argument("--target-variant", metavar="NAME", help="the variant that answers")
    parser.add_argument("--target-model", metavar="FILE", help="the model, of an endpoint that has several")
    parser.add_argument("--target-container", metavar="NAME", help="the container, in direct mode")
    parser.add_argument("--inference-id", metavar="ID", help="kept with captured data")
    parser.add_argument("--custom-attributes", metavar="TEXT", help="passed to the container")
    parser.add_argument("--headers", action="store_true", help="print the headers of the answer, to stderr")
    return _run(parser, _invoke)


def _invoke(home: Home, chosen: Namespace) -> int:
    running = home.running()
    if running is None:
        return _say_that_none_runs(home)
    from mlberth_local.daemon.invocation import request_of, send

    answer = send(running, request_of(vars(chosen), sys.stdin.buffer))
    if chosen.headers:
        say("\n".join(f"{name}: {value}" for name, value in answer.headers))
    sys.stdout.buffer.write(answer.body)
    sys.stdout.buffer.flush()
    return 0


def gc() -> int:
    """Remove what ended jobs have left: containers, processes, folders."""
    return _run(_parser("gc", gc.__doc__, "It also happens whenever the platform starts."), _gc)


def _gc(home: Home, _: Namespace) -> int:
    running = home.running()
    if running is None:
        return _say_that_none_runs(home)
    from mlberth_local.daemon import api_client

    removed = api_client.collect_garbage(running)
    show("\n".join(["removed:", *removed]) if removed else "nothing is left over")
    return 0


def render() -> int:
    """Write what runs a request of the platform on another engine: Kubernetes' manifests, a batch script."""
    from mlberth_local.render.engines import ENGINES

    parser = _plain_parser("render", render.__doc__, _RENDER_HELP)
    parser.add_argument("engine", choices=sorted(ENGINES), help="that is to run it")
    parser.add_argument("files", metavar="FILE.json", nargs="+", help="with requests; - for stdin")
    return _guarded(parser, _render)


def _render(chosen: Namespace) -> int:
    from mlberth_local.render.engines import ENGINES
    from mlberth_local.render.request_files import read_requests

    def read(file: str) -> str:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")

    rendered = ENGINES[chosen.engine](read_requests(chosen.files, read))
    for note in rendered.notes:
        say(f"mlberth render: {note}")
    show(rendered.text.rstrip("\n"))
    return 0


_UP_HELP = """\
One daemon runs on a home, by default ~/.mlberth or MLBERTH_HOME. A second `up` says where it is.
Buckets are the folders HOME/s3/BUCKET, logs are in HOME/logs, and HOME/images.json says which local
image is run for the name of one in a registry.

Exit codes: 0 stopped, or in the background, or it runs already; 98 the port is taken; 70 it did not start."""
_DOWN_HELP = "Also removes ~/.aws/models/endpoints.json if `mlberth env` has written it."
_ENV_HELP = """\
Use it as: eval "$(mlberth env)"

Also writes ~/.aws/models/endpoints.json, unless there is one: the SageMaker SDKs ask STS at an address
that they take from there. `mlberth down` removes it."""
_RENDER_HELP = """\
A file has the parameters of CreateTrainingJob or CreateProcessingJob as `aws … --cli-input-json` takes them,
or those of CreateModel and CreateEndpointConfig (two files, or one with both by their names). What cannot be
carried over is said line by line on stderr, and in comments at the top of what is written to stdout.

Exit codes: 0 rendered; 78 a request is not what the service takes, or cannot be rendered."""
_STATUS_HELP = "Exit codes: 0 it runs; 3 it does not; 70 there is no such endpoint."
_INVOKE_HELP = """\
echo 5.1,3.5,1.4,0.2 | mlberth invoke my-endpoint
mlberth invoke my-endpoint --body rows.json --accept application/json --target-variant b

Exit codes: 0 answered; 3 the platform does not run; 70 an error; stderr has the service's words."""


def _parser(name: str, summary: str | None, text: str | None) -> ArgumentParser:
    parser = _plain_parser(name, summary, text)
    parser.add_argument(
        "--home", metavar="DIR", help="the folder of the platform (MLBERTH_HOME, or ~/.mlberth)"
    )
    return parser


def _plain_parser(name: str, summary: str | None, text: str | None) -> ArgumentParser:
    parser = ArgumentParser(
        f"mlberth {name}", description=summary, epilog=text, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument(*VERSION, action="version", version=f"mlberth {__version__}")
    return parser


def _run(parser: ArgumentParser, command: Callable[[Home, Namespace], int]) -> int:
    """Read the arguments, and run a command on a home."""
    return _guarded(parser, lambda chosen: command(Home.of(os.environ, chosen.home), chosen))


def _guarded(parser: ArgumentParser, command: Callable[[Namespace], int]) -> int:
    """Read the arguments, and run a command; its errors are lines, and no traceback."""
    chosen = parser.parse_args(sys.argv[1:])
    try:
        return command(chosen)
    except MlberthError as error:
        failure = error
    except ImportError as error:
        missing = Fault(
            f"package {error.name}", "it is not installed", "", 'Run: pip install "mlberth[local]"'
        )
        failure = DependencyError(missing)
    say(f"{parser.prog}: {failure}")
    return failure.exit_code


COMMANDS = {
    one.__name__: one for one in (up, down, env, status, ps, logs, stop, interrupt, invoke, gc, render)
}


def main() -> int:
    """Run `python -m mlberth_local COMMAND`."""
    name = sys.argv.pop(1)
    return COMMANDS[name]()


if __name__ == "__main__":
    sys.exit(main())

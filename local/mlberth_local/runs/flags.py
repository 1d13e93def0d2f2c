"""The flags of `mlberth run train|process|transform`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path

from mlberth import __version__
from mlberth.command_line import VERSION
from mlberth_local.daemon.home import ENGINES
from mlberth_local.runs import processing, training, transform
from mlberth_local.runs.plan import FLAVOURS

KINDS = {"train": training, "process": processing, "transform": transform}
_SUMMARIES = {
    "train": "Train on the platform: a project's program, an image's own, or an algorithm without code.",
    "process": "Run a processing job on the platform: a project's program, or an image's own.",
    "transform": "Predict for all records of some files on the platform, with a model.",
}
_FOLDERS = {
    "train": "the project; none for an algorithm, or an image that has its code",
    "process": "the project; none for an image that has its code",
    "transform": "code of the handler (inference.py), if the model has none",
}
_EPILOG = """\
The job runs on the daemon of the home; if none runs, on one that ends with the job. On a terminal the
status is drawn below the program's lines, in a pipe each change is a line of standard error.
Ctrl-C stops the job, with time to save; a second one leaves at once.

Exit codes: 0 completed; the program's own, else 1, if it failed; 130 stopped; 70 the platform's fault;
78 a flag is not what it should be."""


def parser_of(kind: str) -> ArgumentParser:
    """Return the parser of a kind of job: `train`, `process` or `transform`."""
    parser = ArgumentParser(
        f"mlberth run {kind}",
        description=_SUMMARIES[kind],
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(*VERSION, action="version", version=f"mlberth {__version__}")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=_folder, help=_FOLDERS[kind])
    flavours = ", ".join(FLAVOURS)
    parser.add_argument(
        "--image", default=FLAVOURS[0], help=f"{flavours}, or an image's name ({FLAVOURS[0]})"
    )
    KINDS[kind].add_flags(parser)
    parser.add_argument("--name", help="of the job (made from FOLDER and the time)")
    parser.add_argument("--instances", type=_positive, default=1, metavar="N", help="hosts of the job (1)")
    parser.add_argument("--instance-type", metavar="TYPE", help="see MLBERTH_INSTANCE_LIMITS")
    parser.add_argument(
        "--environment", metavar="NAME=VALUE", nargs="+", action="extend", default=[], help="of the program"
    )
    parser.add_argument("--isolated", action="store_true", help="without a network")
    if kind != "transform":
        parser.add_argument("--max-seconds", type=_positive, metavar="N", help="stop it then (86400)")
    parser.add_argument(
        "--home", metavar="DIR", help="the folder of the platform (MLBERTH_HOME, or ~/.mlberth)"
    )
    parser.add_argument("--engine", choices=ENGINES, help="what runs the job (the daemon's; docker)")
    parser.add_argument("--detach", "-d", action="store_true", help="start the job, and wait for nothing")
    parser.add_argument("--json", action="store_true", help="print the job's description; lines go to stderr")
    parser.add_argument("--explain", action="store_true", help="print the requests, and send nothing")
    return parser


def _folder(text: str) -> str:
    if not Path(text).is_dir():
        raise ArgumentTypeError(f"{text!r} is no folder; expected the one of the program")
    return text


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


_positive.__name__ = "positive number"

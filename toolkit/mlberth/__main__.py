"""The `mlberth` command: finds its sub-commands among the entry points of installed packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mlberth.command_line import HELP, USAGE_ERROR, answer, show
from mlberth.log_escapes import indented
from mlberth.log_outlet import say
from mlberth.process.signals import end_on_stop

GROUP, RUNS = "mlberth.commands", "mlberth.runs"
RUN_USAGE = """\
usage: mlberth run COMMAND [ARGUMENT…]
       mlberth run train|process|transform FOLDER [FLAG…]

Run a command with the duties of a container's first process: signals are passed on, orphans are
collected, and the exit code is the command's own. `train`, `serve` and `process` are ours, unless
another program of that name stands first on PATH.

With a folder, or a flag such as --image, after it, `train` or `process` is a job of the platform on this
machine (extra `local`), and so is `transform` always: `mlberth run train FOLDER --help` shows more.

Exit codes: the command's own; 126 it cannot be run; 127 there is no such command."""
_OURS = ("train", "serve", "process")
_NOT_INSTALLED = 69
_ON_THE_PLATFORM = ("transform",)
_FLAGS_OF_THE_PLATFORM = ("--engine", "--home", "--image", "--input", "--json", "--name")
"""Those that may come first if there is no folder; the command itself has none of them."""
_READ_BY_OURS_ALONE = {
    "serve": ("SAGEMAKER_SERVING_MODULE", "SAGEMAKER_SERVICE_MODULE"),
    "train": ("SAGEMAKER_TRAINING_MODULE",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mlberth COMMAND [ARGUMENT…]`; returns the command's exit code."""
    if os.getpid() == 1:
        end_on_stop()
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = find_commands(sys.path)
    if not arguments or arguments[0] in HELP:
        show(_help(commands))
        return 0 if arguments else USAGE_ERROR
    if answer(arguments[:1], ""):
        return 0
    name, *rest = arguments
    if name not in commands:
        say(f"mlberth: no such command: {name!r}; expected one of {', '.join(sorted(commands))}.")
        return USAGE_ERROR
    sys.argv = [f"mlberth {name}", *rest]
    return int(_load(commands[name])() or 0)


def find_commands(path: Iterable[str], group: str = GROUP) -> dict[str, str]:
    """Return `module:function` of each sub-command that a package installed on the path declares.

    Not with `importlib.metadata`, which takes longer to import than a command to start.
    """
    found: dict[str, str] = {}
    for folder in path:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - names alone, and no pathlib yet
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                for command, target in _entry_points(f"{folder}/{name}/entry_points.txt", group):
                    found.setdefault(command, target)
    return found


def _entry_points(file: str, wanted: str) -> Iterator[tuple[str, str]]:
    """Yield name and target of the entry points of a group in a file of a package's metadata."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:  # noqa: PTH123 - as above
            lines = opened.read().splitlines()
    except OSError:
        return
    group = ""
    for line in lines:
        if line.startswith("["):
            group = line.strip("[] ")
        elif group == wanted and "=" in line:
            name, _, target = line.partition("=")
            yield name.strip(), target.strip()


def _load(target: str) -> Callable[[], int | None]:
    import importlib

    module, _, function = target.partition(":")
    found: Callable[[], int | None] = getattr(importlib.import_module(module), function)
    return found


def run() -> int:
    """Run a command with the duties of PID 1: `train`, `serve`, `process`, or any other program."""
    from mlberth.process.pid1 import CommandError, run_program

    arguments = sys.argv[1:]
    if not arguments:
        say(RUN_USAGE)
        return USAGE_ERROR
    if answer(arguments[:1], RUN_USAGE):
        return 0
    if arguments[0] in _ON_THE_PLATFORM:
        return _run_on_platform(arguments)
    own = _own_command(arguments[0]) if arguments[0] in _OURS else arguments[:1]
    if own is None:
        return _run_on_platform(arguments) if _is_for_platform(arguments) else main(arguments)
    _tell_what_is_replaced(arguments[0], own, os.environ)
    try:
        return run_program([*own, *arguments[1:]], _with_compat(arguments[0], os.environ))
    except CommandError as error:
        say(indented(str(error)))
        return error.exit_code


def fetch() -> int:
    """Copy objects or files from S3, HTTP or a path into a folder."""
    return _transfer("fetch")


def push() -> int:
    """Copy a folder to S3, HTTP or a path, also after a command that fills it."""
    return _transfer("push")


def _transfer(name: str) -> int:
    from mlberth.errors import MlberthError
    from mlberth.transfer import commands

    try:
        return {"fetch": commands.fetch, "push": commands.push}[name](sys.argv[1:], os.environ)
    except MlberthError as error:
        say(indented(f"mlberth {name}: {error}"))
        return error.exit_code


def _is_for_platform(arguments: Sequence[str]) -> bool:
    """Return whether `train` or `process` is meant as a job of the platform, and not as the command."""
    if arguments[0] not in ("train", "process") or len(arguments) == 1:
        return False
    first = arguments[1].partition("=")[0]
    if first in _FLAGS_OF_THE_PLATFORM or os.path.isdir(arguments[1]):  # noqa: PTH112 - no pathlib yet
        return True
    # `train` itself takes no word: it is a folder that is not there, if the platform can say so.
    is_word = arguments[0] == "train" and not first.startswith("-")
    return is_word and arguments[0] in find_commands(sys.path, RUNS)


def _run_on_platform(arguments: Sequence[str]) -> int:
    name, *rest = arguments
    found = find_commands(sys.path, RUNS).get(name)
    if found is None:
        say(f'mlberth run {name}: the platform is not installed. Run: pip install "mlberth[local]"')
        return _NOT_INSTALLED
    sys.argv = [f"mlberth run {name}", *rest]
    return int(_load(found)() or 0)


def _own_command(name: str) -> list[str] | None:
    """Return the words that run a `train` of the image's own, if one is before ours on PATH.

    Then that one is meant, as it is without us; also if it is a script without the right to execute.
    """
    from mlberth.process.scripts import runnable

    ours = os.path.join(os.path.dirname(sys.executable), name)  # noqa: PTH118, PTH120
    for folder in os.get_exec_path():
        file = os.path.join(folder, name)  # noqa: PTH118
        if file == ours:
            return None
        if not os.path.isfile(file):  # noqa: PTH113
            continue
        words = runnable(file)
        if words and not os.access(file, os.X_OK):
            say(f"mlberth run: {file} has no right to execute; it is run by {words[0]}. Run: chmod +x {file}")
        if words or os.access(file, os.X_OK):
            return words or [name]
        say(f"mlberth run: {file} has no right to execute and no #! line; it is passed over.")
    return None


def _tell_what_is_replaced(command: str, own: Sequence[str], environ: Mapping[str, str]) -> None:
    """Warn of variables that only our command reads, if a program of the image's own runs in its place."""
    names = [name for name in _READ_BY_OURS_ALONE.get(command, ()) if environ.get(name, "").strip()]
    if not names:
        return
    import logging

    from mlberth import logs
    from mlberth.process.pid1 import find

    logs.configure(logging.WARNING, form="json" if environ.get("SAGEMAKER_LOG_FORMAT") == "json" else "text")
    text = (
        "%s is first on PATH and runs in place of our %s, which alone reads %s: remove the one or the other"
    )
    found = find(own[-1], os.get_exec_path(environ))
    logging.getLogger("mlberth").warning(text, found, command, ", ".join(names))


def _with_compat(command: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Give a `train` or `serve` of the image's own the compatibility packages that are not installed."""
    if os.path.basename(command) not in _OURS:  # noqa: PTH119 - no pathlib yet
        return environ
    from mlberth.compat import missing_packages_path

    path = [*filter(None, [environ.get("PYTHONPATH")]), *missing_packages_path()]
    return {**environ, "PYTHONPATH": ":".join(path)} if path else environ


def _help(commands: Mapping[str, str]) -> str:
    lines = [f"  {name:<10} {_summary(commands[name])}" for name in sorted(commands)]
    return "\n".join(
        ["usage: mlberth COMMAND [ARGUMENT…]", "", *lines, "", "mlberth COMMAND --help shows more."]
    )


def _summary(command: str) -> str:
    """Return the first sentence of the command's docstring."""
    return (_load(command).__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())

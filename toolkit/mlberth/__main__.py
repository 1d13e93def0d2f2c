"""The `mlberth` command: finds its sub-commands among the installed entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from mlberth import __version__
from mlberth.signals import end_on_stop
from mlberth.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "mlberth.commands"
_USAGE_ERROR = 2
_OURS = ("train", "serve", "process")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mlberth COMMAND [ARGUMENT…]`; returns the command's exit code."""
    if os.getpid() == 1:
        end_on_stop()
    from importlib.metadata import entry_points  # slow to import: after the signal handlers  # noqa: PLC0415

    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {point.name: point for point in entry_points(group=GROUP)}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(commands))
        return 0 if arguments else _USAGE_ERROR
    if arguments[0] in ("-V", "--version"):
        print(f"mlberth {__version__}")
        return 0
    name, *rest = arguments
    if name not in commands:
        print(
            f"mlberth: found the command {name!r}; expected one of {', '.join(sorted(commands))}.",
            file=sys.stderr,
        )
        return _USAGE_ERROR
    sys.argv = [f"mlberth {name}", *rest]
    return int(commands[name].load()() or 0)


def run() -> int:
    """Run a command with the duties of PID 1: `train`, `serve`, `process`, or any other program."""
    from mlberth.run import CommandError, find, run_program  # noqa: PLC0415

    arguments = sys.argv[1:]
    if not arguments:
        print("usage: mlberth run COMMAND [ARGUMENT…]", file=sys.stderr)
        return _USAGE_ERROR
    # An image may bring a `train` of its own on PATH: then that one is meant, as it is without us.
    ours = os.path.join(os.path.dirname(sys.executable), arguments[0])  # noqa: PTH118, PTH120
    if arguments[0] in _OURS and find(arguments[0], os.get_exec_path()) in (ours, None):
        return main(arguments)
    try:
        return run_program(arguments, os.environ)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _help(commands: Mapping[str, EntryPoint]) -> str:
    lines = [f"  {name:<10} {_summary(commands[name])}" for name in sorted(commands)]
    return "\n".join(
        ["usage: mlberth COMMAND [ARGUMENT…]", "", *lines, "", "mlberth COMMAND --help tells more."]
    )


def _summary(command: EntryPoint) -> str:
    """Return the first sentence of what the command says of itself."""
    return (command.load().__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())

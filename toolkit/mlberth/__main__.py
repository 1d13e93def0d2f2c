"""The `mlberth` command: finds its sub-commands among the installed entry points."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from mlberth import __version__

GROUP = "mlberth.commands"
_USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mlberth COMMAND [ARGUMENT…]`; returns the command's exit code."""
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

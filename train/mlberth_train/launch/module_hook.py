"""Calls a framework's own training loop in the child.

As `python -m mlberth_train.launch.module_hook package.module:function`.
"""

from __future__ import annotations

import importlib
import sys


def main(spec: str) -> None:
    """Import the module and call the function without arguments."""
    module, _, function = spec.partition(":")
    getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    main(sys.argv.pop())

"""SAGEMAKER_SAFE_MODELS_ONLY: no way leads from the model's folders into a process of ours.

Model files are refused where they are loaded, and handlers where they are looked for. Here are the ways
that whoever starts the container may have laid by accident: a search path of Python's or of the system's
loader that leads into a folder of the model's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mlberth.contract.layout import Layout
from mlberth.errors import ContractError, Fault
from mlberth.paths import real
from mlberth_serve.variables import Variables

# Variables that name what programs load: Python, the system's loader, OpenSSL (its engines), and PATH, on
# which nginx is looked for.
_LOADING = ("PYTHON", "LD_", "OPENSSL_")
_ALSO_LOADING = frozenset({"PATH", "GCONV_PATH", Variables.nginx_conf.name})
_EXPECTED = f"no path into the model's folders, with {Variables.safe_models_only.name}=true"


def code_of_models(layout: Layout) -> list[Path]:
    """Return the folders that come with a model, and in which handlers are looked for."""
    return [layout.model, layout.models, layout.code]


def lies_in(path: str | Path, folders: Iterable[Path]) -> bool:
    """Return whether a path is one of some folders, or below one, links followed."""
    place = real(Path(path).absolute())
    return any(place.is_relative_to(real(folder.absolute())) for folder in folders)


def loading_faults(environ: Mapping[str, str], layout: Layout) -> Iterator[Fault]:
    """Yield a fault for each variable that has programs load code from a folder of the model's."""
    folders = code_of_models(layout)
    for name, value in environ.items():
        if name.startswith(_LOADING) or name in _ALSO_LOADING:
            parts = value.replace(" ", ":").split(":") if name == "LD_PRELOAD" else value.split(":")
            if found := next((part for part in parts if part and lies_in(part, folders)), None):
                yield Fault(name, repr(found), _EXPECTED)


def check_path(layout: Layout, path: Sequence[str] | None = None) -> None:
    """Raise ContractError if this process would import modules from a folder of the model's.

    A variable is not all that can bring one there: the folder that Python was started in, a .pth file
    among installed packages, and the user's own packages below HOME do too.
    """
    folders = code_of_models(layout)
    entries = sys.path if path is None else path
    faults = [Fault("sys.path", repr(entry), _EXPECTED) for entry in entries if lies_in(entry, folders)]
    if faults:
        raise ContractError(*faults)

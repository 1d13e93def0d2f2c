"""A model's name and folder, as a request gives them: checked before anything is looked for on the disk."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlberth_serve.control.models.errors import ModelsError
from mlberth_serve.shared.model_names import MAX_NAME, NAME

_NAME = re.compile(NAME)
_MAX_SHOWN = 200
_SYSTEM = ("/dev", "/proc", "/sys")


def check_name(name: object) -> str:
    """Return a model's name; raises ModelsError for one that is not taken."""
    if name is None or name == "":
        raise ModelsError(400, "Parameter model_name is required.")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        expected = f"1 to {MAX_NAME} of A-Z a-z 0-9 . _ -, the first of them no dot"
        raise ModelsError(400, f"Parameter model_name is not a name that is taken; expected {expected}.")
    return name


def is_name(name: str) -> bool:
    """Return whether a model can have this name."""
    return _NAME.fullmatch(name) is not None


def find_folder(url: object, root: Path) -> Path:
    """Return the folder of a model, links followed; raises ModelsError if it is none below the models' root.

    A relative path is one below the root.
    """
    if url is None or url == "":
        raise ModelsError(400, "Parameter url is required.")
    if not isinstance(url, str) or not url.isprintable():
        raise ModelsError(400, "Parameter url is no path; expected the path of a folder.")
    if ".." in Path(url).parts:
        raise ModelsError(404, f"Relative path is not allowed in url: {url[:_MAX_SHOWN]}")
    if any(Path(url).is_relative_to(folder) for folder in _SYSTEM):
        raise ModelsError(400, "Parameter url is a path of the system's; expected a folder of models.")
    try:
        top = Path(os.path.realpath(root))
        path = Path(os.path.realpath(top / url if not Path(url).is_absolute() else url))
        exists = path.is_dir()
    except (OSError, ValueError):  # a path that is too long, a link to itself
        raise ModelsError(404, f"Model not found in model store: {url[:_MAX_SHOWN]}") from None
    if path == top or not path.is_relative_to(top):
        action = "expected the path of a folder below the models' own"
        raise ModelsError(400, f"Parameter url leads out of the folder of models; {action}.")
    if not exists:
        raise ModelsError(404, f"Model not found in model store: {url[:_MAX_SHOWN]}")
    return path

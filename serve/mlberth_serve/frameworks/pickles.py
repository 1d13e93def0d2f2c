"""Pickles: told by what they hold, loaded with one thread, and their errors explained.

They run code of their own; who may write the model folder is trusted, since its inference.py runs anyway.
"""

from __future__ import annotations

import bz2
import logging
import lzma
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.frameworks.base import has_base, refuse_model
from mlberth_serve.usercode.pickle_errors import explain

log = logging.getLogger(__name__)

_HEAD = 4096
_PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_FORMATS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    (b"x", zlib.decompressobj),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lzma.LZMADecompressor),
    (b"\x5d\x00\x00", lzma.LZMADecompressor),
)
"""How joblib compresses, and what each begins with."""


def is_pickle(path: Path) -> bool:
    """Tell a pickle of protocol 2 or later by its first bytes."""
    with path.open("rb") as file:
        return file.read(2) in _PROTOCOLS


def holds_pickle(path: Path) -> bool:
    """Tell a pickle by its first bytes, one that joblib compressed too."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for magic, decompressor in _FORMATS:
        if head.startswith(magic):
            try:
                head = decompressor().decompress(head, len(_PROTOCOLS[0]))  # and not all that it may hold
            except (OSError, zlib.error, lzma.LZMAError, EOFError):
                return False
            break
    return head.startswith(_PROTOCOLS)


def load_pickle(path: Path) -> Any:
    """Load what joblib or pickle saved, set to one thread: there is a worker for each CPU."""
    try:
        from joblib import load
    except ImportError:
        load = _load_plain
    try:
        model = load(path)
    except Exception as error:
        if explained := explain(error):
            raise ModelLoadError(Fault(path.name, *explained)) from error
        message = f"{type(error).__name__}: {error}"
        refuse_model(path, message, "a model that joblib.dump or pickle.dump wrote, whole")
    return set_one_thread(model)


def _load_plain(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301


def set_one_thread(model: Any) -> Any:
    """Return a model, ready to predict with one thread."""
    if has_base(model, "xgboost.core.Booster"):
        model.set_param({"nthread": 1})
    elif has_base(model, "torch.nn.modules.module.Module"):
        model.eval()
    elif hasattr(model, "get_params") and hasattr(model, "set_params"):
        threads = [name for name in model.get_params() if name == "n_jobs" or name.endswith("__n_jobs")]
        model.set_params(**dict.fromkeys(threads, 1))
    return model

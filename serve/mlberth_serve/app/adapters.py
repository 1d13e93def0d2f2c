"""Adapters: what a handler's `load_adapter_fn` has loaded beside the model, each by a name.

Source: the platform's contract for adapters of inference components; bodies and words are those of its
model-hosting-container-standards. Which adapters there are is in files of the run, one for each, so that all
workers know them; a worker loads an adapter when the first request there names it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.handler_errors import to_http_error
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.shared.model_names import MAX_NAME, NAME
from mlberth_serve.shared.run_directory import write_private
from mlberth_serve.usercode.signatures import Function

MAX_BODY = 64 * 1024
_NAME = re.compile(NAME)
_MAX_PAGE = 100

log = logging.getLogger(__name__)

MakeContext = Callable[[], Context]


@dataclass(frozen=True)
class Adapter:
    """What a client has registered."""

    name: str
    src: str
    """A file or folder, as the client has written it."""
    preload: bool = True
    """Whether it is loaded at once, by the worker that registers it, or with the first request."""
    pin: bool = False
    """Whether it must stay in memory, as every adapter does here until it is unregistered."""


class _Loaded(NamedTuple):
    version: str
    value: Any


class Adapters:
    """The adapters of a model, as one worker sees them."""

    def __init__(self, handler: Handler, base: Path) -> None:
        """Serve a handler that has a `load_adapter_fn`; sources lie below `base`."""
        assert handler.load_adapter_fn is not None
        self._load_fn: Function = handler.load_adapter_fn
        self._handler, self._base = handler, base
        self._folder: Path | None = None
        self._loaded: dict[str, _Loaded] = {}

    def start(self, folder: Path) -> None:
        """Keep the list below a folder, which all workers of the run share; raises OSError."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder

    def register(self, fields: Mapping[str, Any], context: MakeContext) -> None:
        """Add an adapter; raises RequestError."""
        adapter = _read(fields)
        if self._path(adapter.name).exists():
            raise _conflict(adapter.name)
        self._keep(adapter, context, replace=False)

    def update(self, name: str, fields: Mapping[str, Any], context: MakeContext) -> None:
        """Put another in the place of an adapter; raises RequestError."""
        old = self._registered(name)[0]
        adapter = _read({"src": old.src, "preload": old.preload, "pin": old.pin, **fields, "name": name})
        self._keep(adapter, context, replace=True)

    def unregister(self, name: str, context: MakeContext) -> None:
        """Remove an adapter; raises RequestError.

        What another worker has loaded of it ends with that worker's next request that names an adapter.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise not_found(name) from None
        self._prune(context)

    def show(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the adapters, by name; raises BadRequestError."""
        limit, start = _number(query, "limit", _MAX_PAGE), _number(query, "next_page_token", 0)
        if not 1 <= limit <= _MAX_PAGE:
            raise BadRequestError(f"limit is out of range; expected 1 to {_MAX_PAGE}.")
        names = self._names()
        page = names[start : start + limit]
        more = {"nextPageToken": str(start + limit)} if start + limit < len(names) else {}
        return {**more, "adapters": [asdict(self._registered(name)[0]) for name in page]}

    def find(self, name: str, context: MakeContext) -> Any:
        """Return what has been loaded for an adapter, in this worker; raises RequestError."""
        adapter, version = self._registered(name)
        self._prune(context)
        loaded = self._loaded.get(name)
        if not loaded or loaded.version != version:
            self._unload(name, context)
            loaded = self._loaded[name] = _Loaded(version, self._load(adapter, context))
        return loaded.value

    def _keep(self, adapter: Adapter, context: MakeContext, *, replace: bool) -> None:
        path = self._path(adapter.name)
        self._find_source(adapter.src)
        value = self._load(adapter, context) if adapter.preload else None
        text = json.dumps({**asdict(adapter), "version": os.urandom(8).hex()})
        staged = path.with_name(f".{adapter.name}.{os.getpid()}")
        staged.unlink(missing_ok=True)
        write_private(staged, text)
        try:
            if replace:
                staged.replace(path)
            else:
                path.hardlink_to(staged)  # whole, and only if no other worker was faster
                staged.unlink()
        except FileExistsError:
            staged.unlink()
            raise _conflict(adapter.name) from None
        self._unload(adapter.name, context)
        if adapter.preload:
            self._loaded[adapter.name] = _Loaded(json.loads(text)["version"], value)

    def _load(self, adapter: Adapter, context: MakeContext) -> Any:
        path = self._find_source(adapter.src)
        return _call(
            "load_adapter_fn", self._load_fn, adapter.name, str(path), self._handler.model, context()
        )

    def _unload(self, name: str, context: MakeContext) -> None:
        """Let go of what this worker has loaded; a function that fails there can tell only the log."""
        loaded = self._loaded.pop(name, None)
        if loaded and self._handler.unload_adapter_fn:
            try:
                self._handler.unload_adapter_fn(name, loaded.value, self._handler.model, context())
            except BaseException:
                log.exception("unload_adapter_fn failed for %s", name)

    def _prune(self, context: MakeContext) -> None:
        for name in self._loaded.keys() - set(self._names()):
            self._unload(name, context)

    def _find_source(self, src: str) -> Path:
        """Return a source, links followed; raises RequestError if it is none below the base folder."""
        base = Path(os.path.realpath(self._base))
        missing = RequestError(404, "not_found", "There is nothing at src.")
        try:
            path = Path(os.path.realpath(base / src))
        except (OSError, ValueError):  # a path that is too long, or holds a zero
            raise missing from None
        # First, so that nobody is told what there is elsewhere.
        if ".." in Path(src).parts or path == base or not path.is_relative_to(base):
            raise BadRequestError("src leads out of the folder of this server's data (SAGEMAKER_BASE_DIR).")
        try:
            path.lstat()
        except OSError:
            raise missing from None
        return path

    def _registered(self, name: str) -> tuple[Adapter, str]:
        try:
            fields = json.loads(self._path(name).read_bytes())
        except FileNotFoundError:
            raise not_found(name) from None
        return Adapter(fields["name"], fields["src"], fields["preload"], fields["pin"]), fields["version"]

    def _names(self) -> list[str]:
        assert self._folder is not None
        return sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        if not _NAME.fullmatch(name):
            raise not_found(name)
        return self._folder / name


def not_found(name: str) -> RequestError:
    """Return the error of a request that names an adapter that nobody has registered."""
    shown = name if _NAME.fullmatch(name) else "of this name"
    return RequestError(404, "adapter_not_found", f"The adapter {shown} was not found")


def _conflict(name: str) -> RequestError:
    return RequestError(409, "adapter_exists", f"The adapter {name} is already registered")


def _call(name: str, function: Function, *arguments: object) -> Any:
    try:
        return function(*arguments)
    except RequestError:
        raise
    except BaseException as error:
        raise to_http_error(error, name) from error


def _read(fields: Mapping[str, Any]) -> Adapter:
    """Return an adapter as a request has it; raises BadRequestError that names every fault."""
    faults = [
        f"{name}: expected {expected}"
        for name, expected, fits in (
            ("name", f"1 to {MAX_NAME} of A-Z a-z 0-9 . _ -, the first of them no dot", _is_name),
            ("src", "the path of a file or folder", lambda value: isinstance(value, str) and value != ""),
            ("preload", "true or false", lambda value: isinstance(value, bool)),
            ("pin", "true or false", lambda value: isinstance(value, bool)),
        )
        if not fits(fields.get(name, True if name in ("preload", "pin") else None))
    ]
    if faults:
        raise BadRequestError("; ".join(faults) + ".")
    return Adapter(fields["name"], fields["src"], fields.get("preload", True), fields.get("pin", False))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequestError(f"{name} is no number.")
    return int(text) if text else default

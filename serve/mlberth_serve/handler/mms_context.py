"""The methods that handlers for the multi-model-server and TorchServe call on their context.

Source: `mms/context.py` and `ts/context.py`. Those servers hand over requests in batches, and name one by
its place `idx`; here there is one request at a time, and any `idx` means it.
"""

from __future__ import annotations

# ruff: noqa: ARG002, D102 - the signatures are the peers' and Context's
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlberth
from mlberth.contract.json_files import read_object

if TYPE_CHECKING:
    from mlberth_serve.handler.placement import Placement

SERVER_NAME = "mlberth"


class ModelServerContext:
    """What Context has beside its own methods, so that such handlers run unchanged."""

    __slots__ = ()

    if TYPE_CHECKING:  # what Context itself has
        placement: Placement
        request_id: str
        response_content_type: str

        @property
        def headers(self) -> Mapping[str, str]: ...
        def set_response_header(self, name: str, value: str, /) -> None: ...
        def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None: ...
        def set_response_content_type(self, idx: int, value: str) -> None: ...

    @property
    def model_name(self) -> str:
        """The name of the one model."""
        return MODEL_NAME

    @property
    def manifest(self) -> dict[str, Any]:
        """What a model archive says of itself, or what can be said of a model folder."""
        return read_manifest(self.placement.model_dir)

    @property
    def system_properties(self) -> dict[str, Any]:
        """The `model_dir`, `gpu_id` (None on the CPU), `batch_size`, and the server's name and version."""
        return {
            "model_dir": self.placement.model_dir,
            "gpu_id": self.placement.gpu,
            "batch_size": 1,
            "server_name": SERVER_NAME,
            "server_version": mlberth.__version__,
        }

    @property
    def request_processor(self) -> list[RequestProcessor]:
        """The one request of the batch."""
        return [RequestProcessor(self)]

    def get_request_id(self, idx: int = 0) -> str:
        """Return the request's id."""
        return self.request_id

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of the request, None if it is not there."""
        return self.headers.get(key)

    def get_all_request_header(self, idx: int) -> Mapping[str, str]:
        """Return the request's headers."""
        return self.headers

    def get_response_content_type(self, idx: int = 0) -> str | None:
        """Return what `set_response_content_type` set."""
        return self.response_content_type or None

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Answer with another status than 200."""
        self.set_response_status(code, phrase)


class RequestProcessor:
    """One request of a batch, as those servers show it."""

    def __init__(self, context: ModelServerContext) -> None:
        self._context = context

    def get_request_properties(self) -> Mapping[str, str]:
        """Return the request's headers, found in any case."""
        return self._context.headers

    def get_request_property(self, key: str) -> str | None:
        """Return a header of the request, None if it is not there."""
        return self._context.headers.get(key)

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Answer with another status than 200."""
        self._context.set_response_status(code, reason_phrase or "")

    def add_response_property(self, key: str, value: str) -> None:
        """Add a header to the answer."""
        if key.lower() == "content-type":
            self._context.set_response_content_type(0, value)
        else:
            self._context.set_response_header(key, value)


MODEL_NAME = "model"
_FILE = Path("MAR-INF/MANIFEST.json")


def read_manifest(model_dir: str) -> dict[str, Any]:
    """Return the manifest of an unpacked archive; else one that names the folder's one visible file.

    Raises ContractError for a manifest that cannot be read.
    """
    folder = Path(model_dir)
    if (folder / _FILE).is_file():
        return read_object(folder / _FILE)
    model = {"modelName": MODEL_NAME}
    paths = folder.iterdir() if model_dir and folder.is_dir() else ()
    files = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    if len(files) == 1:
        model["serializedFile"] = files[0].name
    return {"model": model}

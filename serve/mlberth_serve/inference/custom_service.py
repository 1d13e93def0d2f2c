"""The custom services of multi-model-server and TorchServe, instead of a handler's functions."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.codecs import CODECS
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks.base import has_base
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.form import FORMS, Field, read_form, read_query
from mlberth_serve.media_types import JSON
from mlberth_serve.usercode.signatures import Function

_ENTRY = "handle"
_BODY = "body"
# It decodes bodies itself, and asks its model server to leave them alone.
_DECODES = "sagemaker_inference.default_handler_service.DefaultHandlerService"


# A module has `handle(data, context)`, called once with no data to load the model, or one class with
# `initialize(context)` and `handle(data, context)`. `data` is a batch of requests, each a map with the
# body, or with the fields of a form; the result is a list of as many. Here a batch has one.
def find_service(module: ModuleType, *, decodes: bool = True) -> Mapping[str, Function]:
    """Return `model_fn` and `transform_fn` around a module's service; nothing if there is none.

    With `decodes` it gets what JSON holds and text, else bytes alone.

    Raises ModelLoadError if several classes could be meant.
    """
    entry = getattr(module, _ENTRY, None)
    if callable(entry):
        return {"model_fn": _load_entry(entry), "transform_fn": _transformer(decodes=decodes)}
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and hasattr(value, _ENTRY)
    ]
    if len(classes) > 1:
        names = ", ".join(each.__name__ for each in classes)
        expected = f"one such class, or a function {_ENTRY}(data, context)"
        raise ModelLoadError(Fault(module.__name__, f"several classes with {_ENTRY}: {names}", expected))
    if not classes:
        return {}
    return {"model_fn": _load_class(classes[0]), "transform_fn": _transformer(decodes=decodes)}


def _load_entry(entry: Function) -> Function:
    def model_fn(_: str, context: Context) -> Any:
        entry(None, context)
        return entry

    return model_fn


def _load_class(kind: type[Any]) -> Function:
    def model_fn(_: str, context: Context) -> Any:
        service = kind()
        if initialize := getattr(service, "initialize", None):
            initialize(*([context] if inspect.signature(initialize).parameters else []))
        return service.handle

    return model_fn


def _transformer(*, decodes: bool) -> Function:
    def transform(model: Any, data: str | bytes, content_type: str, accept: str, context: Context) -> Any:
        """Answer one request with the service's `handle`."""
        answers = model([_read(model, data, content_type, context, decodes=decodes)], context)
        if not isinstance(answers, list | tuple) or len(answers) != 1:
            found = f"{len(answers)} answers" if isinstance(answers, list | tuple) else type(answers).__name__
            raise TypeError(f"{_ENTRY} returned {found}; expected a list of one answer, for a batch of one")
        (answer,) = answers
        content_type = context.response_content_type
        if isinstance(answer, str | bytes | bytearray):
            return answer, content_type or accept
        return CODECS[JSON].encode(answer), content_type or JSON

    return transform


# Source: InferenceRequestHandler.java and otf_message_handler.py of multi-model-server.
def _read(
    model: Any, data: str | bytes, content_type: str, context: Context, *, decodes: bool
) -> Mapping[str, Any]:
    """Return a request as those servers do: the fields of its query and of a form by name, else `body`."""
    body = data.encode() if isinstance(data, str) else data
    query = read_query(context.query.encode("latin-1"))
    if has_base(getattr(model, "__self__", None), _DECODES):
        return {**{field.name: field.value for field in query}, _BODY: body}
    if context.content_type in FORMS:
        fields = [*query, *read_form(body, content_type)]
    else:
        fields = [*query, Field(_BODY, body, context.content_type)]
    return {field.name: _decode(field) if decodes else field.value for field in fields}


def _decode(field: Field) -> Any:
    """Return what JSON holds, text as str, and all else as bytes."""
    name = field.content_type.partition(";")[0].strip().lower()
    if name == JSON and field.value:
        try:
            return json.loads(field.value)
        except (ValueError, RecursionError) as error:
            raise BadRequestError(
                f"{'The body' if field.name == _BODY else 'A part of the body'} is not JSON."
            ) from error
    return field.value.decode(errors="replace") if name.startswith("text/") else field.value

"""One request after the other, through a user's module and the functions that stand in for what it lacks."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sagemaker_inference import content_types, environment, utils
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.errors import GenericInferenceToolkitError, UnsupportedFormatError

_CHARSET = re.compile(r'\s*charset="?([\w-]+)"?\s*', re.IGNORECASE)
_NAMES = ("pre_model_fn", "model_fn", "model_warmup_fn", "input_fn", "predict_fn", "output_fn")


class Transformer:
    """Loads the model once, and answers with what the functions make of a body; their errors are raised."""

    def __init__(self, default_inference_handler: Any = None) -> None:
        self._default_inference_handler = default_inference_handler or DefaultInferenceHandler()
        self._functions: dict[str, Callable[..., Any] | None] = {}
        self._initialized = False
        self._model: Any = None

    def validate_and_initialize(self, model_dir: str | None = None, context: Any = None) -> None:
        """Find the functions and load the model, unless that is done; raises ValueError for a wrong mix."""
        if self._initialized:
            return
        server = environment.Environment()
        model_dir = model_dir or server.model_dir
        self._functions = self._find(server.module_name)
        if self._functions["pre_model_fn"]:
            self._run("pre_model_fn", context, model_dir)
        self._model = self._run("model_fn", context, model_dir)
        if self._functions["model_warmup_fn"]:
            self._run("model_warmup_fn", context, model_dir, self._model)
        self._initialized = True

    def transform(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[Any]:
        """Return the response to each request of a batch; the type of the last is the batch's."""
        self.validate_and_initialize(context.system_properties.get("model_dir"), context)
        return [self._answer(request.get("body"), context) for request in data]

    def _find(self, module_name: str) -> dict[str, Callable[..., Any] | None]:
        found = importlib.util.find_spec(module_name) is not None
        module = importlib.import_module(module_name) if found else None
        functions = {
            name: getattr(module, name, getattr(self._default_inference_handler, f"default_{name}", None))
            for name in _NAMES
        }
        functions["transform_fn"] = getattr(module, "transform_fn", None)
        steps = [name for name in ("input_fn", "predict_fn", "output_fn") if hasattr(module, name)]
        if functions["transform_fn"] and steps:
            raise ValueError(f"transform_fn together with {', '.join(steps)}; expected one or the others")
        return functions

    def _answer(self, body: Any, context: Any) -> Any:
        properties = context.request_processor[0].get_request_properties()
        content_type = (utils.retrieve_content_type_header(properties) or content_types.JSON).strip()
        accept = context.accept or environment.Environment().default_accept
        body, content_type = _to_text(body, content_type)
        if self._functions["transform_fn"]:
            result = self._run("transform_fn", context, self._model, body, content_type, accept)
        else:
            data = self._run("input_fn", context, body, content_type)
            prediction = self._run("predict_fn", context, data, self._model)
            try:
                result = self._run("output_fn", context, prediction, accept)
            except UnsupportedFormatError as error:
                raise GenericInferenceToolkitError(406, str(error)) from error
        if isinstance(result, tuple):
            result, accept = result
        context.set_response_content_type(0, accept)
        return result

    def _run(self, name: str, context: Any, *arguments: Any) -> Any:
        """Call a function, with the context where it takes one."""
        function = self._functions[name]
        assert function is not None
        parameters = inspect.signature(function).parameters
        if "context" in parameters:
            return function(*arguments, context=context)
        positional = [
            parameter
            for parameter in parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
        ]
        return function(*arguments, *([context] if len(positional) > len(arguments) else []))


def _to_text(body: Any, content_type: str) -> tuple[Any, str]:
    """Return CSV and JSON as text; the type is as it was sent, but for a charset that says how to read it."""
    name, _, parameters = content_type.partition(";")
    if name.strip().lower() not in content_types.UTF8_TYPES or isinstance(body, str):
        return body, content_type
    charset = _CHARSET.fullmatch(parameters)
    return bytes(body).decode(charset[1] if charset else "utf-8"), name.strip() if charset else content_type

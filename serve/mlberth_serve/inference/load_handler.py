"""The handler: the user's functions, and a framework's in the place of those that are not there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve import frameworks
from mlberth_serve.errors import RequestError
from mlberth_serve.handler.batched import batched, is_batched
from mlberth_serve.handler.concurrent import copy_marks
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.custom_service import find_service
from mlberth_serve.profiles import PROFILES
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.importing import import_program, offer_code
from mlberth_serve.usercode.load_errors import UserCodeError, find_cause
from mlberth_serve.usercode.locate import Program, find_program
from mlberth_serve.usercode.signatures import SIGNATURES, BindingError, Function, bind

log = logging.getLogger(__name__)

_STEPS = ("input_fn", "predict_fn", "output_fn")


@dataclass(frozen=True)
class Handler:
    """A loaded model and the functions around it; each takes the context last."""

    model: Any
    program: Program | None = None
    """None if there is no code of the user's."""
    predict_fn: Function | None = None
    """None only if `transform_fn` does all of it."""
    input_fn: Function | None = None
    """None: the Content-Type's codec."""
    output_fn: Function | None = None
    """None: the codec of the answer's type."""
    transform_fn: Function | None = None
    model_warmup_fn: Function | None = None
    execution_parameters_fn: Function | None = None
    stream_fn: Function | None = None
    """For sessions in both directions; None: there are none."""
    load_adapter_fn: Function | None = None
    """None: there are no adapters."""
    unload_adapter_fn: Function | None = None
    can_move: bool = False
    """Whether the model may be moved to a worker's device: what asks it is ours, and looks where it is."""


def load_handler(settings: Settings, context: Context | None = None) -> Handler:
    """Import the user's code and load the model; raises ModelLoadError or ContractError."""
    context = context or Context()
    program = find_program(settings)
    functions = _bind_functions(program, settings) if program else {}
    profile = PROFILES[settings.profile]
    model_dir = settings.layout.model
    predict = functions.get("predict_fn") or profile.predict_fn
    if program and "pre_model_fn" in functions:
        call(program, "pre_model_fn", functions["pre_model_fn"], str(model_dir), context)
    if program and "model_fn" in functions:
        model = call(program, "model_fn", functions["model_fn"], str(model_dir), context)
        if not predict and "transform_fn" not in functions:
            predict = _default_predict(model, program, has_sessions="stream_fn" in functions)
    else:
        framework, path = frameworks.find_model(model_dir)
        log.info("loading the model file %s", path.name)
        if not program and not settings.safe_models_only:
            offer_code(settings)
        model = framework.load(path, safe_only=settings.safe_models_only)
        predict = predict or frameworks.make_predict(model)
        if not predict and "transform_fn" not in functions:
            raise ModelLoadError(Fault(path.name, f"a {type(model).__name__}", "a model that has predict()"))
    return Handler(
        model=model,
        program=program,
        predict_fn=predict,
        input_fn=functions.get("input_fn") or profile.input_fn,
        output_fn=functions.get("output_fn") or profile.output_fn,
        transform_fn=functions.get("transform_fn"),
        model_warmup_fn=functions.get("model_warmup_fn"),
        execution_parameters_fn=functions.get("execution_parameters_fn"),
        stream_fn=functions.get("stream_fn"),
        load_adapter_fn=functions.get("load_adapter_fn"),
        unload_adapter_fn=functions.get("unload_adapter_fn"),
        can_move=functions.keys().isdisjoint({"predict_fn", "transform_fn"}),
    )


def call(program: Program, name: str, function: Function, *arguments: object) -> Any:
    """Call a function of the user's before there are requests; raises UserCodeError for what it raises."""
    try:
        return function(*arguments)
    except BaseException as error:
        raise UserCodeError(find_cause(error, program, "call", name)) from error


def _bind_functions(program: Program, settings: Settings) -> Mapping[str, Function]:
    """Return the contract's functions that the program has; raises ModelLoadError that lists all faults."""
    module = import_program(program)
    functions, faults = {}, []
    for name in SIGNATURES:
        if hasattr(module, name):
            try:
                function = getattr(module, name)
                bound = bind(name, function)
                copy_marks(function, bound)
                functions[name] = batched(bound) if is_batched(function) else bound
            except BindingError as error:
                faults.append(Fault(program.path.name, error.found, error.expected))
    mixed = [name for name in _STEPS if name in functions]
    if "transform_fn" in functions and mixed:
        found = f"transform_fn together with {', '.join(mixed)}"
        faults.append(Fault(program.path.name, found, "transform_fn alone, or the others without it"))
    if faults:
        raise ModelLoadError(*faults)
    return functions or find_service(module, decodes=settings.decode_input)


def _default_predict(model: Any, program: Program, *, has_sessions: bool) -> Function:
    predict = frameworks.make_predict(model)
    if not predict and has_sessions:
        return _refuse
    if not predict:
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        names = ", ".join(frameworks.FRAMEWORKS)
        raise ModelLoadError(
            Fault(
                f"model_fn in {program.path.name}",
                f"a model of type {kind} and no predict_fn",
                f"a model of {names}, an object with predict(data), or a predict_fn(data, model[, context])",
            )
        )
    return predict


def _refuse(*_: object) -> None:
    raise RequestError(501, "not_implemented", "The handler has a stream_fn alone: open a session.")

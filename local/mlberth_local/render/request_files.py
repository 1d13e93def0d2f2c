"""Files of requests, as `aws … --cli-input-json` takes them, read and checked by botocore's models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from botocore.validate import ParamValidator

from mlberth.errors import ContractError, Fault
from mlberth_local.api.forms import validation
from mlberth_local.api.forms.models import service_model
from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import processing_jobs, training_jobs

TRAINING = "CreateTrainingJob"
PROCESSING = "CreateProcessingJob"
MODEL = "CreateModel"
ENDPOINT_CONFIG = "CreateEndpointConfig"
OPERATIONS = (TRAINING, PROCESSING, MODEL, ENDPOINT_CONFIG)
# The parameter that only one of the operations has: a file need not say which one it is for.
_TELLING = {
    "TrainingJobName": TRAINING,
    "ProcessingJobName": PROCESSING,
    "EndpointConfigName": ENDPOINT_CONFIG,
    "ModelName": MODEL,
}
_FORMS = (
    "the parameters of one request, an object of requests by operation ({"
    f'"{MODEL}": {{…}}, "{ENDPOINT_CONFIG}": {{…}}}}), or a list of either'
)


class Request(NamedTuple):
    """One request that has passed the service's own checks."""

    operation: str
    parameters: dict[str, Any]


def read_requests(files: Iterable[str], read: Callable[[str], str]) -> list[Request]:
    """Return the requests in some files, in their order; `read` returns the text of one.

    Raises ContractError with the faults of all of them.
    """
    faults: list[Fault] = []
    found: list[Request] = []
    for file in files:
        try:
            document = json.loads(read(file))
        except OSError as error:
            faults.append(Fault(file, error.strerror or str(error), "a file that can be read"))
        except (ValueError, RecursionError) as error:
            faults.append(Fault(file, f"no JSON ({error})", _FORMS))
        else:
            for operation, parameters in _split(document):
                broken = list(_faults(file, operation, parameters))
                faults += broken
                if not broken:
                    found.append(Request(operation, parameters))
    if faults:
        raise ContractError(*faults)
    return found


def input_shape(operation: str) -> Any:
    """Return the botocore shape of an operation's request."""
    return service_model("sagemaker").operation_model(operation).input_shape


def check(operation: str, parameters: Mapping[str, Any]) -> None:
    """Raise ContractError for what the operation itself refuses in a request that its model takes."""
    checks = {TRAINING: training_jobs.check, PROCESSING: processing_jobs.check}
    try:
        checks[operation](dict(parameters))
    except ServiceError as error:
        raise ContractError(Fault(operation, error.message, "")) from None


def _split(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield operation and parameters of each request in a document; "" for what is none."""
    if isinstance(document, list):
        for one in document:
            yield from _split(one)
    elif not isinstance(document, Mapping):
        yield "", document
    elif named := [name for name in document if name.startswith("Create") and name[6:7].isupper()]:
        for name in named:
            requests = document[name] if isinstance(document[name], list) else [document[name]]
            yield from ((name, one) for one in requests)
    else:
        operation = next((_TELLING[name] for name in _TELLING if name in document), "")
        yield operation, document


def _faults(file: str, operation: str, parameters: Any) -> Iterator[Fault]:
    if not operation or not isinstance(parameters, dict):
        yield Fault(file, f"{type(parameters).__name__} without a request", _FORMS)
        return
    if operation not in OPERATIONS:
        yield Fault(file, f"a request of {operation}", f"one of {', '.join(OPERATIONS)}")
        return
    shape = input_shape(operation)
    report = ParamValidator().validate(parameters, shape)
    lines = report.generate_report().splitlines() if report.has_errors() else []
    # The service's constraints are for values of the right type alone.
    for line in lines or validation.faults(shape, parameters):
        yield Fault(f"{file}, {operation}", line, "")

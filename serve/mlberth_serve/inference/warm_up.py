"""The warm-up of a model, which a worker runs before it says that it is ready.

A first prediction may compile, allocate or start threads; no client should wait for that, and a model
that cannot predict at all should never be called ready.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.errors import RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import Predictor
from mlberth_serve.inference.load_handler import Handler, call
from mlberth_serve.media_types import read_content_type
from mlberth_serve.usercode.load_errors import UserCodeError, find_cause
from mlberth_serve.usercode.sample_payloads import SUFFIXES, find_samples

_EXPECTED = "a body that can be predicted for"
_SHOWN = 500


def warm_up(
    handler: Handler, transformer: Predictor, model_dir: Path, make_context: Callable[[str, str], Context]
) -> None:
    """Run `model_warmup_fn`, then predict for every sample payload.

    `make_context` takes the content type and the accept of a request. Raises ModelLoadError.
    """
    program = handler.program
    if program and handler.model_warmup_fn:
        context = make_context("", "")
        arguments = (str(model_dir), handler.model, context)
        call(program, "model_warmup_fn", handler.model_warmup_fn, *arguments)
    folders = [program.path.parent, model_dir] if program else [model_dir]
    for path in dict.fromkeys(path for folder in folders for path in find_samples(folder)):
        media_type = read_content_type(SUFFIXES[path.suffix])
        context = make_context(media_type.name, transformer.choose_accept(None))
        try:
            answer, _ = transformer.transform(path.read_bytes(), media_type, context)
            body = answer if isinstance(answer, bytes) else answer.read_all()
        except RequestError as error:
            cause = error.__cause__
            if program and cause:
                function = getattr(error, "function", "")
                raise UserCodeError(find_cause(cause, program, "warm-up", function)) from error
            raise ModelLoadError(Fault(path.name, str(error), _EXPECTED)) from error
        if context.response_status >= 400:  # an error may be an answer too, as a peer's container writes it
            text = body[:_SHOWN].decode(errors="replace")
            raise ModelLoadError(Fault(path.name, f"{context.response_status}: {text}", _EXPECTED))

"""The `train` and `process` commands."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from mlberth._typing import typing
from mlberth.command_line import USAGE_ERROR, answer, show
from mlberth.errors import MlberthError
from mlberth.log_outlet import hold_standard_streams, say

TRAIN_USAGE = """\
usage: train [--explain | --help | --version]

Run the training job below /opt/ml (or SAGEMAKER_BASE_DIR): fetch and install its code, run its
program, pass signals on, and report to output/failure or output/success.

  --explain   print what would run, secrets masked, and run nothing

The program is SAGEMAKER_PROGRAM or the hyperparameter sagemaker_program, else train.py, in
/opt/ml/code. Its hyperparameters are in /opt/ml/input/config/hyperparameters.json, a map of text to
text: {"epochs": "10"} runs it with `--epochs 10`.

Exit codes: the program's own; 128+n for signal n; 78 the job is not what the contract asks for;
69 a dependency cannot be installed; 70 the machine's fault or ours."""
PROCESS_USAGE = """\
usage: process [PROGRAM [ARGUMENT…]]

Run the processing job below /opt/ml/processing (or SAGEMAKER_BASE_DIR): unpack sourcedir.tar.gz,
install requirements.txt, run the program in processing/input/code, pass signals on, and report to
output/message.

Without PROGRAM, SAGEMAKER_PROGRAM is run. Exit codes are those of `train`."""
VALIDATE_USAGE = """\
usage: mlberth validate [DIR]

Check the tree of a training job (/opt/ml, or SAGEMAKER_BASE_DIR, unless DIR is given) against the
contract, with the variables that are set, and list every fault, and what may be one: names that are
almost right, files that a default stands for. Nothing is run or changed.

Exit codes: 0 no fault, warnings or not; 78 there are faults."""

ALGORITHMS_USAGE = """\
usage: mlberth algorithms [NAME]

List the algorithms that train a job without a program (SAGEMAKER_ALGORITHM), or the channels and
hyperparameters of one.

Exit codes: 0; 78 there is no algorithm of that name."""


def main() -> int:
    """Run the training job below /opt/ml; ends with the exit code."""
    # A stop must be seen before anything else loads.
    from mlberth.process.signals import SignalQueue, ignore_stops

    hold_standard_streams()
    gc.disable()  # little is made here that needs it, and a sixth of a short job's time would go into it
    with SignalQueue() as signals:
        arguments = sys.argv[1:]
        if answer(arguments, TRAIN_USAGE):
            return 0
        if arguments == ["--explain"]:
            return _explain()
        if arguments:
            say(_no_arguments(arguments))
            return USAGE_ERROR
        from mlberth_train.jobs.training import train

        code = _run(lambda: train(os.environ, signals, sys.executable))
        ignore_stops()
    return _leave(code)


def process() -> int:
    """Run the processing job below /opt/ml/processing; ends with the exit code."""
    from mlberth.process.signals import SignalQueue, ignore_stops

    hold_standard_streams()
    gc.disable()
    with SignalQueue() as signals:
        arguments = sys.argv[1:]
        if answer(arguments[:1], PROCESS_USAGE):
            return 0
        from mlberth_train.jobs.processing import process as run

        code = _run(lambda: run(arguments, os.environ, signals, sys.executable))
        ignore_stops()
    return _leave(code)


def _no_arguments(arguments: list[str]) -> str:
    """Say where hyperparameters go: who gives arguments means them, most often."""
    import json
    from pathlib import Path

    from mlberth.contract.layout import DEFAULT_BASE, Layout
    from mlberth.masking import masked_text, secret_values

    try:
        layout = Layout.from_environ(os.environ)
    except MlberthError:
        layout = Layout(Path(DEFAULT_BASE))
    found = f"train: found {' '.join(arguments)!r}; expected no argument but --explain."
    file, given = layout.hyperparameters, json.dumps(_hyperparameters(arguments))
    text = f"{found} Hyperparameters are read from a file: write {given} to {file}."
    return masked_text(text, secret_values(os.environ))


def _hyperparameters(arguments: list[str]) -> dict[str, str]:
    """Return `--a 1`, `--a=1` and `a=1` as the file has them, {"a": "1"}; an example for other arguments."""
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("-") and not equals:
            return {"epochs": "10"}
        if not equals and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        given[name.lstrip("-")] = value
    return given


def _run(job: Callable[[], int]) -> int:
    """Run a job; a fault before there is a folder for reports is written to standard error."""
    try:
        return job()
    except MlberthError as error:
        return _refused(error)


def _refused(error: MlberthError) -> int:
    from mlberth.log_escapes import indented
    from mlberth.masking import masked_text, secret_values

    say(indented(masked_text(str(error), secret_values(os.environ))))
    return error.exit_code


def _leave(code: int) -> typing.NoReturn:
    """End here and now: the interpreter would take longer to tidy up than `train` takes to report."""
    with suppress(AttributeError, OSError):  # it is closed, or full
        sys.stdout.flush()
    os._exit(code)


def validate() -> int:
    """Check the tree of a training job against the contract; returns the exit code."""
    from pathlib import Path

    from mlberth.contract.layout import Layout
    from mlberth.errors import ContractError
    from mlberth.log_escapes import encodable, one_line
    from mlberth.masking import masked_text, secret_values
    from mlberth_train.jobs.doubts import training_doubts
    from mlberth_train.jobs.validation import faults_of

    arguments = sys.argv[1:]
    if answer(arguments, VALIDATE_USAGE):
        return 0
    if len(arguments) > 1:
        say(VALIDATE_USAGE)
        return USAGE_ERROR
    try:
        base = Path(arguments[0]) if arguments else Layout.from_environ(os.environ).base
    except MlberthError as error:
        return _refused(error)
    faults = faults_of(base.absolute(), os.environ, sys.executable)
    doubts = [f"warning: {doubt}" for doubt in training_doubts(Layout(base.absolute()), os.environ)]
    for line in [*map(str, faults), *doubts]:
        say(one_line(masked_text(line, secret_values(os.environ))))
    if faults:
        return ContractError.exit_code
    show(encodable(f"{base}: no fault found"))
    return 0


def algorithms() -> int:
    """Print the algorithms, or what one of them takes; returns the exit code."""
    from mlberth_train.algorithms.listing import describe, list_algorithms
    from mlberth_train.algorithms.registry import find_algorithm

    arguments = sys.argv[1:]
    if answer(arguments, ALGORITHMS_USAGE):
        return 0
    if len(arguments) > 1:
        say(ALGORITHMS_USAGE)
        return USAGE_ERROR
    try:
        text = (
            describe(find_algorithm(arguments[0], "mlberth algorithms")) if arguments else list_algorithms()
        )
    except MlberthError as error:
        return _refused(error)
    show(text)
    return 0


def _explain() -> int:
    from mlberth.log_escapes import encodable
    from mlberth_train.jobs.explain import explain

    try:
        text = explain(os.environ, sys.executable)
    except MlberthError as error:
        return _refused(error)
    show(encodable(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())

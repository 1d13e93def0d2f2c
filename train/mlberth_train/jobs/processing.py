"""A processing job.

Source: the platform's processing contract. The SDK's script processors put the program, or a
sourcedir.tar.gz with it, into `processing/input/code`, and unpack that there; what the job leaves is
in folders that its request names; its last word is `output/message`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlberth._typing import typing
from mlberth.contract.environment import LOG_LEVEL_VARIABLE, PROGRAM
from mlberth.contract.hosts import read_hosts
from mlberth.contract.json_files import read_object
from mlberth.contract.layout import Layout
from mlberth.envvars import Reader
from mlberth.masking import masked_text, secret_values
from mlberth.paths import is_file
from mlberth.process.signals import SignalQueue
from mlberth_train.jobs.runner import Job, Reports, Runner
from mlberth_train.launch.child_environment import program_environ
from mlberth_train.launch.entry_point import find_program, program_command
from mlberth_train.log import Log
from mlberth_train.report.context import ReportContext
from mlberth_train.settings import Settings, open_log

ARCHIVE = "sourcedir.tar.gz"


def process(arguments: Sequence[str], environ: Mapping[str, str], signals: SignalQueue, python: str) -> int:
    """Run the program that the arguments name, or SAGEMAKER_PROGRAM; returns the exit code."""
    layout = Layout.from_environ(environ)
    log = open_log(environ)
    # Beside the message: what lies in the folder of an output is part of the job's result.
    reports = Reports(layout.message, details=layout.output / "failure.json", folders=(layout.processing,))
    return Runner(log, reports, environ, signals, python).run(
        lambda: make_job(layout, arguments, environ, python, log)
    )


def make_job(
    layout: Layout, arguments: Sequence[str], environ: Mapping[str, str], python: str, log: Log
) -> Job:
    """Return what to run; unpacks the archive of the code. Raises ContractError for what is wrong."""
    reader = Reader(environ)
    program, settings = reader.get(PROGRAM), Settings.read(reader)
    log.level = reader.get(LOG_LEVEL_VARIABLE)
    reader.check()
    hosts = read_hosts(layout.processing_resource_config)
    request = read_object(layout.processing_job_config, default={})
    code = layout.processing_code
    if is_file(code / ARCHIVE):
        from mlberth.code.archives import extract

        extract(code / ARCHIVE, code, merge=True)
    where = "the argument PROGRAM" if arguments else PROGRAM.name
    program = arguments[0] if arguments else program
    program = find_program(code, program, how="Name the program after `process`, or set SAGEMAKER_PROGRAM.")
    argv = program_command(code, program, arguments[1:], python=python, where=where)
    secrets = frozenset(secret_values(environ))
    return Job(
        code=code,
        argv=argv,
        shown=[masked_text(word, secrets) for word in argv],
        environ=program_environ(environ, code),
        settings=settings,
        context=ReportContext.on(hosts, code, secrets),
        inputs=_input_names(request),
    )


def _input_names(request: Mapping[str, typing.Any]) -> list[str]:
    inputs = request.get("ProcessingInputs")
    entries = inputs if isinstance(inputs, list) else []
    return [str(entry.get("InputName")) for entry in entries if isinstance(entry, dict)]

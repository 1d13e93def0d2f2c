"""A processing job.

Source: the platform's processing contract. The SDK's script processors put the program, or a
sourcedir.tar.gz with it, into `processing/input/code`, and unpack that there; what the job leaves is
in folders that its request names; its last word is `output/message`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from mlberth._typing import typing
from mlberth.code.staging import lone_archive
from mlberth.contract.environment import LOG_LEVEL_VARIABLE, PROGRAM
from mlberth.contract.hosts import read_hosts
from mlberth.contract.json_files import read_object
from mlberth.contract.layout import Layout
from mlberth.envvars import Reader
from mlberth.masking import masked_text, secret_values
from mlberth.paths import exists, is_file
from mlberth.process.signals import SignalQueue
from mlberth_train.jobs.doubts import processing_doubts
from mlberth_train.jobs.runner import Job, Reports, Runner
from mlberth_train.launch.child_environment import program_environ
from mlberth_train.launch.entry_point import find_program, needs_package, program_command
from mlberth_train.launch.places import other_places, place_of
from mlberth_train.log import WARNING, Log
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
    for doubt in processing_doubts(layout, environ):
        log.write(WARNING, doubt)
    hosts = read_hosts(layout.processing_resource_config)
    request = read_object(layout.processing_job_config, default={})
    code = layout.processing_code
    where = "the argument PROGRAM" if arguments else PROGRAM.name
    program = arguments[0] if arguments else program
    unpack(code, program)
    program = find_program(code, program, how="Name the program after `process`, or set SAGEMAKER_PROGRAM.")
    folders = [folder for folder in (layout.processing_entrypoint, *other_places(layout)) if folder != code]
    place = place_of(code, program, folders)
    command = partial(
        program_command, place.folder, place.file, arguments[1:], python=python, where=where, name=place.name
    )
    argv, code = command(), place.folder
    secrets = frozenset(secret_values(environ))
    return Job(
        code=code,
        package_needed=needs_package(code, argv),
        argv=argv,
        shown=[masked_text(word, secrets) for word in command(shown=True)],
        environ=program_environ(environ, code, layout.processing_code),
        settings=settings,
        context=ReportContext.on(hosts, code, secrets),
        inputs=_input_names(request),
    )


def unpack(code: Path, program: str | None) -> None:
    """Unpack the SDK's archive beside itself, or the one that is there in the place of the program."""
    archive = code / ARCHIVE
    if not is_file(archive) and program and not exists(code / program):
        archive = lone_archive(code) or archive
    if is_file(archive):
        from mlberth.code.archives import extract

        extract(archive, code, links=True, merge=True)


def _input_names(request: Mapping[str, typing.Any]) -> list[str]:
    inputs = request.get("ProcessingInputs")
    entries = inputs if isinstance(inputs, list) else []
    return [str(entry.get("InputName")) for entry in entries if isinstance(entry, dict)]

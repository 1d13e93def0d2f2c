"""The user's code, fetched and its requirements installed before any worker starts.

This runs in a process of its own, below the supervisor: /ping is answered and a stop is obeyed while a
download or pip takes its time, and pip never runs in a worker.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mlberth import logs
from mlberth.code.install import LOCK, REQUIREMENTS, install, install_command
from mlberth.code.sources import S3, fetch_code
from mlberth.code.staging import lone_archive
from mlberth.contract.layout import exported_base
from mlberth.contract.resources import cpu_count
from mlberth.envvars import overlaid
from mlberth.masking import secret_values
from mlberth.paths import is_file
from mlberth.process.children import exit_code
from mlberth.process.record_pipe import RecordPipe
from mlberth.process.signals import SignalQueue
from mlberth_serve.control.commands import python_command
from mlberth_serve.settings import Settings
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.run_directory import GenerationDirectory
from mlberth_serve.usercode.locate import LIB, find_code
from mlberth_serve.variables import Variables

MORE = (f"{LIB}/{REQUIREMENTS}",)
"""Requirements of what the SDK has copied beside the handler."""

INSTALLER = "pip"
"""The logger of what pip, or uv, says."""
_STDERR = 2

log = logging.getLogger(__name__)


def preparation_argv(folder: GenerationDirectory) -> list[str]:
    """Return the command that prepares the user's code."""
    return python_command("mlberth_serve.__main__", "prepare", str(folder.path))


def needs_preparation(settings: Settings) -> bool:
    """Return whether code is to be fetched or a package installed.

    Raises ContractError if the code, or the program in it, is not where a variable says.
    """
    if must_fetch(settings):
        return True
    folder = _find_shared_requirements(settings) if settings.multi_model else find_requirements(settings)
    if folder is None:
        return False
    return install_command(sys.executable, folder, settings.installs, MORE) is not None


def find_requirements(settings: Settings) -> Path | None:
    """Return the folder of the code, whose requirements are installed; None if there is none.

    A model without a handler may bring requirements too, in its `code/`. Raises ContractError.
    """
    if program := find_code(settings):
        return program.folder
    folder = settings.layout.model / "code"
    asks = any(is_file(folder / name) for name in (REQUIREMENTS, LOCK, *MORE))
    return folder if asks and not settings.safe_models_only else None


def _find_shared_requirements(settings: Settings) -> Path | None:
    """Return the folder of the code that all of several models share, if it names requirements.

    What a model brings is looked for when the model is loaded.
    """
    code = settings.layout.code
    return code if not settings.safe_models_only and is_file(code / REQUIREMENTS) else None


def must_fetch(settings: Settings) -> bool:
    """Return whether the code has to be downloaded or unpacked; a folder is used where it is."""
    source = settings.submit_directory
    if source is None:
        return False
    return source.startswith(S3) or is_file(Path(source)) or lone_archive(Path(source)) is not None


def prepared_environment(
    environ: Mapping[str, str], settings: Settings, folder: GenerationDirectory
) -> dict[str, str]:
    """Return the environment for what runs the code: it names the folder that the code was put into.

    With it come the SM_* variables that handlers read, since they are often training programs as well.
    """
    fetched = {Variables.submit_directory.name: str(folder.code)} if must_fetch(settings) else {}
    return {**overlaid(handler_variables(settings), environ), **exported_base(environ), **fetched}


def handler_variables(settings: Settings) -> dict[str, str]:
    """Return the SM_* variables of a server; those that the user sets stay as they are."""
    layout, host = settings.layout, os.uname().nodename
    return {
        "SM_MODEL_DIR": str(layout.model),
        "SM_INPUT": str(layout.input),
        "SM_INPUT_DIR": str(layout.input),
        "SM_INPUT_CONFIG_DIR": str(layout.config),
        "SM_INPUT_TRAINING_CONFIG_FILE": str(layout.hyperparameters),
        "SM_INPUT_DATA_CONFIG_FILE": str(layout.input_data_config),
        "SM_CHECKPOINT_CONFIG_FILE": str(layout.checkpoint_config),
        "SM_OUTPUT_DIR": str(layout.output),
        "SM_OUTPUT_DATA_DIR": str(layout.output_data),
        "SM_CURRENT_HOST": host,
        "SM_HOSTS": json.dumps([host]),
        "SM_LOG_LEVEL": str(settings.log_level),
        "SM_NUM_CPUS": str(cpu_count()),
        "SM_NUM_GPUS": str(settings.gpus),
    }


def prepare(environ: Mapping[str, str], folder: GenerationDirectory) -> int:
    """Fetch and install; returns the exit code, and leaves the cause of a failure for the supervisor."""
    try:
        settings = Settings.from_environ(environ)
        secrets = secret_values(environ)
        form = settings.log_format
        logs.configure(settings.log_level, form=form, more=(INSTALLER,), droppable=True, secrets=secrets)
        if must_fetch(settings):
            assert settings.submit_directory is not None
            where = Variables.submit_directory.name
            fetch_code(settings.submit_directory, folder.code, environ, where=where)
        environ = prepared_environment(environ, settings, folder)
        settings = Settings.from_environ(environ)
        find = _find_shared_requirements if settings.multi_model else find_requirements
        folder_of_code = find(settings)
        if folder_of_code is None:
            return 0
        # In a log for people its own form is the best, progress and indents included.
        said = logging.getLogger(INSTALLER)
        in_json = form == logs.JSON
        output = RecordPipe(said.log) if in_json else contextlib.nullcontext(_STDERR)
        with output as sink, SignalQueue() as signals:
            stopped_by = install(
                folder_of_code,
                settings.installs,
                python=sys.executable,
                environ=environ,
                signals=signals,
                sink=sink,
                package_needed=False,
                more=MORE,
                warn=log.warning,
            )
        return exit_code(-stopped_by) if stopped_by else 0
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor must hear of it
        return failure_report.record(folder.failure, error, secret_values(environ)).exit_code

"""A training job: what the contract says of it, made into something to run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand
from mlberth.code.staging import holds_files, lone_archive
from mlberth.contract.arguments import PROTOCOLS
from mlberth.contract.environment import PROGRAM, TRAINING_MODULE, Environment
from mlberth.contract.layout import Layout
from mlberth.contract.sm_variables import unfit
from mlberth.engines import may_be_named
from mlberth.envvars import Reader, is_set, overlaid
from mlberth.errors import ContractError, Fault
from mlberth.masking import masked_mapping, secret_values
from mlberth.paths import exists, is_file
from mlberth.process.signals import SignalQueue
from mlberth_train import variables
from mlberth_train.jobs.doubts import training_doubts
from mlberth_train.jobs.runner import Job, Reports, Runner
from mlberth_train.launch.child_environment import child_environ, too_large
from mlberth_train.launch.choice import choose_launcher
from mlberth_train.launch.entry_point import (
    DEFAULT_PROGRAM,
    algorithm_command,
    algorithm_of,
    find_program,
    hook_command,
    needs_package,
    program_command,
    scripts_not_run,
)
from mlberth_train.launch.places import CODE_CHANNEL, Place, other_places, place_of
from mlberth_train.log import INFO, WARNING, Log
from mlberth_train.metrics.job_metrics import JobMetrics
from mlberth_train.report.context import ReportContext
from mlberth_train.settings import Settings, open_log

if TYPE_CHECKING:
    from mlberth.engines import choice
    from mlberth_train.jobs import neighbours as neighbours_module
else:
    choice = OnDemand("mlberth.engines.choice")
    neighbours_module = OnDemand("mlberth_train.jobs.neighbours")

SOURCE = "sagemaker_submit_directory"


class Training(NamedTuple):
    """One training job, read and checked, before anything is done."""

    environment: Environment
    protocol: str
    settings: Settings
    submit_directory: str | None
    source_file: str | None
    """Where what runs the job has put the source already."""
    s3_output: str | None
    specification: str | None
    algorithm: str | None
    """The one that trains if there is no program."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Training:
        """Read the job; raises ContractError for everything that is wrong with it."""
        reader = Reader(environ)
        environment = Environment.from_environ(environ, engines=True)
        training = cls(
            environment,
            protocol=reader.get(variables.ARGS_PROTOCOL),
            settings=Settings.read(reader),
            submit_directory=reader.get(variables.SUBMIT_DIRECTORY) or None,
            source_file=reader.get(variables.SOURCE_FILE) or None,
            specification=reader.get(variables.SPECIFICATION) or None,
            algorithm=reader.get(variables.ALGORITHM) or None,
            s3_output=reader.get(variables.S3_OUTPUT)
            or environment.parameters.platform.get(variables.S3_OUTPUT.name.lower()),
        )
        reader.get(variables.LAUNCHER)  # for its faults, with all others
        reader.check()
        return training

    @property
    def source(self) -> tuple[str, str] | None:
        """Where the code comes from, and the setting that says so; None is what the image has."""
        named = self.environment.parameters.platform.get(SOURCE)
        if named:
            return str(named), f"the hyperparameter {SOURCE}"
        if self.submit_directory:
            return self.submit_directory, variables.SUBMIT_DIRECTORY.name
        return None


def train(environ: Mapping[str, str], signals: SignalQueue, python: str) -> int:
    """Run the training job and report how it ended; returns the exit code."""
    layout = Layout.from_environ(environ)
    log = open_log(environ)
    folders = (layout.model, layout.output_data, layout.checkpoints)
    details = layout.output_data / "failure.json"
    reports = Reports(layout.failure, layout.success, details, folders, result=layout.model)
    neighbours = neighbours_module.Neighbours.of(environ) if may_be_named(environ) else None
    is_first = neighbours is None or neighbours.is_first
    runner = Runner(log, reports, environ, signals, python, neighbours=neighbours)
    return runner.run(lambda: _prepare(environ, python, log, is_first=is_first))


def _prepare(environ: Mapping[str, str], python: str, log: Log, *, is_first: bool) -> Job:
    """Return what to run; the first `train` on a tree makes what that takes."""
    training = Training.from_environ(environ)
    log.level = training.environment.log_level
    log.secrets |= secret_values(training.environment.hyperparameters)
    hosts = training.environment.hosts
    for doubt in training_doubts(training.environment.layout, environ, hosts_found=hosts.found is not None):
        log.write(WARNING, doubt)
    if hosts.found:
        cluster = choice.describe(hosts.found, hosts.current)
        log.write(INFO, f"There is no resourceconfig.json; the job's hosts are those of {cluster}")
    if region := training.environment.parameters.platform.get("sagemaker_region"):
        environ = overlaid({"SAGEMAKER_REGION": str(region)}, environ)
    if is_first:
        _fetch(training, environ, log)
    if doubt := scripts_not_run(training.environment, training.algorithm):
        log.write(WARNING, doubt)
    job = make_job(training, environ, python)
    if not is_first:
        return job._replace(metrics=job.metrics and job.metrics.of_a_neighbour(), presence=None)
    if not training.s3_output:
        return job
    from mlberth_train.jobs.intermediate_output import copies_of

    return job._replace(copies=copies_of(training.environment, str(training.s3_output), environ, log))


def _fetch(training: Training, environ: Mapping[str, str], log: Log) -> None:
    """Make the folders that a program may count on, and bring the code of a job that names its source."""
    layout = training.environment.layout
    code = [] if is_file(layout.code) else [layout.code]  # such a file is the program itself
    for folder in (*code, layout.model, layout.output_data):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.write(WARNING, f"{folder} cannot be made: {error.strerror}")
    # Checked now: the program would fail in its last line, after hours of training.
    if not os.access(layout.model, os.W_OK | os.X_OK):
        problem = "cannot write to it" if exists(layout.model) else "cannot make it"
        action = "Give it to this user, or run as its owner (docker run --user)."
        raise ContractError(
            Fault(str(layout.model), f"that user {os.geteuid()} {problem}", "a folder for the model", action)
        )
    if training.source:
        from mlberth.code.sources import fetch_code

        log.take_over_logging()
        source, where = training.source
        brought = Path(training.source_file) if training.source_file else None
        fetch_code(source, layout.code, environ, where=where, brought=brought)
    elif archive := packed_code(training):
        from mlberth.code.archives import extract

        log.write(INFO, f"Unpacking {archive}, which stands alone where the program should be")
        extract(archive, layout.code, links=True, merge=True)


def packed_code(training: Training) -> Path | None:
    """Return the archive that stands alone in the code folder, or in the channel `code` if that is empty."""
    layout = training.environment.layout
    if training.source or exists(layout.code / (training.environment.program or DEFAULT_PROGRAM)):
        return None
    return lone_archive(layout.code) or (
        None if holds_files(layout.code) else lone_archive(layout.channel(CODE_CHANNEL))
    )


def make_job(training: Training, environ: Mapping[str, str], python: str) -> Job:
    """Return what to run, from the code that is there; changes nothing."""
    chosen = choose_launcher(training.environment, environ)
    environment, place = resolved(training)
    code, algorithm = place.folder, algorithm_of(environment, training.algorithm)
    metrics: Mapping[str, str] = {}
    if algorithm:
        from mlberth_train.algorithms.registry import find_algorithm

        described = find_algorithm(algorithm)
        metrics = described.metrics(described.read(environment, environ).hyperparameters)
        argv = shown = algorithm_command(algorithm, python)
        if len(environment.hosts.names) > 1:
            chosen, environ = chosen or described.launcher, {**environ, variables.PROCESSES.name: "1"}
    elif environment.module:
        argv = shown = hook_command(environment.module, python=python, where=TRAINING_MODULE.name)
    else:
        to_arguments = PROTOCOLS[training.protocol]
        masked = masked_mapping(environment.hyperparameters)
        where = (
            PROGRAM.name if is_set(environ, PROGRAM.name) else f"the hyperparameter {PROGRAM.name.lower()}"
        )
        command = partial(program_command, code, place.file, python=python, where=where, name=place.name)
        argv = command(to_arguments(environment.hyperparameters))
        shown = command(to_arguments(masked), shown=True)
    variables_of_program = child_environ(environ, environment, code)
    launch = presence = None
    if not chosen and len(environment.hosts.names) > 1:
        from mlberth_train.launch.presence import Presence

        presence = Presence.of(environment, environ, training.settings.host_wait)
    if chosen:
        from mlberth_train.launch.launched import (
            cluster_environ,
            contract_environ,
            make_launch,
            without_ranks,
        )

        launch = make_launch(chosen, environment, environ, python)
        variables_of_program = cluster_environ(launch.cluster) | without_ranks(variables_of_program)
        variables_of_program |= contract_environ(launch.cluster)
    if reason := next(filter(None, map(unfit, argv)), ""):  # values have been looked at, as variables
        raise ContractError(Fault("the name of a hyperparameter", reason, "what an argument can hold"))
    left_out = too_large(variables_of_program)
    secrets = secret_values(environ) | secret_values(environment.hyperparameters)
    named = training.specification
    return Job(
        metrics=JobMetrics.of(environment, environment.layout.code / named if named else None, metrics),
        code=code,
        package_needed=needs_package(code, argv),
        argv=argv,
        shown=shown,
        environ={name: text for name, text in variables_of_program.items() if name not in left_out},
        left_out=left_out,
        settings=training.settings,
        context=_context(environment, code, frozenset(secrets)),
        inputs=sorted(environment.channels),
        hosts=environment.hosts.reachable,
        hosts_source=environment.hosts.source,
        presence=presence,
        launch=launch,
    )


def _context(environment: Environment, code: Path, secrets: frozenset[str]) -> ReportContext:
    context, found = ReportContext.on(environment.hosts, code, secrets), environment.hosts.found
    if found and found.is_rank and found.process:
        rank, ranks = found.process
        return context._replace(rank=rank, ranks=ranks)
    return context


def resolved(training: Training) -> tuple[Environment, Place]:
    """Return the environment with the program that is run, and with defaults; and where the program is.

    Raises ContractError for what the program's specification does not allow.
    """
    environment = training.environment
    if training.specification:
        from mlberth_train.jobs.algorithm_spec import specification_file, specified

        environment = specified(environment, specification_file(environment, training.specification))
    layout = environment.layout
    if environment.module or algorithm_of(environment, training.algorithm):
        return environment, Place(layout.code, "", "")
    how = (
        f"Set {PROGRAM.name} or the hyperparameter {PROGRAM.name.lower()}; or train without a program, with "
        f"{variables.ALGORITHM.name}, such as xgboost."
    )
    program = find_program(layout.code, environment.program, how=how, default=DEFAULT_PROGRAM)
    place = place_of(layout.code, program, other_places(layout))
    return environment._replace(program=place.name), place

"""The variables that `train` and `process` read; docs/reference/variables.md is made from this table."""

from __future__ import annotations

from mlberth._typing import typing
from mlberth.code.install import ALLOWED, CODEARTIFACT, CONSTRAINTS, SAFE
from mlberth.code.s3 import ENDPOINT, REGION
from mlberth.contract.arguments import PROTOCOLS
from mlberth.contract.environment import (
    JOB_NAME,
    LOG_LEVEL_VARIABLE,
    MASTER_PORT,
    PROGRAM,
    TRAINING_MODULE,
)
from mlberth.contract.layout import BASE_DIR, DEFAULT_BASE
from mlberth.envvars import BOOLEAN, OPTIONAL_TEXT, TEXT, Variable, one_of, optional, seconds, whole_number

BASE = Variable(
    BASE_DIR,
    TEXT,
    DEFAULT_BASE,
    "The folder that holds the whole tree of a job; relative to the folder in which the command starts.",
)
SUBMIT_DIRECTORY = Variable(
    "SAGEMAKER_SUBMIT_DIRECTORY",
    OPTIONAL_TEXT,
    None,
    "Where the code is: a folder, a .tar.gz, a file (or file:// and one of these), or an s3:// address; read "
    "when the hyperparameter "
    "sagemaker_submit_directory is absent, since that belongs to the job and this often to the image.",
    default_text="the code folder as it is",
)
SOURCE_FILE = Variable(
    "MLBERTH_SOURCE_FILE",
    OPTIONAL_TEXT,
    None,
    "The file that the s3:// address of the code has been copied to already, by what runs the job; the "
    "address is not asked then.",
    default_text="the address is asked",
)
ARGS_PROTOCOL = Variable(
    "SAGEMAKER_ARGS_PROTOCOL",
    one_of(*PROTOCOLS),
    "argparse",
    "How hyperparameters become arguments of the program.",
)
STOP_GRACE = Variable(
    "SAGEMAKER_STOP_GRACE_SECONDS",
    seconds(0, 86400),
    110.0,
    "How long the program may take to end after SIGTERM or SIGINT before it is killed, in seconds.",
)
HOST_WAIT = Variable(
    "SAGEMAKER_HOST_WAIT_SECONDS",
    seconds(0, 86400),
    900.0,
    "How long a job of several hosts waits, before its program starts, until the name of each has an "
    "address, and how long after that a host may stay for one that has not begun, in seconds; 0 does not "
    "wait.",
)
STUDIO_LOCAL_MODE = Variable(
    "SM_STUDIO_LOCAL_MODE",
    BOOLEAN,
    False,
    "Whether the job runs in a notebook's network: its hosts have no names, so nothing waits for them.",
)
S3_OUTPUT = Variable(
    "SAGEMAKER_S3_OUTPUT",
    OPTIONAL_TEXT,
    None,
    "Where the files of output/intermediate are copied while the job runs, as s3://bucket/prefix (extra "
    "`aws`), unless that folder is there before; wins over the hyperparameter of the same name.",
    default_text="nowhere",
)
LAUNCHER = Variable(
    "SAGEMAKER_LAUNCHER",
    optional(
        one_of("plain", "torchrun", "mpi", "parameter_server", "multi_worker_mirrored", "xgboost", "dask")
    ),
    None,
    "What starts the program's processes on all hosts; wins over the hyperparameters that ask for a launcher "
    "(sagemaker_torch_distributed_enabled and the like).",
    default_text="what the hyperparameters ask for, else one process on each host",
)
ALGORITHM = Variable(
    "SAGEMAKER_ALGORITHM",
    OPTIONAL_TEXT,
    None,
    "The algorithm that trains a job without a program (docs/reference/algorithms.md).",
    default_text="none; xgboost in the images of that flavour",
)
MOST_PROCESSES = 1024
PROCESSES = Variable(
    "SAGEMAKER_PROCESSES_PER_HOST",
    optional(whole_number(1, MOST_PROCESSES)),
    None,
    "How many processes of the program a launcher starts on a host.",
    default_text="one for each GPU, else 1",
)
MIN_HOSTS = Variable(
    "SAGEMAKER_LAUNCHER_MIN_HOSTS",
    optional(whole_number(1, 10000)),
    None,
    "How many hosts are enough for `torchrun` to begin and to go on; the leader must be one of them.",
    default_text="all",
)
MAX_RESTARTS = Variable(
    "SAGEMAKER_LAUNCHER_MAX_RESTARTS",
    whole_number(0, 1000),
    0,
    "How often `torchrun` starts the program anew on all hosts after a failure.",
)
HANG = Variable(
    "SAGEMAKER_LAUNCHER_HANG_SECONDS",
    seconds(0, 86400),
    15.0,
    "How long the ranks of a launcher may use no CPU time, all of them on all hosts, after one of them has "
    "ended, before the job ends, in seconds. 0 waits for ever, and also for a process that is stopped "
    "(SIGSTOP), which otherwise ends the job after 10 seconds.",
)
ENCRYPTION = Variable(
    "SAGEMAKER_INTER_CONTAINER_ENCRYPTION",
    BOOLEAN,
    False,
    "Whether what hosts send each other must be encrypted. No launcher can do that, so a job of several "
    "hosts is refused.",
)
LAUNCHER_PORT = Variable(
    "SAGEMAKER_LAUNCHER_PORT",
    whole_number(1, 65535),
    7776,
    "The port of the leader at which the `train` of the other hosts reports.",
)
MASTER_PORT_VARIABLE = Variable(
    "MASTER_PORT",
    whole_number(1, 65535),
    MASTER_PORT,
    "The port of the leader at which the processes of the program meet, with a launcher.",
)
SPECIFICATION = Variable(
    "SAGEMAKER_TRAINING_SPECIFICATION",
    OPTIONAL_TEXT,
    None,
    "A file in the code folder, or anywhere in the image, that says which hyperparameters and channels the "
    "program takes, in the form of the platform's TrainingSpecification; the job is checked against it.",
    default_text="no check",
)
LOG_FORMAT = Variable(
    "SAGEMAKER_LOG_FORMAT",
    one_of("text", "json"),
    "text",
    "The form of our own log lines; your program's output is not changed.",
)
COLLAPSE_PROGRESS = Variable(
    "SAGEMAKER_COLLAPSE_PROGRESS",
    BOOLEAN,
    True,
    "Leave out of standard error, if it is not a terminal, the states of progress bars that a terminal "
    "would overwrite.",
)

ALL: tuple[Variable[typing.Any], ...] = (
    PROGRAM,
    TRAINING_MODULE,
    ALGORITHM,
    SUBMIT_DIRECTORY,
    SOURCE_FILE,
    ARGS_PROTOCOL,
    LAUNCHER,
    PROCESSES,
    MIN_HOSTS,
    MAX_RESTARTS,
    HANG,
    ENCRYPTION,
    LAUNCHER_PORT,
    MASTER_PORT_VARIABLE,
    SPECIFICATION,
    STOP_GRACE,
    S3_OUTPUT,
    HOST_WAIT,
    STUDIO_LOCAL_MODE,
    LOG_LEVEL_VARIABLE,
    LOG_FORMAT,
    COLLAPSE_PROGRESS,
    ALLOWED,
    SAFE,
    CONSTRAINTS,
    CODEARTIFACT,
    JOB_NAME,
    BASE,
    REGION,
    ENDPOINT,
)

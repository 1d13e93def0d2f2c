"""The settings of `train` and `process` that do not depend on the program."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth._typing import NamedTuple
from mlberth.code.install import Installs
from mlberth.envvars import Reader
from mlberth.masking import secret_values
from mlberth_train import variables
from mlberth_train.log import Log


class Settings(NamedTuple):
    """The variables that every kind of job reads."""

    grace: float
    """Seconds from a stop signal to the kill."""
    host_wait: float
    """How many seconds the hosts of a job may take to have an address."""
    patience: float
    """Seconds that ranks may wait for one that has ended; 0 watches nothing."""
    collapse: bool
    """Whether progress bars are collapsed if nobody looks at a terminal."""
    installs: Installs
    log_format: str
    """How our own lines look (see `open_log`)."""

    @classmethod
    def read(cls, reader: Reader) -> Settings:
        """Read the settings; their faults are the reader's to raise."""
        return cls(
            grace=reader.get(variables.STOP_GRACE),
            host_wait=0.0 if reader.get(variables.STUDIO_LOCAL_MODE) else reader.get(variables.HOST_WAIT),
            patience=reader.get(variables.HANG),
            collapse=reader.get(variables.COLLAPSE_PROGRESS),
            installs=Installs.read(reader),
            log_format=reader.get(variables.LOG_FORMAT),
        )


def open_log(environ: Mapping[str, str]) -> Log:
    """Return the log in the format that the environment names, as text if there is no such format.

    The fault is reported later, with every other fault of the job.
    """
    as_json = Reader(environ).get(variables.LOG_FORMAT) == "json"
    return Log(as_json=as_json, secrets=frozenset(secret_values(environ)))

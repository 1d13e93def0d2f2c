"""The /opt/ml tree: where everything is, inside the container and on the host that prepares it.

Source: the platform's training, hosting and processing contracts. Nothing here touches the disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlberth._typing import NamedTuple

BASE_DIR = "SAGEMAKER_BASE_DIR"
DEFAULT_BASE = "/opt/ml"
MODEL_DIR = "MLBERTH_MODEL_DIR"
"""Where the one model of a process is: set by our own model manager, and by those who mount it elsewhere."""


def exported_base(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variable as a program in another folder has to find it; nothing if it is not set."""
    return {BASE_DIR: str(Layout.from_environ(environ).base)} if environ.get(BASE_DIR, "").strip() else {}


class Layout(NamedTuple):
    """Paths below one base directory, `/opt/ml` unless SAGEMAKER_BASE_DIR says otherwise."""

    base: Path
    model_dir: Path | None = None
    """Where the model is, if not in `model`."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Layout:
        """Return the layout that SAGEMAKER_BASE_DIR names, absolute: programs run in other folders than we.

        A `~` is HOME, or the home of the user that is named. Raises ContractError for one that nobody knows.
        """
        text = environ.get(BASE_DIR, "").strip() or DEFAULT_BASE
        base = Path(text)
        try:
            if base.parts[:1] == ("~",) and environ.get("HOME"):
                base = Path(environ["HOME"], *base.parts[1:])
            # Without `..`: names below it are compared.
            path = Path(os.path.abspath(base.expanduser()))  # noqa: PTH100
            return cls(path, Path(environ[MODEL_DIR]) if environ.get(MODEL_DIR) else None)
        except (RuntimeError, OSError):  # no such user; no folder that we are in
            from mlberth.errors import ContractError, Fault

            expected = "an absolute path, or one from a folder or a home that there is"
            raise ContractError(Fault(BASE_DIR, repr(text), expected)) from None

    @property
    def code(self) -> Path:
        """The user's program."""
        return self.base / "code"

    @property
    def model(self) -> Path:
        """Where training leaves its model, and serving finds it (read-only there)."""
        return self.model_dir or self.base / "model"

    @property
    def models(self) -> Path:
        """Where a multi-model server finds its models."""
        return self.base / "models"

    @property
    def input(self) -> Path:
        """Everything that training is given."""
        return self.base / "input"

    @property
    def config(self) -> Path:
        """The job's configuration files."""
        return self.input / "config"

    @property
    def data(self) -> Path:
        """One folder a channel."""
        return self.input / "data"

    def channel(self, name: str) -> Path:
        """Return the folder of one channel."""
        return self.data / name

    @property
    def hyperparameters(self) -> Path:
        """The hyperparameters, a flat map of text to text."""
        return self.config / "hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        """What each channel is."""
        return self.config / "inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        """Which hosts take part."""
        return self.config / "resourceconfig.json"

    @property
    def checkpoint_config(self) -> Path:
        """Where checkpoints go, if not to `checkpoints`."""
        return self.config / "checkpointconfig.json"

    @property
    def checkpoints(self) -> Path:
        """What the platform copies out while the job runs, and back before it resumes."""
        return self.base / "checkpoints"

    @property
    def output(self) -> Path:
        """Everything that training leaves beside its model."""
        return self.base / "output"

    @property
    def output_data(self) -> Path:
        """Files for the user: the platform packs them as output.tar.gz."""
        return self.output / "data"

    def metrics(self, host: str = "") -> Path:
        """Return the metrics of the first host, or of another by its name: all are packed into one folder."""
        return self.output_data / (f"metrics-{host}.jsonl" if host else "metrics.jsonl")

    @property
    def output_intermediate(self) -> Path:
        """Files that the platform copies out while the job runs."""
        return self.output / "intermediate"

    @property
    def failure(self) -> Path:
        """Why the job failed; the platform shows the first 1024 bytes."""
        return self.output / "failure"

    @property
    def success(self) -> Path:
        """An empty file: the job ended well."""
        return self.output / "success"

    @property
    def processing(self) -> Path:
        """Inputs and outputs of a processing job."""
        return self.base / "processing"

    @property
    def processing_code(self) -> Path:
        """Where the SDK's script processors put the program."""
        return self.processing / "input" / "code"

    @property
    def processing_entrypoint(self) -> Path:
        """Where the SDK's framework processors put the script that starts the program."""
        return self.processing / "input" / "entrypoint"

    @property
    def processing_job_config(self) -> Path:
        """The request that started the processing job."""
        return self.base / "config" / "processingjobconfig.json"

    @property
    def processing_resource_config(self) -> Path:
        """Which hosts take part in the processing job."""
        return self.base / "config" / "resourceconfig.json"

    @property
    def message(self) -> Path:
        """A processing job's last word; the platform shows the first 1 KB, valid UTF-8 only."""
        return self.output / "message"

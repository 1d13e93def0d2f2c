"""Drive an image with the SageMaker SDK v3 in local-container mode. Runs in the SDK's own environment.

usage: v3.py FOLDER SOURCE_CODE_IMAGE OWN_CODE_IMAGE

FOLDER holds project/ and data/; what the SDK writes goes to source_code/ and own_code/ there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.model_trainer import Mode, ModelTrainer

ROLE = "arn:aws:iam::000000000000:role/dummy"


def train(case: str, folder: Path, image: str) -> None:
    """Train with the image's own code, or with source code that the SDK's driver starts."""
    source: dict[str, Any] = {}
    if case == "source_code":
        source["source_code"] = SourceCode(source_dir=str(folder / "project"), entry_script="train.py")
    trainer = ModelTrainer(
        training_image=image,
        training_mode=Mode.LOCAL_CONTAINER,
        role=ROLE,
        compute=Compute(instance_type="local_cpu", instance_count=1),
        hyperparameters={"strength": 2.5},
        base_job_name="mlberth",
        local_container_root=str(folder / case),
        **source,
    )
    trainer.train([InputData(channel_name="training", data_source=str(folder / "data"))], wait=True)


if __name__ == "__main__":
    for case, image in zip(("source_code", "own_code"), sys.argv[2:], strict=True):
        train(case, Path(sys.argv[1]), image)

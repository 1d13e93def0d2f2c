"""SDK v3 trains by ModelTrainer: prints what it found as JSON in its last line."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train.model_trainer import ModelTrainer

FOLDER = Path(sys.argv[1])
TRAIN = """
import os, pathlib
print(sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"])), os.environ["SM_HP_FACTOR"])
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text("1")
"""


def main() -> None:
    """Use the SDK as a notebook does."""
    sleep = time.sleep
    # It looks at a job's status every 5 seconds, as is right for a cloud.
    time.sleep = lambda _: sleep(0.1)
    (FOLDER / "code").mkdir()
    (FOLDER / "code/train.py").write_text(TRAIN)
    (FOLDER / "train.csv").write_text("1\n2\n")
    trainer = ModelTrainer(
        training_image=sys.argv[2],
        role=get_execution_role(),
        sagemaker_session=Session(),
        source_code=SourceCode(source_dir=str(FOLDER / "code"), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={"factor": 4},
        base_job_name="v3",
    )
    data = InputData(channel_name="train", data_source=str(FOLDER / "train.csv"))
    trainer.train(input_data_config=[data], wait=True, logs=True)
    job = trainer._latest_training_job
    job.refresh()
    found = {"status": job.training_job_status, "model": job.model_artifacts.s3_model_artifacts}
    sys.stdout.write(json.dumps(found))


main()

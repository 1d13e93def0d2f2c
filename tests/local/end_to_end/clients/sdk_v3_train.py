"""A notebook with the SageMaker SDK v3, unmodified: a model trainer with its source, data and logs."""

import json
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

folder = Path(sys.argv[1])
(folder / "train.py").write_text("import os\nprint(sorted(os.listdir(os.environ['SM_CHANNEL_TRAINING'])))\n")
trainer = ModelTrainer(
    training_image="mlberth-train:base",
    sagemaker_session=Session(),
    source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"epochs": 2},
)
trainer.train(
    input_data_config=[InputData(channel_name="training", data_source=str(folder))], wait=True, logs=True
)
job = trainer._latest_training_job
job.refresh()
sys.stdout.write("\n" + json.dumps({"status": job.training_job_status}))

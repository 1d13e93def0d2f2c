"""A notebook with the SageMaker SDK v2, unmodified: a framework's estimator, and a script that processes."""

import json
import sys
from pathlib import Path

import sagemaker
from sagemaker.processing import ScriptProcessor
from sagemaker.sklearn import SKLearn

folder = Path(sys.argv[1])
(folder / "train.py").write_text(
    "import os, sys\n"
    "print('arguments', sys.argv[1:], os.listdir(os.environ['SM_CHANNEL_TRAINING']))\n"
    "print('loss=0.25')\n"
    "open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('x')\n"
)
(folder / "process.py").write_text("print('processed')\n")
(folder / "data.csv").write_text("1,2\n")
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
data = session.upload_data(str(folder / "data.csv"), key_prefix="fit")
estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(folder),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    role=role,
    sagemaker_session=session,
    hyperparameters={"epochs": 3},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
)
estimator.fit({"training": data.rpartition("/")[0]}, wait=True, logs="All")
attached = SKLearn.attach(estimator.latest_training_job.name, session)
processor = ScriptProcessor(
    image_uri=estimator.training_image_uri(),
    command=["python3"],
    instance_type="ml.m5.large",
    instance_count=1,
    role=role,
    sagemaker_session=session,
)
processor.run(str(folder / "process.py"), logs=True)
found = {
    "model": attached.model_data.endswith("/output/model.tar.gz"),
    "metrics": estimator.training_job_analytics.dataframe()["value"].tolist(),
    "processing": processor.latest_job.describe()["ProcessingJobStatus"],
}
sys.stdout.write("\n" + json.dumps(found))

"""SDK v2 trains, attaches, processes and transforms: prints what it found as JSON in its last line."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import boto3
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor

FOLDER = Path(sys.argv[1])
IMAGES = {"train": sys.argv[2], "serve": sys.argv[3]}
TRAIN = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
factor = parser.parse_args().factor
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text().split()
print(f"loss={1 / factor}", flush=True)
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "code").mkdir()
(model / "code/inference.py").write_text(
    "def model_fn(model_dir): return %d\\n"
    "def input_fn(body, content_type): return [int(line) for line in body.split()]\\n"
    "def predict_fn(numbers, model): return [model * number for number in numbers]\\n"
    "def output_fn(numbers, accept): return ''.join(f'{n}\\\\n' for n in numbers), 'text/csv'\\n" % factor
)
"""
PROCESS = """
import pathlib, sys
rows = pathlib.Path("/opt/ml/processing/input/data/train.csv").read_text().split()
pathlib.Path("/opt/ml/processing/output/sum.txt").write_text(f"{sys.argv[1]}={sum(map(int, rows))}")
print("processed")
"""


def main() -> None:
    """Use the SDK as a notebook does."""
    # It looks at a job's status every 30 seconds, as is right for a cloud.
    sagemaker.session.time = SimpleNamespace(sleep=lambda _: time.sleep(0.1), time=lambda: time.time() * 300)
    session = sagemaker.Session()
    role = sagemaker.get_execution_role()
    (FOLDER / "code").mkdir()
    (FOLDER / "code/train.py").write_text(TRAIN)
    (FOLDER / "process.py").write_text(PROCESS)
    (FOLDER / "train.csv").write_text("1\n2\n3\n")
    data = session.upload_data(str(FOLDER / "train.csv"), key_prefix="data")

    estimator = Estimator(
        IMAGES["train"],
        role,
        1,
        "ml.m5.large",
        entry_point="train.py",
        source_dir=str(FOLDER / "code"),
        hyperparameters={"factor": 4},
        metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        sagemaker_session=session,
        base_job_name="v2",
    )
    estimator.fit({"train": data}, wait=True, logs="All")
    name = estimator.latest_training_job.name
    attached = Estimator.attach(name, session)
    metrics = sagemaker.analytics.TrainingJobAnalytics(name, ["loss"], sagemaker_session=session).dataframe()

    processor = ScriptProcessor(
        image_uri=IMAGES["train"],
        command=["python3"],
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        base_job_name="v2",
    )
    bucket = session.default_bucket()
    processor.run(
        code=str(FOLDER / "process.py"),
        inputs=[ProcessingInput(data, "/opt/ml/processing/input/data")],
        outputs=[
            ProcessingOutput(source="/opt/ml/processing/output", destination=f"s3://{bucket}/processed")
        ],
        arguments=["total"],
        wait=True,
        logs=True,
    )

    model = sagemaker.model.Model(IMAGES["serve"], estimator.model_data, role, sagemaker_session=session)
    model.create("ml.m5.large")
    transformer = sagemaker.transformer.Transformer(
        model.name,
        1,
        "ml.m5.large",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"s3://{bucket}/transformed",
        sagemaker_session=session,
    )
    transformer.transform(
        data, content_type="text/csv", split_type="Line", join_source="Input", wait=True, logs=True
    )

    s3 = boto3.client("s3")

    def read(key: str) -> str:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    found = {
        "status": session.describe_training_job(name)["TrainingJobStatus"],
        "model": attached.model_data == estimator.model_data,
        "loss": list(metrics["value"]),
        "processed": read("processed/sum.txt"),
        "transformed": read("transformed/train.csv.out"),
    }
    sys.stdout.write(json.dumps(found))


main()

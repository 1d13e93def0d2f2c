"""SDK v2 deploys, predicts, updates and deletes: prints what it found as JSON in its last line."""

from __future__ import annotations

import json
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import botocore.exceptions
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.model import Model
from sagemaker.pipeline import PipelineModel
from sagemaker.serializers import CSVSerializer

FOLDER, IMAGE = Path(sys.argv[1]), sys.argv[2]
HANDLER = """
import os

def model_fn(model_dir): return int(os.environ["FACTOR"])
def input_fn(body, content_type): return [int(float(line)) for line in body.split()]
def predict_fn(numbers, model): return [model * number for number in numbers]
def output_fn(numbers, accept): return "".join(f"{n}\\n" for n in numbers), "text/csv"
"""


def main() -> None:
    """Use the SDK as a notebook does."""
    # It looks at an endpoint's status every 30 seconds, as is right for a cloud.
    sagemaker.session.time = SimpleNamespace(sleep=lambda _: time.sleep(0.1), time=time.time)
    session = sagemaker.Session()
    role = sagemaker.get_execution_role()
    (FOLDER / "inference.py").write_text(HANDLER)
    with tarfile.open(FOLDER / "model.tar.gz", "w:gz") as archive:
        archive.add(FOLDER / "inference.py", "code/inference.py")
    data = session.upload_data(str(FOLDER / "model.tar.gz"), key_prefix="model")

    def model(factor: int) -> Model:
        environ = {"FACTOR": str(factor), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
        return Model(IMAGE, data, role, sagemaker_session=session, env=environ)

    served = model(2)
    served.deploy(1, "ml.m5.large", endpoint_name="v2")
    forms = {"serializer": CSVSerializer(), "deserializer": CSVDeserializer()}
    predictor = sagemaker.Predictor("v2", session, **forms)
    found: dict[str, object] = {"first": predictor.predict([3])}
    other = model(5)
    other.create(instance_type="ml.m5.large")
    predictor.update_endpoint(initial_instance_count=1, instance_type="ml.m5.large", model_name=other.name)
    found["updated"] = predictor.predict([3])
    try:
        predictor.predict(["x"])
    except botocore.exceptions.ClientError as error:
        found["error"] = error.response["Error"]["Code"]
        found["status"] = error.response["OriginalStatusCode"]
    predictor.delete_endpoint()
    served.delete_model()
    other.delete_model()

    pipeline = PipelineModel([model(2), model(5)], role, sagemaker_session=session)
    pipeline.deploy(1, "ml.m5.large", endpoint_name="v2-pipeline")
    predictor = sagemaker.Predictor("v2-pipeline", session, **forms)
    found["pipeline"] = predictor.predict([3])
    predictor.delete_endpoint()
    pipeline.delete_model()
    sys.stdout.write("\n" + json.dumps(found))


main()

"""SDK v2 finds the size of a model and deploys it: prints what it found as JSON in its last line."""

from __future__ import annotations

import json
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.inference_recommender.inference_recommender_mixin import ModelLatencyThreshold, Phase
from sagemaker.model import Model
from sagemaker.parameter import CategoricalParameter
from sagemaker.serializers import CSVSerializer

FOLDER, IMAGE = Path(sys.argv[1]), sys.argv[2]
HANDLER = """
def model_fn(model_dir): return 2
def input_fn(body, content_type): return [int(float(line)) for line in body.split()]
def predict_fn(numbers, model): return [model * number for number in numbers]
def output_fn(numbers, accept): return "".join(f"{n}\\n" for n in numbers), "text/csv"
"""


def main() -> None:
    """Use the SDK as a notebook does."""
    # It looks at a job's status every minute, as is right for a cloud.
    sagemaker.session.time = SimpleNamespace(sleep=lambda _: time.sleep(0.1), time=time.time)
    session = sagemaker.Session()
    (FOLDER / "inference.py").write_text(HANDLER)
    (FOLDER / "row.csv").write_text("3")
    for name, member in (("model", "code/inference.py"), ("samples", "row.csv")):
        with tarfile.open(FOLDER / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(FOLDER / Path(member).name, member)
    data, samples = (
        session.upload_data(str(FOLDER / f"{name}.tar.gz"), key_prefix="sizes")
        for name in ("model", "samples")
    )
    model = Model(IMAGE, data, sagemaker.get_execution_role(), sagemaker_session=session)
    ranges = {
        "instance_types": CategoricalParameter(["ml.c5.large"]),
        "SAGEMAKER_MODEL_SERVER_WORKERS": CategoricalParameter(["1"]),
    }
    model.right_size(
        sample_payload_url=samples,
        supported_content_types=["text/csv"],
        framework="SAGEMAKER-SCIKIT-LEARN",
        job_duration_in_seconds=600,
        hyperparameter_ranges=[ranges],
        traffic_type="PHASES",
        phases=[Phase(duration_in_seconds=2, initial_number_of_users=1, spawn_rate=60)],
        max_invocations=1_000_000,
        model_latency_thresholds=[ModelLatencyThreshold("P95", 5000)],
        max_tests=1,
        max_parallel_tests=1,
    )
    model.deploy(endpoint_name="sized")
    predictor = sagemaker.Predictor("sized", session, CSVSerializer(), CSVDeserializer())
    config = session.sagemaker_client.describe_endpoint(EndpointName="sized")["EndpointConfigName"]
    [variant] = session.sagemaker_client.describe_endpoint_config(EndpointConfigName=config)[
        "ProductionVariants"
    ]
    found = {
        "recommended": len(model.inference_recommendations),
        "deployed": variant["InstanceType"],
        "predicted": predictor.predict([3]),
    }
    predictor.delete_endpoint()
    sys.stdout.write("\n" + json.dumps(found))


main()

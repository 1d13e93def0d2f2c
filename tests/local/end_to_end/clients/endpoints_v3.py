"""SDK v3 builds, deploys, invokes and deletes: prints what it found as JSON in its last line."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig
from sagemaker.core.shapes import ProductionVariant
from sagemaker.serve import ModelBuilder

FOLDER, IMAGE = Path(sys.argv[1]), sys.argv[2]
HANDLER = """
def model_fn(model_dir): return 2
def input_fn(body, content_type): return [int(line) for line in body.split()]
def predict_fn(numbers, model): return [model * number for number in numbers]
def output_fn(numbers, accept): return "".join(f"{n}\\n" for n in numbers), "text/csv"
"""


def main() -> None:
    """Use the SDK as a notebook does."""
    session = Session()
    (FOLDER / "inference.py").write_text(HANDLER)
    with tarfile.open(FOLDER / "model.tar.gz", "w:gz") as archive:
        archive.add(FOLDER / "inference.py", "code/inference.py")
    data = session.upload_data(str(FOLDER / "model.tar.gz"), key_prefix="model")
    builder = ModelBuilder(
        image_uri=IMAGE,
        s3_model_data_url=data,
        role_arn=get_execution_role(),
        sagemaker_session=session,
        instance_type="ml.m5.large",
        env_vars={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    )
    model = builder.build(model_name="v3")
    built = builder.deploy(endpoint_name="v3-built", instance_type="ml.m5.large", initial_instance_count=1)
    found: dict[str, object] = {"built": text(built)}
    built.delete()
    built.wait_for_delete()

    variant = ProductionVariant(
        variant_name="AllTraffic", model_name="v3", instance_type="ml.m5.large", initial_instance_count=1
    )
    config = EndpointConfig.create(endpoint_config_name="v3", production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name="v3", endpoint_config_name="v3")
    endpoint.wait_for_status("InService")
    found["created"] = text(endpoint)
    endpoint.delete()
    endpoint.wait_for_delete()
    config.delete()
    model.delete()
    sys.stdout.write("\n" + json.dumps(found))


def text(endpoint: Endpoint) -> str:
    """Return what an endpoint answers."""
    answer = endpoint.invoke(body=b"3\n", content_type="text/csv", accept="text/csv")
    return str(answer.body.read().decode())


main()

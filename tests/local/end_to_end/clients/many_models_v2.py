"""SDK v2's MultiDataModel: prints what it found as JSON in its last line."""

from __future__ import annotations

import json
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.serializers import CSVSerializer

FOLDER, IMAGE = Path(sys.argv[1]), sys.argv[2]
HANDLER = """
def model_fn(model_dir): return {factor}
def input_fn(body, content_type): return [int(float(line)) for line in body.split()]
def predict_fn(numbers, model): return [model * number for number in numbers]
def output_fn(numbers, accept): return "".join(f"{{n}}\\n" for n in numbers), "text/csv"
"""


def archive(factor: int) -> str:
    """Return the archive of a model that multiplies."""
    (FOLDER / "inference.py").write_text(HANDLER.format(factor=factor))
    path = FOLDER / f"times-{factor}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(FOLDER / "inference.py", "code/inference.py")
    return str(path)


def main() -> None:
    """Use the SDK as a notebook does."""
    # It looks at an endpoint's status every 30 seconds, as is right for a cloud.
    sagemaker.session.time = SimpleNamespace(sleep=lambda _: time.sleep(0.1), time=time.time)
    session = sagemaker.Session()
    many = MultiDataModel(
        "many-v2",
        f"s3://{session.default_bucket()}/many-v2",
        image_uri=IMAGE,
        role=sagemaker.get_execution_role(),
        sagemaker_session=session,
        predictor_cls=sagemaker.Predictor,
        env={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    )
    many.add_model(archive(2))
    predictor = many.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
    found: dict[str, object] = {"first": predictor.predict([3], target_model="times-2.tar.gz")}
    copied = session.upload_data(archive(5), key_prefix="elsewhere")
    many.add_model(copied, "more/times-5.tar.gz")
    found["models"] = listed = sorted(many.list_models())
    found["listed"] = [predictor.predict([3], target_model=name) for name in listed]
    predictor.delete_endpoint()
    many.delete_model()
    sys.stdout.write("\n" + json.dumps(found))


main()

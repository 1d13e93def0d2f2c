"""Drive an image with the SageMaker SDK v2 in local mode. Runs in the SDK's own virtual environment.

usage: v2.py FOLDER PORT IMAGE CASE...

FOLDER holds project/ and data/; what the SDK writes goes below it, and the answers by case into answers.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from unittest import mock

from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

ROLE = "arn:aws:iam::000000000000:role/dummy"
ROWS = [[0.0, 0.0], [9.0, 9.0]]


def ask(predictor: Predictor) -> list[object]:
    """Predict two rows, then delete the endpoint."""
    predictor.serializer = CSVSerializer()
    predictor.deserializer = JSONDeserializer()
    try:
        answer: list[object] = predictor.predict(ROWS)
    finally:
        predictor.delete_endpoint()
    return answer


def estimator(session: LocalSession, folder: Path, image: str) -> list[object]:
    """Train with local code, and serve what came out of it."""
    job = Estimator(
        image_uri=image,
        role=ROLE,
        instance_count=1,
        instance_type="local",
        sagemaker_session=session,
        output_path=f"file://{folder}/output",
        hyperparameters={"strength": 2.5},
        entry_point="train.py",
        source_dir=str(folder / "project"),
    )
    job.fit({"training": f"file://{folder}/data"})
    # The endpoint is there when deploy() returns; to look again would take the SDK half a minute.
    return ask(job.deploy(1, "local", wait=False))


def script_mode(session: LocalSession, folder: Path, image: str) -> list[object]:
    """Serve a model with a handler beside it."""
    model = Model(
        image_uri=image,
        role=ROLE,
        sagemaker_session=session,
        model_data=f"file://{folder}/output/model.tar.gz",
        entry_point="inference.py",
        source_dir=str(folder / "project"),
        code_location="s3://unused",
        predictor_cls=Predictor,
    )
    return ask(model.deploy(1, "local", wait=False))


def transformer(session: LocalSession, folder: Path, image: str) -> list[object]:
    """Predict a file of rows, a row a request, in a batch transform."""
    model = Model(
        image_uri=image,
        role=ROLE,
        sagemaker_session=session,
        model_data=f"file://{folder}/output/model.tar.gz",
    )
    (folder / "rows").mkdir()
    (folder / "rows/rows.csv").write_text("".join(f"{first},{second}\n" for first, second in ROWS))
    job = model.transformer(
        1, "local", strategy="SingleRecord", assemble_with="Line", output_path=f"file://{folder}/transformed"
    )
    job.transform(f"file://{folder}/rows", content_type="text/csv", split_type="Line", wait=True, logs=False)
    return [(folder / "transformed/rows.csv.out").read_text()]


CASES = {"estimator": estimator, "script_mode": script_mode, "transformer": transformer}


def main(folder: Path, port: int, image: str, *cases: str) -> None:
    """Run cases one after the other, since the import of the SDK takes long, and write their answers."""
    # The SDK looks every five seconds whether a container serves yet, and each check of its own configuration
    # takes it seconds.
    pause = time.sleep
    with (
        mock.patch("sagemaker.local.entities.time.sleep", lambda seconds: pause(min(seconds, 1))),
        mock.patch("sagemaker.config.config.validate_sagemaker_config"),
    ):
        session = LocalSession()
        session.config = {
            "local": {"local_code": True, "serving_port": port, "container_root": str(folder / "root")}
        }
        answers = {case: CASES[case](session, folder, image) for case in cases}
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])

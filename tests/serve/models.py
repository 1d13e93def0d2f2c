"""A server of several models under test, and small models for it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from tests.serve.running import Answer, Server

APPLICATION = "mlberth_serve.wsgi:application"
ECHO = """
    def model_fn(model_dir):
        return model_dir

    def input_fn(body, content_type):
        return body

    def predict_fn(data, model):
        return data

    def output_fn(prediction, accept):
        return prediction, "text/plain"
"""
"""A handler that answers with what it was sent."""


class ModelsServer(Server):
    """`serve` with SAGEMAKER_MULTI_MODEL; models lie below `models`."""

    def __init__(self, folder: Path, **variables: str) -> None:
        defaults = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
        super().__init__(folder, APPLICATION, **{**defaults, **variables})
        self.models = folder / "ml" / "models"
        self.models.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, handler: str = ECHO, **files: str) -> Path:
        """Write a model whose code is a handler and other files, and return its folder."""
        model = self.models / name / "model"
        (model / "code").mkdir(parents=True, exist_ok=True)
        (model / "code" / "inference.py").write_text(textwrap.dedent(handler))
        for file, text in files.items():
            (model / "code" / file.replace("__", ".")).write_text(textwrap.dedent(text))
        return model

    def load(self, name: str, url: object = None) -> Answer:
        """Load a model, by default from the folder that `write` has made."""
        url = str(self.models / name / "model") if url is None else url
        return self.request("POST", "/models", json.dumps({"model_name": name, "url": url}).encode())

    def unload(self, name: str) -> Answer:
        """Unload a model."""
        return self.request("DELETE", f"/models/{name}")

    def ask(self, name: str, body: str, **headers: str) -> Answer:
        """Send a prediction request to a model."""
        return self.request("POST", f"/models/{name}/invoke", body.encode(), headers)

    def show(self, path: str) -> Any:
        """Return the JSON that GET answers."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def names(self) -> list[str]:
        """Return the names of the models that are loaded."""
        return [model["modelName"] for model in self.show("/models")["models"]]

    def arbiter(self, name: str) -> int:
        """Return the id of the process that a model's workers are children of."""
        (worker,) = self.pids(name)
        return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])

    def pids(self, name: str) -> list[int]:
        """Return the ids of a model's workers."""
        return json.loads(self.ask(name, "pids").body)  # type: ignore[no-any-return]

"""Models that are nobody's in particular: whatever has a `predict` is asked with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.serve.conftest import LoadProject
from werkzeug.test import Client

from mlberth.errors import ModelLoadError

MODELS = {
    "an object": "class Own:\n    def predict(self, rows): return rows * 2\nMODEL = Own()\n",
    "an attribute": "import types\nMODEL = types.SimpleNamespace(predict=lambda rows: rows * 2)\n",
    "a module": "import sys\nMODEL = sys.modules[__name__]\ndef predict(rows): return rows * 2\n",
}
LOAD = "def model_fn(model_dir): return MODEL\n"


def write_handler(model_dir: Path, text: str) -> None:
    """Write inference.py."""
    (model_dir / "code").mkdir()
    (model_dir / "code/inference.py").write_text(text)


@pytest.mark.parametrize("text", MODELS.values(), ids=MODELS)
def test_a_model_with_predict_needs_no_predict_fn(
    model_dir: Path, load_project: LoadProject, text: str
) -> None:
    """It gets what was read: rows, one row of one dimension, and arrays of more."""
    write_handler(model_dir, text + LOAD)
    client = Client(load_project())
    for body, expected in {"[1, 2]": [[2, 4]], "[[1], [2]]": [[2], [4]], "[[[1]]]": [[[2]]]}.items():
        assert client.post("/invocations", data=body, content_type="application/json").json == expected


def test_texts_stay_in_one_dimension(model_dir: Path, load_project: LoadProject) -> None:
    """A class of the user's own gets texts as they were sent."""
    text = "class Own:\n    def predict(self, texts): return [len(text) for text in texts]\nMODEL = Own()\n"
    write_handler(model_dir, text + LOAD)
    client = Client(load_project())
    assert client.post("/invocations", data=b'["a", "bc"]', content_type="application/json").json == [1, 2]


def test_what_it_raises_is_no_fault_of_the_client(model_dir: Path, load_project: LoadProject) -> None:
    """An error in somebody's own predict is a 500, and not rows that are refused."""
    write_handler(
        model_dir, "class Own:\n    def predict(self, rows): raise ValueError\nMODEL = Own()\n" + LOAD
    )
    answer = Client(load_project()).post("/invocations", data=b"[1]", content_type="application/json")
    assert (answer.status_code, json.loads(answer.data)["error"]["code"]) == (500, "handler_failed")


@pytest.mark.parametrize(
    "text",
    [
        "MODEL = {'model': 1}\n",
        "MODEL = None\n",
        "class MODEL:\n    def predict(self, rows): pass\n",
        "class Own:\n    predict = 1\nMODEL = Own()\n",
        "class Own:\n    async def predict(self, rows): pass\nMODEL = Own()\n",
        "from sklearn.preprocessing import StandardScaler\nMODEL = StandardScaler()\n",
    ],
    ids=["map", "nothing", "class", "no function", "async", "transformer"],
)
def test_what_cannot_predict_ends_the_load(model_dir: Path, load_project: LoadProject, text: str) -> None:
    """It is told before there are requests, with what would do."""
    write_handler(model_dir, text + LOAD)
    with pytest.raises(ModelLoadError, match=r"and no predict_fn; expected .* object with predict\(data\)"):
        load_project()

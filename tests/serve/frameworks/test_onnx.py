"""ONNX models, which are served without any code of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from mlberth.errors import ModelLoadError
from mlberth_serve.errors import BadRequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.settings import Settings

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
IRIS, SPECIES = load_iris(return_X_y=True)


def write_product(path: Path, inputs: list[tuple[str, int, list[Any]]]) -> None:
    """Write a graph that multiplies its inputs, or squares a single one."""
    infos = [onnx.helper.make_tensor_value_info(*each) for each in inputs]
    names = [name for name, _, _ in inputs] * (2 if len(inputs) == 1 else 1)
    output = onnx.helper.make_tensor_value_info("product", inputs[0][1], None)
    node = onnx.helper.make_node("Mul", names, ["product"])
    graph = onnx.helper.make_graph([node], "graph", infos, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def load(model_dir: Path) -> Any:
    """Return a function that asks the model of a folder."""
    handler = load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))
    assert handler.predict_fn
    predict = handler.predict_fn
    return lambda data: predict(data, handler.model, Context())


def test_sklearn_model_predicts_the_same(model_dir: Path) -> None:
    """A classifier that skl2onnx exported answers with its labels."""
    skl2onnx = pytest.importorskip("skl2onnx")
    model = LogisticRegression(max_iter=1000).fit(IRIS, SPECIES)
    exported = skl2onnx.to_onnx(model, IRIS[:1].astype(np.float32))
    (model_dir / "model.onnx").write_bytes(exported.SerializeToString())
    predict = load(model_dir)
    np.testing.assert_array_equal(predict(IRIS), model.predict(IRIS))
    assert predict(IRIS[0]).shape == (1,)
    with pytest.raises(BadRequestError, match="rows of 4 cells"):
        predict(IRIS[:, :3])
    with pytest.raises(BadRequestError, match="takes numbers"):
        predict(np.array([["a", 1, 2, 3]], dtype=object))


def test_cells_get_the_type_of_the_input(model_dir: Path) -> None:
    """Whole numbers go into a model of floats, in any number of dimensions."""
    write_product(model_dir / "model.onnx", [("x", onnx.TensorProto.FLOAT, [None, 2, 2])])
    answer = load(model_dir)(np.arange(4).reshape(1, 2, 2))
    assert answer.dtype == np.float32
    assert answer.tolist() == [[[0, 1], [4, 9]]]


def test_input_of_another_shape_is_the_clients_fault(model_dir: Path) -> None:
    """What ONNX Runtime calls an invalid argument is 400."""
    write_product(model_dir / "model.onnx", [("x", onnx.TensorProto.FLOAT, [None, 2, 2])])
    with pytest.raises(BadRequestError, match="refuses the input"):
        load(model_dir)(np.zeros((1, 3, 2)))


def test_several_inputs_get_a_column_each(model_dir: Path) -> None:
    """By place, or by name where the body has names."""
    inputs = [("a", onnx.TensorProto.FLOAT, [None, 1]), ("b", onnx.TensorProto.FLOAT, [None, 1])]
    write_product(model_dir / "model.onnx", inputs)
    predict = load(model_dir)
    assert predict(np.array([[2, 3], [4, 5]])).tolist() == [[6], [20]]
    assert predict(np.array([{"b": 3, "a": 2, "c": 0}])).tolist() == [[6]]
    with pytest.raises(BadRequestError, match="rows of 2 cells"):
        predict(np.array([[2, 3, 4]]))


def test_damaged_model_is_refused(model_dir: Path) -> None:
    """A file that is no ONNX model ends the load, without the path in the message."""
    (model_dir / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelLoadError, match=r"^model\.onnx: ") as caught:
        load(model_dir)
    assert str(model_dir) not in str(caught.value)


def test_one_thread_runs(model_dir: Path) -> None:
    """A session starts no threads: it is loaded before the workers are forked."""
    write_product(model_dir / "model.onnx", [("x", onnx.TensorProto.FLOAT, [None, 2])])
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    predict = load(model_dir)
    predict(np.zeros((1, 2)))
    assert len(list(tasks.iterdir())) <= before

"""Numbers that a model cannot have are refused with their place, and never become others."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth_serve.codecs import CODECS, READERS
from mlberth_serve.codecs.base import Table
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.frameworks.casts import cast, check_float32, to_text
from mlberth_serve.frameworks.columns import by_name
from mlberth_serve.frameworks.rows import to_rows
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.media_types import parse_content_type
from mlberth_serve.settings import Settings

WHOLE = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
TYPES = [*WHOLE, "f2", "f4", "f8"]
REFUSED = {
    "missing": ([[1.0, np.nan]], "i8", "Row 0, column 1, counted from 0, is nan; the model takes whole"),
    "fraction": ([[1.9]], "i8", "is 1.9; the model takes whole numbers from -9223372036854775808"),
    "too large": ([[1e30]], "i8", "is 1e[+]30"),
    "no float is exact": ([[2.0**53]], "i8", "2[*][*]53"),
    "infinite": ([[np.inf]], "i4", "is inf"),
    "above": ([[0], [300]], "u1", "Row 1, column 0, .* is 300; the model takes whole numbers from 0 to 255"),
    "below": ([[-1]], "u1", "is -1"),
    "one dimension": ([0, -129], "i1", "Row 1, counted from 0, is -129"),
    "boolean": ([[0.0, 1.0, np.nan]], "?", "column 2, .* is nan; the model takes 0 and 1"),
    "two is no boolean": ([[2]], "?", "is 2"),
    "half": ([[1e6]], "f2", "is 1000000.0; the model takes numbers up to 65504"),
    "half of whole": ([[70000]], "f2", "is 70000"),
    "single": ([[-1e300]], "f4", "is -1e[+]300"),
    "text": ([["1.5", 2]], "f4", "is a str; the model takes numbers"),
    "unsigned": ([[2**63]], "i8", "is 9223372036854775808"),
}


@pytest.mark.parametrize(("rows", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_value_that_cannot_be_kept_is_refused(rows: Any, kind: str, message: str) -> None:
    """Its row and column, the value and what the model takes are told."""
    array = np.array(rows, dtype=object if any(isinstance(cell, str) for cell in np.ravel(rows)) else None)
    if array.dtype.kind == "U":
        array = np.array(rows, dtype=object)
    with pytest.raises(BadRequestError, match=message):
        cast(array, kind)


@differential(500)
@given(
    hnp.arrays(st.sampled_from(TYPES), hnp.array_shapes(max_dims=2, max_side=3)),
    st.sampled_from(TYPES),
)
def test_what_is_cast_has_its_value(array: Any, kind: str) -> None:
    """Whatever the types, a cast gives the same numbers, rounded where it is to a float, or refuses."""
    try:
        found = cast(array, kind)
    except BadRequestError:
        with np.errstate(all="ignore"):
            lost = array.astype(kind)
        exact = [
            one == other for one, other in zip(array.ravel().tolist(), lost.ravel().tolist(), strict=True)
        ]
        beyond = array.dtype.kind == "f" and (np.abs(array.astype(float)) >= 2.0**53).any()
        assert not all(exact) or beyond or np.isnan(array).any()
        return
    assert found.dtype == np.dtype(kind)
    for before, after in zip(array.ravel().tolist(), found.ravel().tolist(), strict=True):
        if found.dtype.kind != "f":
            assert before == after
        elif np.isnan(before):
            assert np.isnan(after)
        else:
            assert np.isinf(after) == np.isinf(before)
            assert abs(after - before) <= abs(before) * np.finfo(kind).eps + np.finfo(kind).tiny or np.isinf(
                after
            )


def test_text_is_never_made_of_numbers() -> None:
    """Whether 1.0 was 1 is not known any more; a missing cell is no `nan`."""
    assert to_text(np.array([["1", "a"]], dtype=object)).tolist() == [["1", "a"]]
    assert to_text(np.array(["ab"])).dtype == object
    for cell in (1.0, 1, True, None, float("nan"), {"a": 1}):
        with pytest.raises(BadRequestError, match=r"Row 0, column 1, .* the model takes text"):
            to_text(np.array([["a", cell]], dtype=object))
    with pytest.raises(BadRequestError, match=r"'colour'.* is 1.0; the model takes text"):
        to_text(np.array([[1.0]]), "colour")


def test_text_that_many_cells_share_is_counted_for_each() -> None:
    """ONNX Runtime copies each cell: what that takes is bounded before."""
    shared = np.array(["x" * 1_000_000] * 1000 + ["y"], dtype=object)
    with pytest.raises(RequestError) as caught:
        to_text(shared)
    assert caught.value.status == 413


@differential(300)
@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=4)))
def test_what_is_finite_stays_so_as_float32(rows: Any) -> None:
    """Only a finite number that a float32 has not is refused."""
    with np.errstate(over="ignore"):
        lost = np.isfinite(rows) & (np.abs(rows) > np.finfo(np.float32).max)
    if lost.any():
        with pytest.raises(BadRequestError, match=r"numbers up to 3"):
            check_float32(rows)
    else:
        check_float32(rows)


def test_records_keep_whole_numbers() -> None:
    """A whole number that no float is is refused by its name."""
    with pytest.raises(BadRequestError, match=r"Record 1, .* 9007199254740993 under 'id'"):
        by_name(np.array([{"id": 1, "b": 2.5}, {"id": 2**53 + 1, "b": 1}]), ["b", "id"])
    assert by_name(np.array([{"id": 2**53, "b": None}]), ["id", "b"])[0, 0] == 2**53


@pytest.mark.parametrize(
    "name",
    [
        "text/csv",
        "application/json",
        "application/jsonlines",
        "application/x-npy",
        "application/x-npz",
        "application/x-recordio-protobuf",
        "application/x-parquet",
    ],
)
@pytest.mark.parametrize("kind", [">i8", ">f8", ">f4", ">u2", ">i4"])
def test_big_endian_predictions_are_written(name: str, kind: str) -> None:
    """What the machine's byte order is does not matter: the numbers are the same."""
    if "parquet" in name:
        pytest.importorskip("pyarrow")
    array = np.array([[1, 2], [300, 4]], kind)
    body = CODECS[name].encode(array)
    np.testing.assert_array_equal(
        np.asarray(READERS[name].decode(body, parse_content_type(name)).array), array
    )


def test_big_endian_arrays_are_written_wherever_they_are() -> None:
    """JSON holds lists and maps of arrays too."""
    array = np.array([1.5, 2], ">f8")
    value = {"predictions": [array, {"a": (array, "text")}], "b": np.arange(2)}
    assert json.loads(CODECS["application/json"].encode(value)) == {
        "predictions": [[1.5, 2], {"a": [[1.5, 2], "text"]}],
        "b": [0, 1],
    }
    assert CODECS["application/json"].encode(np.array([1.5], np.longdouble)) == b"[1.5]"


def test_recordio_numbers_are_kept() -> None:
    """Half floats are written as floats; a whole number of more than 32 bits is refused."""
    codec, media_type = (
        CODECS["application/x-recordio-protobuf"],
        parse_content_type("application/x-recordio-protobuf"),
    )
    body = codec.encode(np.array([[1.5, 65504]], np.float16))
    assert codec.decode(body, media_type).array.tolist() == [[1.5, 65504]]
    body = codec.encode(np.array([[-1, 2**31 - 1]]))
    assert codec.decode(body, media_type).array.tolist() == [[-1, 2**31 - 1]]
    longer = body.replace(b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\x7f")
    assert longer != body
    with pytest.raises(BadRequestError, match=r"holds 34359738367, which has more"):
        codec.decode(longer, media_type)


@pytest.fixture
def onnx_model(model_dir: Path) -> Any:
    """Return a function that writes a model that gives back its inputs, and asks it."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")

    def ask(kinds: dict[str, str], data: Any) -> Any:
        inputs = [
            onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), [None, None])
            for name, kind in kinds.items()
        ]
        first = next(iter(kinds))
        output = onnx.helper.make_tensor_value_info("y", getattr(onnx.TensorProto, kinds[first]), None)
        nodes = [onnx.helper.make_node("Identity", [first], ["y"])]
        graph = onnx.helper.make_graph(nodes, "graph", inputs, [output])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
        (model_dir / "model.onnx").write_bytes(model.SerializeToString())
        handler = load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))
        assert handler.predict_fn
        return handler.predict_fn(data, handler.model, Context())

    return ask


@pytest.mark.parametrize(
    "kind",
    [
        "INT8",
        "INT16",
        "INT32",
        "INT64",
        "UINT8",
        "UINT16",
        "UINT32",
        "UINT64",
        "BOOL",
        "FLOAT16",
        "FLOAT",
        "DOUBLE",
    ],
)
def test_onnx_inputs_of_every_type(onnx_model: Any, kind: str) -> None:
    """A model of any type of numbers gets the numbers, and what it has not is refused."""
    assert onnx_model({"x": kind}, np.array([[0.0, 1.0]])).tolist() == [[0, 1]]
    if kind != "DOUBLE":
        with pytest.raises(BadRequestError, match=r"Row 0, column 1, .* is 1e[+]300; the model takes"):
            onnx_model({"x": kind}, np.array([[0.0, 1e300]]))


def test_onnx_columns_of_text_and_numbers(onnx_model: Any) -> None:
    """Each column of a mixed table gets its own type; a fault is told by the column's name."""
    rows = Table.of(np.array([["a", 1.0], ["b", 2.0]], dtype=object), ["colour", "size"])
    assert onnx_model({"colour": "STRING", "size": "INT64"}, rows).tolist() == [["a"], ["b"]]
    assert onnx_model({"size": "INT64", "colour": "STRING"}, rows).tolist() == [[1], [2]]
    with pytest.raises(BadRequestError, match=r"Row 0, column 'colour', counted from 0, is a str"):
        onnx_model({"colour": "FLOAT", "size": "FLOAT"}, rows)
    with pytest.raises(BadRequestError, match=r"column 'size', .* is 1.0; the model takes text"):
        onnx_model({"colour": "STRING", "size": "STRING"}, rows)


def test_json_numbers_are_those_that_were_sent(onnx_model: Any) -> None:
    """Whole numbers of JSON reach a model of 64 bits to the last digit."""
    body = json.dumps([[2**63 - 1, -(2**63)]]).encode()
    data = READERS["application/json"].decode(body, parse_content_type("application/json")).array
    assert onnx_model({"x": "INT64"}, data).tolist() == [[2**63 - 1, -(2**63)]]


def test_what_grows_in_a_cast_is_bounded() -> None:
    """Small numbers that unpack to much are not made larger ones of them."""
    data = np.broadcast_to(np.uint8(1), (100_000_000, 1))  # it takes no memory
    for work in (lambda: cast(data, np.int64), lambda: to_rows(data, 1)):
        with pytest.raises(RequestError, match=r"unpacked size"):
            work()


@pytest.mark.parametrize("inner", ["null", "1e300", '"a"', "1.5"])
def test_arrays_of_many_dimensions_are_read_and_refused(inner: str) -> None:
    """Numpy has 64 dimensions, and some of its functions take 32: the client is told what is wrong."""
    body = ("[" * 61 + inner + "]" * 61).encode()
    data = READERS["application/json"].decode(body, parse_content_type("application/json")).array
    assert data.ndim == 61
    for work in (lambda: cast(data, np.int64), lambda: to_text(data), lambda: to_rows(data, 1)):
        with contextlib.suppress(BadRequestError):
            work()

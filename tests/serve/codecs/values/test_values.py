"""What a handler may return: each value is written as what it is, or refused by name."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import warnings
from collections import OrderedDict, UserDict, deque, namedtuple
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth_serve.codecs import CODECS
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, NPY

pd = pytest.importorskip("pandas")

HALF = "ab\ud83d"
NAT = np.datetime64("NaT")
Point = namedtuple("Point", "x label")


class Colour(enum.Enum):
    """An enum of text."""

    RED = "red"


class Level(enum.IntEnum):
    """An enum of numbers."""

    HIGH = 3


@dataclasses.dataclass
class Score:
    """A dataclass with anything in it."""

    value: Any
    label: str = "a"


class Dumped:
    """An object of pydantic's protocol."""

    def model_dump(self) -> dict[str, Any]:
        """Return what is in it."""
        return {"value": np.float32(0.5)}


UTC = dt.timezone.utc
Whole = type("Whole", (int,), {})
Huge = enum.IntEnum("Huge", {"HUGE": 2**70})
VALUES: dict[str, tuple[Any, str, str | None]] = {
    "67 bits": (2**67, "147573952589676412928", "147573952589676412928\n"),
    "negative beyond 64 bits": ([-(2**64), 1], "[-18446744073709551616,1]", "-18446744073709551616\n1\n"),
    "unsigned beside negative": ([2**63, -1], "[9223372036854775808,-1]", "9223372036854775808\n-1\n"),
    "whole beside float": ([2**53 + 1, 0.5], "[9007199254740993,0.5]", "9007199254740993\n0.5\n"),
    "half a pair": (HALF, '"ab\\ud83d"', "ab\ufffd\n"),
    "half a pair deep inside": (
        {"a": [{"b": HALF}], HALF: 1},
        '{"a":[{"b":"ab\\ud83d"}],"ab\\ud83d":1}',
        None,
    ),
    "own whole number": ([Whole(2**70), Whole(1)], "[1180591620717411303424,1]", None),
    "enum of a large number": (
        {Huge.HUGE: Huge.HUGE},
        '{"1180591620717411303424":1180591620717411303424}',
        None,
    ),
    "decimal": (Decimal("1.10"), "1.10", "1.10\n"),
    "decimal that is no number": ([Decimal("NaN"), Decimal("Infinity")], "[null,null]", None),
    "date": (dt.date(2020, 1, 2), '"2020-01-02"', "2020-01-02\n"),
    "time with a zone": (
        dt.datetime(2020, 1, 2, 3, tzinfo=UTC),
        '"2020-01-02T03:00:00+00:00"',
        "2020-01-02T03:00:00+00:00\n",
    ),
    "epoch": ([dt.datetime(1970, 1, 1)], '["1970-01-01T00:00:00"]', "1970-01-01T00:00:00\n"),
    "text of the epoch": ("1970-01-01T00:00:00", '"1970-01-01T00:00:00"', "1970-01-01T00:00:00\n"),
    "duration": (dt.timedelta(minutes=1), "60.0", "60.0\n"),
    "enum": ([Colour.RED, Level.HIGH], '["red",3]', "red\n3\n"),
    "enum as key": ({Colour.RED: Level.HIGH}, '{"red":3}', None),
    "dataclass": (Score(np.arange(2)), '{"value":[0,1],"label":"a"}', None),
    "dataclass with a large number": (Score(2**70), '{"value":1180591620717411303424,"label":"a"}', None),
    "named tuple": (Point(1, "a"), '[1,"a"]', "1\na\n"),
    "pydantic": ([Dumped()], '[{"value":0.5}]', None),
    "uuid": (UUID(int=1), f'"{UUID(int=1)}"', f"{UUID(int=1)}\n"),
    "set": ({3, 1, 2}, "[1,2,3]", None),
    "set of a mixture": (frozenset({1, "a"}), '["a",1]', None),
    "map": (MappingProxyType({"a": UserDict(b=1)}), '{"a":{"b":1}}', None),
    "ordered map": (OrderedDict(b=1, a=2), '{"b":1,"a":2}', None),
    "views": ([{"b": 1}.values(), {"b": 1}.keys(), {"b": 1}.items()], '[[1],["b"],[["b",1]]]', None),
    "deque and range": ([deque([1, "a"]), range(2)], '[[1,"a"],[0,1]]', None),
    "keys of numpy": ({np.int64(7): 1, np.float32(0.5): 2, np.str_("a"): 3}, '{"7":1,"0.5":2,"a":3}', None),
    "large key": ({2**70: 1}, '{"1180591620717411303424":1}', None),
    "bytes of text": (np.array([b"a", b"\xc3\xa9"]), '["a","é"]', "a\né\n"),
    "text and numbers": ([[1, "a"], [0.1, "b"]], '[[1,"a"],[0.1,"b"]]', "1,a\n0.1,b\n"),
    "masked": (np.ma.array([1, 2], mask=[False, True]), "[1,null]", '1\n""\n'),
    "masked floats": (np.ma.array([1.5, 2], mask=[False, True]), "[1.5,null]", "1.5\nnan\n"),
    "dates": (
        np.array(["2020-01-02", "NaT"], "M8[D]"),
        '["2020-01-02T00:00:00",null]',
        '2020-01-02T00:00:00\n""\n',
    ),
    "dates in a map": (
        {"at": [NAT, np.datetime64("1970-01-01")]},
        '{"at":[null,"1970-01-01T00:00:00"]}',
        None,
    ),
    "durations": (np.array([1500, "NaT"], "m8[ms]"), "[1.5,null]", "1.5\nnan\n"),
    "long double": (np.array([0.5], np.longdouble), "[0.5]", "0.5\n"),
    "half": (np.array([0.5], np.float16), "[0.5]", "0.5\n"),
    "big endian": ({"a": np.array([1], ">i4")}, '{"a":[1]}', None),
    "object": (np.array([{"a": {1}}, None], dtype=object), '[{"a":[1]},null]', None),
    "an object alone": (np.array({"a": 1}, dtype=object), '{"a":1}', None),
    "series of dates": (
        pd.Series(pd.to_datetime(["2020-01-02", None])),
        '["2020-01-02T00:00:00",null]',
        '2020-01-02T00:00:00\n""\n',
    ),
    "series with gaps": (pd.Series([1, None], dtype="Int64"), "[1.0,null]", "1.0\nnan\n"),
    "series of categories": (pd.Series(["a", "b"], dtype="category"), '["a","b"]', "a\nb\n"),
    "missing": ([pd.NA, pd.NaT, None], "[null,null,null]", '""\n""\n""\n'),
    "frame": (
        pd.DataFrame({"a": [1, 2], "b": ["x", None], "at": pd.to_datetime(["2020-01-02", None])}),
        '[[1,"x","2020-01-02T00:00:00"],[2,null,null]]',
        None,
    ),
    "frame of large numbers": (
        pd.DataFrame({"a": [2**60 + 1], "b": [0.5]}),
        "[[1152921504606846977,0.5]]",
        "1152921504606846977,0.5\n",
    ),
}


@pytest.mark.parametrize(("value", "as_json", "as_csv"), VALUES.values(), ids=VALUES)
def test_values_are_written_as_what_they_are(value: Any, as_json: str, as_csv: str | None) -> None:
    """Each in JSON, beside others too, and in CSV where it is a cell."""
    assert CODECS[JSON].encode(value).decode() == as_json
    assert CODECS[JSON].encode({"a": [value, 2**70]}).decode() == f'{{"a":[{as_json},{2**70}]}}'
    if as_csv is not None:
        assert CODECS[CSV].encode(value).decode() == as_csv


REFUSED = {
    "object": (object(), "object"),
    "bytes": (b"\x89PNG", "bytes"),
    "bytearray": (bytearray(b"a"), "bytearray"),
    "memoryview": (memoryview(b"a"), "memory"),
    "complex": (1j, "complex"),
    "complex array": (np.array([1j], np.complex64), "complex64"),
    "record": (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "'a'"),
    "bytes that are no text": (np.array([b"\xff"]), "UTF-8"),
    "generator": ((item for item in [1]), "generator"),
    "class": (Score, "type"),
    "function": (len, "function"),
    "date before the calendar": (np.array(["-0005-01-01", "NaT"], "M8[D]"), "year"),
    "period": (pd.Period("2020"), "Period"),
}


@pytest.mark.parametrize(("value", "named"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("media_type", [JSON, JSON_LINES, CSV, NPY])
def test_what_has_no_word_is_refused_by_name(media_type: str, value: Any, named: str) -> None:
    """No answer holds what Python prints of an object; the error names what it was."""
    if (media_type, named) == (NPY, "UTF-8"):  # numpy's own format holds them
        return
    with pytest.raises((TypeError, ValueError)) as raised:
        CODECS[media_type].encode(value)
    assert media_type == NPY or named in str(raised.value) or "cell" in str(raised.value)
    if media_type in {JSON, JSON_LINES} or not isinstance(
        value, bytes | bytearray | memoryview
    ):  # which numpy makes arrays of
        with pytest.raises((TypeError, ValueError)):
            CODECS[media_type].encode([value])


def test_refusal_names_the_place() -> None:
    """A value deep inside an answer is found by its keys."""
    with pytest.raises(TypeError, match=r"at \['rows'\]\[1\]\['made'\]: a object"):
        CODECS[JSON].encode({"rows": [{"made": 1}, {"made": object()}]})
    with pytest.raises(TypeError, match=r"key of type tuple"):
        CODECS[JSON].encode({(1, 2): 1})


@pytest.mark.parametrize("cell", [{"a": 1}, [1, 2], {1}, Score(1), object(), 1j, np.arange(2)])
def test_csv_holds_cells_alone(cell: Any) -> None:
    """A list, a map or an object in a cell is an error, and not its text."""
    cells = np.empty((1, 2), dtype=object)
    cells[0, :] = [1, None]
    cells[0, 1] = cell
    with pytest.raises(TypeError, match=r"no cell of text/csv"):
        CODECS[CSV].encode(cells)


def test_cells_that_are_objects_of_numbers() -> None:
    """Scalars of any library are written as numbers, float32 as short as it is."""
    cells = np.empty(3, dtype=object)
    cells[:] = [np.float32(0.1), np.int64(2), np.bool_(True)]
    assert CODECS[CSV].encode(cells) == b"0.1\n2\nTrue\n"


def test_numpys_own_format_holds_no_mixture() -> None:
    """Numbers beside text do not become text."""
    with pytest.raises(TypeError, match="mixture"):
        CODECS[NPY].encode([[1, "a"]])


def test_json_lines_of_anything() -> None:
    """What is one object is one line; what is a row of several is a line each."""
    encode = CODECS[JSON_LINES].encode
    assert encode(Score(1)) == b'{"value":1,"label":"a"}\n'
    assert encode(pd.DataFrame({"a": [1], "b": ["x"]})) == b'[1,"x"]\n'
    assert encode([2**70, HALF]) == b'1180591620717411303424\n"ab\\ud83d"\n'
    assert encode(dt.date(2020, 1, 2)) == b'"2020-01-02"\n'
    assert encode(deque([1, 2])) == b"1\n2\n"
    assert encode(np.array([b"a", b"b"])) == b'"a"\n"b"\n'


def test_deep_and_endless_values() -> None:
    """Lists far deeper than orjson takes are written; a list that holds itself is an error."""
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    assert CODECS[JSON].encode(deep) == b"[" * 301 + b"]" * 301
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        CODECS[JSON].encode(endless)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(TREES)
def test_json_reads_back_as_what_was_written(value: Any) -> None:
    """Whatever JSON has a word for comes back the same, whole numbers of any size too."""
    assert json.loads(CODECS[JSON].encode(value)) == value
    assert json.loads(CODECS[JSON].encode([value, 2**70])) == [value, 2**70]


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_reads_back_from_json(text: str) -> None:
    """Half of a surrogate pair too, and two halves that are no pair in Python."""
    again = json.loads(CODECS[JSON].encode([text]))[0]
    both = (one.encode("utf-16-le", "surrogatepass") for one in (again, text))
    assert len(set(both)) == 1


WHOLE = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]


@pytest.mark.parametrize("kind", [*WHOLE, *FLOATS])
def test_tensors_of_every_type(kind: str) -> None:
    """Each of torch's numbers is written, alone, in a map and in CSV."""
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([[0, 1]]).to(getattr(torch, kind))
    expected = [[False, True]] if kind == "bool" else [[0, 1]]
    assert json.loads(CODECS[JSON].encode(tensor)) == expected
    assert json.loads(CODECS[JSON].encode({"a": [tensor[0][1]]})) == {"a": [expected[0][1]]}
    assert CODECS[CSV].encode(tensor).startswith(b"False," if kind == "bool" else b"0")
    assert CODECS[NPY].encode(tensor).startswith(b"\x93NUMPY")


def test_tensors_of_every_layout() -> None:
    """Sparse, quantized, conjugate and gradient-carrying tensors are numbers; complex ones are refused."""
    torch = pytest.importorskip("torch")
    one = torch.eye(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are on their way out
        quantized = torch.quantize_per_tensor(one, 1.0, 0, torch.qint8)
    rare = [
        one.to_sparse(),
        quantized,
        torch.tensor([[1 - 1j]]).conj().imag,
        torch.nn.Parameter(one),
        one.expand(1, 1).T,
    ]
    for tensor in rare:
        assert CODECS[JSON].encode(tensor) == b"[[1.0]]"
    with pytest.raises(TypeError, match="complex64"):
        CODECS[JSON].encode(torch.tensor([1j]))


@pytest.mark.parametrize("kind", ["bfloat16", "float8_e4m3fn", "int4"])
def test_numbers_of_few_bits(kind: str) -> None:
    """JAX's types of numpy's are numbers too."""
    few = pytest.importorskip("ml_dtypes")
    assert CODECS[JSON].encode({"a": np.array([1], getattr(few, kind))}) == b'{"a":[1.0]}'

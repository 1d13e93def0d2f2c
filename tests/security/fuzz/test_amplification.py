"""Bodies made to cost much: what reading one takes follows from its size, and is bounded before."""

from __future__ import annotations

import contextlib
import csv
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from tests.security.fuzz.amplification import Body, Cost, Maker, measure
from tests.security.fuzz.fuzzing import LONG, Fuzzer

from mlberth.compat import arrays
from mlberth_serve.app.content_encoding import decode_content
from mlberth_serve.codecs import READERS
from mlberth_serve.codecs.base import MAX_DECODED_BYTES, MAX_TIMES
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks.casts import cast, check_float32, to_text
from mlberth_serve.frameworks.columns import by_name, to_frame
from mlberth_serve.frameworks.rows import explain_refusal, to_dense, to_numbers, to_rows
from mlberth_serve.media_types import CSV, JSON, LIBSVM, NPY, NPZ, RECORDIO, parse_content_type
from mlberth_serve.profiles import peer_formats, xgboost_input
from mlberth_serve.profiles.peer_formats import to_float32
from mlberth_serve.profiles.xgboost_input import InputError

LIMIT = 25 * 1024 * 1024
"""The payload limit of the gzip bodies."""
SPARE_MEGABYTES = 160
"""What is not for the body's cells: pieces that are read at a time, and libraries that are loaded at last."""
SECONDS = 4.0
SECONDS_A_MEGABYTE = 1.0
TEXT_TIMES = 45
"""How many times its own bytes a body of text may take while it is read."""
MAX_COLUMNS = 1000
"""What a data frame is made of has as many columns as a model, whatever the body has."""
PACKED = ("application/x-npz", "application/x-parquet", "image/", "application/x-image", "gzip")
"""What can hold more than its own bytes: these have the whole bound, all others have TEXT_TIMES."""
SIZES = (100_000, 1_000_000, 4_000_000) if LONG else (100_000, 300_000)


def read(content_type: str, body: bytes) -> Any:
    """Read a body as a request's is."""
    if content_type == "gzip":
        return decode_content(body, "gzip", LIMIT)
    media_type = parse_content_type(content_type)
    return READERS[media_type.name].decode(body, media_type).array


def fault_of(content_type: str, body: bytes, cost: Cost) -> str:
    """Return what a body may not have done, "" where all is well."""
    maximum = max(MAX_DECODED_BYTES, MAX_TIMES * len(body)) // 1024**2
    if not content_type.startswith(PACKED):
        maximum = min(maximum, TEXT_TIMES * len(body) // 1024**2)
    if cost.megabytes > maximum + SPARE_MEGABYTES:
        return f"{cost.megabytes} MB, more than {maximum} + {SPARE_MEGABYTES}"
    if cost.seconds > SECONDS + SECONDS_A_MEGABYTE * len(body) / 1e6:
        return f"{cost.seconds:.1f} s"
    if cost.ended != "read" and not (cost.ended.isdigit() and cost.ended.startswith("4")):
        return cost.ended
    return ""


def search(name: str, short: int, work: Callable[[str, bytes], Any], make: Callable[[Maker], Body]) -> None:
    """Make bodies, and measure what each takes."""
    fuzzer = Fuzzer(name, short=short, long=20_000)
    figures: Counter[str] = Counter({"inputs": 0, "faults": 0, "most_mb": 0, "most_ms": 0})
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        content_type, body = make(Maker(chance, chance.choice(SIZES)))
        cost = measure(partial(work, content_type, body))
        figures["inputs"] += 1
        figures["most_mb"] = max(figures["most_mb"], cost.megabytes)
        figures["most_ms"] = max(figures["most_ms"], int(cost.seconds * 1000))
        figures[cost.ended if len(cost.ended) < 5 else "other"] += 1
        if fault := fault_of(content_type, body, cost):
            figures["faults"] += 1
            fuzzer.fail(number, f"{content_type}: {fault}", body)
    fuzzer.report(**figures)
    assert fuzzer.failures == []
    assert figures["read"] > figures["inputs"] / 20


@pytest.mark.filterwarnings("ignore")  # that a process with threads is forked: the child only reads
def test_no_body_takes_more_than_its_bound() -> None:
    """Memory and time are in proportion to the body, or below the bound of what unpacks."""
    pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("PIL.Image")
    pytest.importorskip("scipy.sparse")
    search("amplification", 27, read, Maker.make)


@pytest.mark.filterwarnings("ignore")
def test_no_conversion_takes_more_than_its_bound() -> None:
    """What the frameworks, the profiles and the stand-ins make of a body is bounded as well."""
    for module in ("xgboost", "scipy.sparse", "pandas"):
        pytest.importorskip(module)
    search("conversions", 24, convert, Maker.make_rows)


def convert(content_type: str, body: bytes) -> None:
    """Do with a body one of the things that are done with its type."""
    works = (*FROM_ARRAY, *FROM_BODY.get(content_type.partition(";")[0], ()))
    work = works[zlib.crc32(body) % len(works)]
    if work in FROM_ARRAY:
        work(read(content_type, body))
        return
    try:
        work(body)
    except (ValueError, TypeError, InputError, csv.Error) as error:  # a stand-in's, which the handler answers
        raise BadRequestError(str(error)[:50]) from None


def by_its_names(data: Any) -> None:
    """Look up the cells by name, as for a model of a data frame."""
    names = list(getattr(data, "columns", ())) or ["a", "b"]
    rows = by_name(data, names)
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] < MAX_COLUMNS:
        to_frame(rows, [str(at) for at in range(rows.shape[1])])


def to_dmatrix(data: Any) -> None:
    """Make XGBoost's matrix of rows of numbers."""
    rows = to_numbers(to_rows(data, None))
    check = rows.data if hasattr(rows, "tocsr") else rows
    check_float32(check)
    import xgboost

    with contextlib.suppress(xgboost.core.XGBoostError):  # infinite values, and types that it does not know
        xgboost_input.to_dmatrix(rows)


FROM_ARRAY: tuple[Callable[[Any], Any], ...] = (
    by_its_names,
    to_dmatrix,
    lambda data: to_text(to_dense(data)),
    lambda data: cast(to_dense(data), np.int64),
    lambda data: cast(to_dense(data), np.float32),
    lambda data: explain_refusal(to_dense(data)),
)
FROM_BODY: dict[str, tuple[Callable[[bytes], Any], ...]] = {
    JSON: (
        lambda body: to_float32(peer_formats.read_json(body.decode())),
        arrays.json_to_numpy,
    ),
    CSV: (
        lambda body: to_float32(peer_formats.read_smc_csv(body.decode())),
        lambda body: to_float32(peer_formats.read_sit_csv(body.decode())),
        lambda body: xgboost_input.read_matrix(body, xgboost_input.CSV_KIND, 3),
        arrays.csv_to_numpy,
    ),
    LIBSVM: (lambda body: xgboost_input.read_matrix(body, xgboost_input.LIBSVM_KIND, 3),),
    RECORDIO: (lambda body: xgboost_input.read_matrix(body, xgboost_input.RECORDIO_KIND),),
    NPY: (arrays.npy_to_numpy,),
    NPZ: (arrays.npz_to_sparse,),
}

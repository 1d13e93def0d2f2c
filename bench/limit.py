"""The limit: decode, predict and encode in one process, with no server around it.

    python -m bench.limit FOLDER SECONDS CASE...

Prints a JSON object: requests per CPU second by case, for mlberth's own codecs and for the leanest code
that reads these very bodies. The faster of the two is the limit. The model is asked as its library says;
mlberth's handler, which has shorter ways for some models, is measured beside them.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import orjson
from bench.data import CSV, JSON, MODEL_FILE, NPY, Case, cases

from mlberth_serve import frameworks
from mlberth_serve.codecs import CODECS
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import parse_content_type

Step = Callable[[Any], Any]
XGBOOST_FILE = "model.ubj"
HANDLER = "handler"


def lean_csv(body: bytes) -> Any:
    """Read a body of plain numbers: put JSON's brackets around it."""
    return np.array(orjson.loads(b"[[" + body.strip().replace(b"\n", b"],[") + b"]]"))


def lean_json(body: bytes) -> Any:
    """Read a list of lists."""
    return np.array(orjson.loads(body))


def lean_npy(body: bytes) -> Any:
    """Take the array from where it lies."""
    start = 10 + int.from_bytes(body[8:10], "little")
    header = ast.literal_eval(body[10:start].decode())
    return np.frombuffer(body, header["descr"], offset=start).reshape(header["shape"])


def write_csv(answer: Any) -> bytes:
    """Write a column of numbers."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].replace(b",", b"\n") + b"\n"


def write_json(answer: Any) -> bytes:
    """Write a list of numbers."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


LEAN: dict[str, tuple[Step, Step]] = {
    CSV: (lean_csv, write_csv),
    JSON: (lean_json, write_json),
    NPY: (lean_npy, CODECS[NPY].encode),
}


def codec_steps(content_type: str) -> tuple[Step, Step]:
    """Return mlberth's decode and encode."""
    media_type, codec = parse_content_type(content_type), CODECS[content_type]
    return lambda body: codec.decode(body, media_type).array, codec.encode


def predictors(folder: Path) -> list[Step]:
    """Return the ways to ask the model of a folder."""
    if (folder / MODEL_FILE).exists():
        return [joblib.load(folder / MODEL_FILE).predict]
    import xgboost

    booster = xgboost.Booster(model_file=folder / XGBOOST_FILE)
    booster.set_param({"nthread": 1})
    return [booster.inplace_predict, lambda rows: booster.predict(xgboost.DMatrix(rows))]


def handler_predict(folder: Path) -> Step:
    """Return how mlberth asks the model of a folder where its user writes no code."""
    framework, path = frameworks.find_model(folder)
    model, context = framework.load(path), Context()
    predict = framework.make_predict(model)
    return lambda rows: predict(rows, model, context)


def rate(case: Case, decode: Step, predict: Step, encode: Step, seconds: float) -> float:
    """Return how often in a CPU second all three can be done."""
    body, count = case.body, 0
    for _ in range(3):
        encode(predict(decode(body)))
    began = time.process_time()
    while (used := time.process_time() - began) < seconds:
        for _ in range(4):
            encode(predict(decode(body)))
        count += 4
    return count / used


def main() -> None:
    """Measure, and print what was found."""
    folder, seconds, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    found: dict[str, dict[str, float]] = {}
    ways, handler = predictors(folder), handler_predict(folder)
    for name in names:
        case = cases()[name]
        both = {"codecs": codec_steps(case.content_type), "lean": LEAN[case.content_type]}
        found[name] = {
            way: max(rate(case, decode, predict, encode, seconds / 2 / len(ways)) for predict in ways)
            for way, (decode, encode) in both.items()
        }
        decode, encode = both["codecs"]
        found[name][HANDLER] = rate(case, decode, handler, encode, seconds / 2)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

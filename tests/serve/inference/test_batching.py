"""Several requests predicted in one call: the answers are those of each request by itself."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tests.serve.conftest import PROJECTS, LoadProject
from tests.serve.running import Answer, Server, children_of, require_nginx
from tests.support import wait_until

from mlberth_serve import batched
from mlberth_serve.app.application import Application
from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.codecs.base import Table
from mlberth_serve.inference.batching import group_key, join, split

APPLICATION = "mlberth_serve.wsgi:application"
CSV, JSON = "text/csv", "application/json"
ROWS = np.random.default_rng(7).normal(size=(60, 4))
LABELS = (ROWS.sum(axis=1) > 0).astype(int)


def environ(body: bytes, content_type: str = CSV, accept: str = JSON, name: str = "a") -> dict[str, Any]:
    """Return the environment of a prediction."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/invocations",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_ACCEPT": accept,
        "HTTP_X_REQUEST_ID": name,
        "wsgi.input": io.BytesIO(body),
    }


def respond_batch(application: Application, requests: list[Any]) -> list[HTTPResponse]:
    """Answer requests together; none is streamed."""
    responses = [
        response for response in application.respond_batch(requests) if isinstance(response, HTTPResponse)
    ]
    assert len(responses) == len(requests)
    return responses


def check(application: Application, requests: Sequence[tuple[bytes, str]]) -> list[int]:
    """Answer requests together, compare with each by itself, and return the statuses."""
    together = respond_batch(
        application, [environ(*request, name=f"r{place}") for place, request in enumerate(requests)]
    )
    for place, (answer, request) in enumerate(zip(together, requests, strict=True)):
        alone = application.respond(environ(*request, name=f"r{place}"))
        assert isinstance(alone, HTTPResponse)
        assert (answer.status, answer.headers, answer.body) == (alone.status, alone.headers, alone.body)
    return [answer.status for answer in together]


def csv(*rows: Any) -> tuple[bytes, str]:
    """Return rows as a body and its type."""
    return "\n".join(",".join(map(str, row)) for row in rows).encode(), CSV


def test_answers_are_those_of_each_request_alone(load_project: LoadProject, model_dir: Path) -> None:
    """Of scikit-learn: CSV and JSON, one row and several, an envelope, one dimension, faults of all kinds."""
    joblib.dump(LogisticRegression().fit(ROWS, LABELS), model_dir / "model.joblib")
    application = load_project()
    requests = [
        *(csv(row) for row in ROWS[:10]),
        csv(*ROWS[10:15]),
        (b"[[1.5, 2, 3, 4]]", JSON),
        (b"[[1, 2, 3, 4], [5, 6, 7, 8]]", JSON),
        (b'{"instances": [[1.5, 2, 3, 4]]}', JSON),
        (b"[1, 2, 3, 4]", JSON),
        (b"1,2,3", CSV),
        (b"1,2,nan,4", CSV),
        (b"1,2,,4", CSV),
        (b"1,2,x,4", CSV),
        (b"", CSV),
        (b"[[", JSON),
        (b"1,2,3,4", "application/pdf"),
        (b"a,b,c,d\n1,2,3,4", "text/csv; header=present"),
    ]
    assert check(application, requests) == [200] * 15 + [400] * 6 + [415, 200]


def test_batch_in_which_all_are_refused(load_project: LoadProject) -> None:
    """Each is told why, as it would be alone, where none is left to predict."""
    application = load_project("batched")
    requests = [environ(*csv((1, 2)), accept="audio/mp3", name=f"r{number}") for number in range(3)]
    assert [answer.status for answer in respond_batch(application, requests)] == [406] * 3


def test_xgboost_in_batches(load_project: LoadProject, model_dir: Path) -> None:
    """The same floats, to the last digit, with several classes too."""
    labels = np.digitize(ROWS[:, 0], [-0.5, 0.5])
    parameters = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(ROWS, labels), 5)
    booster.save_model(model_dir / "model.ubj")
    application = load_project()
    assert application.max_batch_size == 32
    assert check(application, [*(csv(row) for row in ROWS[:20]), csv((1, 2)), csv((1, "", 3, 4))]) == [
        *([200] * 20),
        400,
        200,
    ]


def test_regression_in_batches(load_project: LoadProject, model_dir: Path) -> None:
    """A product of matrices may add up in another order: equal to 12 digits."""
    joblib.dump(LinearRegression().fit(ROWS, ROWS @ [1.0, 2, 3, 4]), model_dir / "model.joblib")
    application = load_project()
    requests = [environ(*csv(row)) for row in ROWS[:32]]
    together = [float(answer.body[1:-1]) for answer in respond_batch(application, requests)]
    assert together == pytest.approx(ROWS[:32] @ [1, 2, 3, 4], rel=1e-9, abs=1e-12)


def test_who_may_be_batched(load_project: LoadProject, model_dir: Path) -> None:
    """By default what looks at each row by itself; a free function in a pipeline may not."""

    def maximum(model: Any, **variables: str) -> int:
        joblib.dump(model.fit(ROWS, LABELS), model_dir / "model.joblib")
        return load_project(**variables).max_batch_size

    plain = make_pipeline(StandardScaler(), LogisticRegression())
    assert maximum(plain) == 32
    assert maximum(plain, SAGEMAKER_BATCH_MAX_SIZE="8") == 8
    assert maximum(plain, SAGEMAKER_BATCH_MAX_SIZE="1") == 1
    free = make_pipeline(FunctionTransformer(np.abs), LogisticRegression())
    assert maximum(free) == 1
    assert maximum(free, SAGEMAKER_BATCH_MAX_SIZE="8") == 8


def test_users_function_is_asked_for_batches_where_it_says_so(
    load_project: LoadProject, make_application: LoadProject
) -> None:
    """By the decorator, or by the variable for one that has none."""
    assert load_project("predict_only").max_batch_size == 1
    assert load_project("predict_only", SAGEMAKER_BATCH_MAX_SIZE="4").max_batch_size == 4


def test_batched_function(load_project: LoadProject) -> None:
    """One call for many; what fails, or ends the program, is one request's fault alone."""
    application = load_project("batched")
    assert application.max_batch_size == 32
    requests = [csv((1, 2)), csv((-2, 0)), csv((3, 4), (5, 6)), csv((-3, 0)), csv((7, 8, 9))]
    assert check(application, requests) == [200, 500, 200, 500, 200]


def test_function_that_does_not_answer_row_by_row(load_project: LoadProject) -> None:
    """Each request is run alone, then and from then on."""
    application = load_project("batched")
    answers = respond_batch(application, [environ(*csv((-5, 0))), environ(*csv((1, 2)))])
    assert answers[1].body == b"[[2.0,4.0]]"
    assert application.max_batch_size == 1
    assert check(application, [csv((1, 2)), csv((3, 4))]) == [200, 200]


def test_decorator_leaves_the_function_as_it_is() -> None:
    """It is a mark and no more."""

    def predict_fn(data: Any, model: Any) -> Any:
        return data

    assert batched(predict_fn) is predict_fn


def test_only_plain_numbers_are_joined() -> None:
    """Of one width and type; text, named columns, single rows and nothing at all stay alone."""
    assert group_key(np.ones((2, 3))) == group_key(np.zeros((1, 3)))
    assert group_key(np.ones((2, 3))) != group_key(np.ones((2, 4)))
    assert group_key(np.ones((2, 3))) != group_key(np.ones((2, 3), dtype=int))
    for alone in (
        np.ones(3),
        np.ones((0, 3)),
        np.array([["a"]], dtype=object),
        Table.of(np.ones((1, 2)), "ab"),
        [[1, 2]],
    ):
        assert group_key(alone) is None


@pytest.mark.parametrize("kind", [list, np.asarray])
def test_prediction_is_split_by_rows(kind: Any) -> None:
    """Whatever holds an item for each row."""
    arrays = [np.ones((1, 2)), np.ones((3, 2))]
    assert join(arrays).shape == (4, 2)
    parts = split(kind([1, 2, 3, 4]), arrays)
    assert parts is not None
    assert [list(part) for part in parts] == [[1], [2, 3, 4]]
    assert split(kind([1, 2, 3]), arrays) is None


@pytest.mark.parametrize(
    "prediction",
    [
        *(None, 1, np.float64(1), {"a": 1, "b": 2, "c": 3, "d": 4}, "abcd", (1, 2, 3, 4)),
        [np.ones((4, 2))] * 4,
        [np.ones(2)] * 4,
        (np.ones((4, 2)),) * 4,
    ],
)
def test_what_has_no_rows_is_not_split(prediction: Any) -> None:
    """Then each request is run alone."""
    assert split(prediction, [np.ones((4, 2))]) is None


class Batches:
    """A server whose one worker is held, so that requests pile up behind it."""

    def __init__(self, folder: Path, workers: int = 1, **variables: str) -> None:
        require_nginx()
        shutil.copytree(PROJECTS / "batched", folder / "ml/model")
        self.gate, self.sizes = folder / "gate", folder / "sizes"
        own = {"BATCHED_GATE": str(self.gate), "BATCHED_SIZES": str(self.sizes)}
        own["SAGEMAKER_MODEL_SERVER_WORKERS"] = str(workers)
        self.server = Server(folder, APPLICATION, **own, **variables)

    def invoke(self, *row: float) -> Answer:
        """Send one row."""
        return self.server.invoke(",".join(map(str, row)), **{"Content-Type": CSV})

    def together(self, rows: Sequence[Sequence[float]]) -> list[Answer]:
        """Send rows, a client each, while the worker is held; returns the answers."""
        for _ in range(4):
            self.invoke(1, 1)  # what a prediction takes is learnt
        holder = threading.Thread(target=self.invoke, args=(-4, 0))
        holder.start()
        wait_until(Path(f"{self.gate}.waits").exists, timeout=20)
        with ThreadPoolExecutor(len(rows)) as pool:
            answers = [pool.submit(self.invoke, *row) for row in rows]
            # All but those for which nginx had a connection to the worker open already.
            wait_until(lambda: self.waiting() >= len(rows) - 6, timeout=20)
            self.gate.touch()
            found = [answer.result(60) for answer in answers]
        holder.join(20)
        return found

    def waiting(self) -> int:
        """Return how many requests wait in the listener's queue."""
        (folder,) = self.server.temporary.iterdir()
        lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return sum(line[6] == "0" and line[-1].startswith(str(folder)) for line in lines)

    def largest(self) -> int:
        """Return how many rows the largest call had."""
        return max(map(int, self.sizes.read_text().split()))


def test_requests_that_wait_are_predicted_together(tmp_path: Path) -> None:
    """In fewer calls than requests; each gets its own answer, id and count."""
    batches = Batches(tmp_path)
    with batches.server:
        batches.server.wait_ready()
        answers = batches.together([(number, 0) for number in range(1, 21)])
        assert [answer.body for answer in answers] == [b"[[%d.0,0.0]]" % (2 * n) for n in range(1, 21)]
        assert len({answer.headers["X-Request-Id"] for answer in answers}) == 20
        assert batches.largest() > 1

        def sample(name: str) -> float:
            answer = batches.server.request("GET", "/metrics")
            if answer.status != 200:  # the page is written once a second, and not before the first
                return -1
            families = text_string_to_metric_families(answer.body.decode())
            return next(each.value for family in families for each in family.samples if each.name == name)

        wait_until(lambda: sample("mlberth_request_seconds_count") == 25, timeout=20)
        wait_until(lambda: sample("mlberth_requests_in_flight") == 0, timeout=20)
        assert sample("mlberth_predict_seconds_count") == 25
        assert sample("mlberth_batch_size_sum") > sample("mlberth_batch_size_count") > 0


def test_one_poisoned_row_kills_only_itself(tmp_path: Path) -> None:
    """32 clients, batching on: the worker dies with the batch, each is run again alone, one is lost."""
    batches = Batches(tmp_path, workers=1)
    with batches.server:
        batches.server.wait_ready()
        rows = [(-1, 0) if number == 9 else (number + 1, 0) for number in range(32)]
        answers = batches.together(rows)
        statuses = [answer.status for answer in answers]
        assert statuses[9] == 502
        assert answers[9].error["code"] == "worker_died"
        assert statuses[:9] + statuses[10:] == [200] * 31
        assert [answer.body for answer in answers[10:]] == [b"[[%d.0,0.0]]" % (2 * n) for n in range(11, 33)]


def test_faulty_rows_fail_alone_among_others(tmp_path: Path) -> None:
    """A handler that raises for one of the rows of a batch answers 500 to that one."""
    batches = Batches(tmp_path)
    with batches.server:
        batches.server.wait_ready()
        (worker,) = children_of(batches.server.children()["gunicorn"])
        rows = [(-2, 0) if number % 8 == 0 else (number, 0) for number in range(32)]
        answers = batches.together(rows)
        assert [answer.status for answer in answers] == [500 if n % 8 == 0 else 200 for n in range(32)]
        assert children_of(batches.server.children()["gunicorn"]) == [worker]

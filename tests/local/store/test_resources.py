"""The table of resources."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlberth_local.store.database import Database
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Query, Resource, Resources


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Resources]:
    """Return an empty table."""
    database = Database(tmp_path / "db")
    yield Resources(database)
    database.close()


def job(name: str, created: float = 1.0, **values: object) -> Resource:
    """Return a training job."""
    fields = {"modified": created, "status": "InProgress", "request": {"Name": name}} | values
    return Resource("training-job", name, f"arn:{name}", created, **fields)  # type: ignore[arg-type]


def test_a_resource_is_kept(resources: Resources) -> None:
    """What was written is read, changed in one transaction, and removed."""
    resources.create(job("a", state={"x": [1]}))
    with resources.changing("training-job", "a") as found:
        assert found == job("a", state={"x": [1]})
        found.state["x"].append(2)
        found.status, found.finished = "Completed", True
    assert resources.get("training-job", "a") == job(
        "a", status="Completed", finished=True, state={"x": [1, 2]}
    )
    resources.delete("training-job", "a")
    for call in (resources.get, resources.delete):
        with pytest.raises(NoSuchResourceError):
            call("training-job", "a")


def test_names_are_taken_by_kind(resources: Resources) -> None:
    """A name is taken once for each kind of resource."""
    resources.create(job("a"))
    with pytest.raises(NameTakenError):
        resources.create(job("a"))
    resources.create(Resource("model", "a", "arn", 1, 1, "", {}))


def test_a_change_that_fails_is_not_kept(resources: Resources) -> None:
    """Nothing of it is saved."""
    resources.create(job("a"))
    with pytest.raises(TypeError), resources.changing("training-job", "a") as found:
        found.state, found.status = {"x": object()}, "Failed"
    assert resources.get("training-job", "a").status == "InProgress"


def test_unfinished(resources: Resources) -> None:
    """What is left to do, oldest first."""
    for name, created, finished in (("a", 3.0, False), ("b", 1.0, False), ("c", 2.0, True)):
        resources.create(job(name, created, finished=finished))
    assert [found.name for found in resources.unfinished("training-job")] == ["b", "a"]


def test_pages(resources: Resources) -> None:
    """Pages follow one another without gaps, also for equal times, whatever is created in between."""
    for number in range(7):
        resources.create(job(f"j{number}", created=float(number // 3)))
    names, after = [], None
    while True:
        page, after = resources.list(Query("training-job", limit=3, after=after))
        names += [found.name for found in page]
        resources.create(job(f"new{len(names)}", created=9.0))
        if after is None:
            break
    assert names == [f"j{number}" for number in (6, 5, 4, 3, 2, 1, 0)]


def test_filters(resources: Resources) -> None:
    """Each filter of the service narrows the list."""
    resources.create(job("abc", 1.0, status="Failed"))
    resources.create(job("abd", 2.0, modified=5.0))
    for query, expected in (
        (Query("training-job", name_contains="bc"), ["abc"]),
        (Query("training-job", status="InProgress"), ["abd"]),
        (Query("training-job", created_after=1.0), ["abd"]),
        (Query("training-job", created_before=2.0), ["abc"]),
        (Query("training-job", modified_after=4.0), ["abd"]),
        (Query("training-job", modified_before=4.0), ["abc"]),
        (Query("training-job", sort_by="name", descending=False), ["abc", "abd"]),
        (Query("model"), []),
    ):
        assert [found.name for found in resources.list(query)[0]] == expected, query
    with pytest.raises(ValueError, match="expected one of created"):
        resources.list(Query("training-job", sort_by="x"))


def test_many_finished_jobs_cost_a_listing_little(tmp_path: Path) -> None:
    """Ten thousand finished jobs: a page takes less than 20 ms."""
    database = Database(tmp_path / "db")
    with database.transaction() as connection:
        connection.executemany(
            "INSERT INTO resource VALUES ('training-job', ?, 'arn', ?, ?, 'Completed', 1, '{}', '{}')",
            [(f"job-{number}", float(number), float(number)) for number in range(10_000)],
        )
    resources = Resources(database)
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        assert len(resources.list(Query("training-job", limit=100))[0]) == 100
        assert resources.unfinished("training-job") == []
        best = min(best, time.perf_counter() - began)
    assert best < 0.02
    database.close()

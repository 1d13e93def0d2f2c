"""Reports of health, as records of endpoints have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlberth_local.endpoints.health import HealthNotes
from mlberth_local.endpoints.record import KIND, Deployment, EndpointState, Fleet, Instance, keep, state_of
from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resource, Resources


class Noted:
    """Notes with a store that has the endpoints `a` and `b`, each with the instances `i` and `j`."""

    def __init__(self, database: Database) -> None:
        self.resources = Resources(database)
        self.woken: list[str] = []
        for name in ("a", "b"):
            fleet = Fleet("v", {}, [{}], 1.0, 2, instances=[Instance("i", [1]), Instance("j", [2])])
            row = Resource(KIND, name, "", 0.0, 0.0, "InService", {})
            keep(row, EndpointState([Deployment(1, "c", {}, [fleet], share=1.0)]))
            self.resources.create(row)
        self.notes = self.restarted()

    def restarted(self) -> HealthNotes:
        """Return the notes of another daemon."""
        notes = HealthNotes(self.resources, clock=lambda: 7.0, wake=self.woken.append)
        for row in self.resources.unfinished(KIND):
            notes.remember(row.name, state_of(row))
        return notes

    def problems(self, name: str) -> list[str]:
        """Return what is wrong with the instances of an endpoint."""
        return [one.problem for _, one in state_of(self.resources.get(KIND, name)).instances()]


@pytest.fixture
def noted(tmp_path: Path) -> Iterator[Noted]:
    """Return notes, and close their store."""
    with closing(Database(tmp_path / "db")) as database:
        yield Noted(database)


def test_reports(noted: Noted) -> None:
    """Who is named is sick, and looked after each time; who is not is well. An old report changes nothing."""
    noted.notes.note([["a", "j", 1, "hangs", 5.0]], 1.0)
    assert noted.problems("a") == ["", "hangs"]
    assert noted.problems("b") == ["", ""]
    assert noted.woken == ["a"]
    modified = noted.resources.get(KIND, "a").modified
    noted.notes.note(
        [["a", "j", 1, "hangs", 5.0], ["b", "i", 1, "503", 6.0], ["gone", "i", 1, "x", 1.0]], 2.0
    )
    assert sorted(noted.woken) == ["a", "a", "b", "gone"]
    assert noted.resources.get(KIND, "a").modified == modified
    noted.notes.note([], 1.5)
    assert noted.problems("b") == ["503", ""]
    noted.notes.note([["a", "j", 1, "hangs", 5.0]], 3.0)
    assert (noted.problems("a"), noted.problems("b")) == (["", "hangs"], ["", ""])


def test_another_daemon(noted: Noted) -> None:
    """It knows what was written down, so that an instance that is well again is so in the record, too."""
    noted.notes.note([["a", "i", 1, "hangs", 5.0]], 1.0)
    noted.restarted().note([], 2.0)
    assert noted.problems("a") == ["", ""]

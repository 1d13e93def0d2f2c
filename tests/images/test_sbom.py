"""The SBOM of each image: it lists all that is inside, and nothing with a fault that has been fixed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from packaging.version import Version
from tests.images.conftest import Image
from tests.images.engine import FLAVOURS, KINDS, ROOT, Engine

tomllib = pytest.importorskip("tomllib")
FLOORS = tomllib.loads((ROOT / "tests/security/floors.toml").read_text())
PLACE = "/usr/share/mlberth/sbom.cdx.json"
READ = f"""
cat {PLACE}
printf '\\f'
pip list --format=freeze
pip list --format=freeze --path /opt/venv/share/mlberth/aws
printf '\\f'
dpkg-query --show --showformat='${{Package}}==${{Version}}\\n'
"""
# Compares as Debian does: prints what is older than its floor.
OLDER = 'while read name found floor; do dpkg --compare-versions "$found" ge "$floor" || echo "$name"; done'

Component = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """What an image says that it holds, and what it does hold: lines of `name==version`."""

    document: dict[str, Any]
    python: set[str]
    debian: set[str]

    def listed(self, kind: str) -> set[str]:
        """Return the packages of a kind in the SBOM, as name==version."""
        return {f"{one['name']}=={one['version']}" for one in self.components(kind)}

    def components(self, kind: str) -> list[Component]:
        """Return the components of a kind at the top of the SBOM."""
        return [one for one in self.document["components"] if one.get("purl", "").startswith(f"pkg:{kind}/")]


@pytest.fixture(scope="module")
def content(engine: Engine, image: Image) -> Any:
    """Return a function that looks into an image, once."""

    @cache
    def look(kind: str, flavour: str) -> Content:
        done = engine.run(image(kind, flavour), "sh", "-c", READ)
        assert done.returncode == 0, done.stderr
        document, python, debian = done.stdout.split("\f")
        normal = {line.lower().replace("_", "-") for line in python.split()}
        return Content(json.loads(document), normal, set(debian.split()))

    return look


every_image = [
    pytest.mark.parametrize("flavour", FLAVOURS),
    pytest.mark.parametrize("kind", KINDS),
]


def of_every_image(function: Any) -> Any:
    """Run a test for each of the eight images."""
    for mark in every_image:
        function = mark(function)
    return function


def inner(components: list[Component], inside: str = "") -> Iterator[tuple[Component, str]]:
    """Yield components, and those inside them, with the name of the one that they are in."""
    for component in components:
        yield component, inside
        yield from inner(component.get("components", []), component["name"])


def is_allowed(component: Component, inside: str) -> bool:
    """Tell whether a component may be below its floor, and for how long that has been decided."""
    return any(
        (one["package"], one["version"], one["inside"]) == (component["name"], component["version"], inside)
        and one["until"] >= dt.datetime.now(tz=dt.timezone.utc).date()
        for one in FLOORS["allowed"]
    )


@of_every_image
def test_s19_sbom_lists_what_is_inside(kind: str, flavour: str, content: Any) -> None:
    """Python's distributions, those apart for S3 too, and Debian's packages, by version: no more, no less."""
    found = content(kind, flavour)
    assert found.document["bomFormat"] == "CycloneDX"
    assert found.document["metadata"]["component"]["name"] == f"mlberth-{kind}:{flavour}"
    environment = {
        f"{one['name']}=={one['version']}"
        for one in found.components("pypi")
        if one["properties"][0]["value"].startswith("/opt/venv/")
    }
    assert environment == found.python
    assert found.listed("deb") == found.debian
    assert found.listed("generic")
    references = [one["bom-ref"] for one in found.document["components"]]
    assert len(set(references)) == len(references)


@of_every_image
def test_s20_nothing_is_below_its_floor(kind: str, flavour: str, content: Any) -> None:
    """No Python distribution has a fault of tests/security/floors.toml, nor what is copied into one."""
    found = content(kind, flavour)
    faults = [
        f"{one['name']} {one['version']} in {inside or 'the image'}: {floor['faults']}"
        for one, inside in inner(found.components("pypi"))
        if (floor := FLOORS["pypi"].get(one["name"]))
        and Version(one["version"]) < Version(floor["fixed"])
        and not is_allowed(one, inside)
    ]
    assert faults == []
    if "python3.11" not in {one["name"] for one in found.components("deb")}:
        (python,) = found.components("generic")
        assert Version(python["version"]) >= Version(FLOORS["generic"]["python"]["fixed"])


@pytest.mark.parametrize("kind", KINDS)
def test_s06_debian_packages_are_not_below_their_floor(
    kind: str, content: Any, engine: Engine, image: Image
) -> None:
    """Nginx and Python are Debian's with the faults fixed, as Debian compares versions."""
    versions = {one["name"]: one["version"] for one in content(kind, "base").components("deb")}
    compared = [
        f"{name} {versions[name]} {floor['fixed']}"
        for name, floor in FLOORS["deb"].items()
        if name in versions
    ]
    assert kind == "train" or any(line.startswith("nginx ") for line in compared)
    lines = "\n".join(compared)
    done = engine.run(image(kind, "base"), "sh", "-c", f"{OLDER} <<END\n{lines}\nEND")
    assert (done.returncode, done.stdout) == (0, "")


def test_s20_the_floors_are_of_something_that_is_there(content: Any) -> None:
    """A floor for what no image holds would guard nothing."""
    held = {
        one["name"] for flavour in FLAVOURS for one, _ in inner(content("serve", flavour).components("pypi"))
    }
    assert set(FLOORS["pypi"]) - held == set()

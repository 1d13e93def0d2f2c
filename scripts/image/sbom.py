"""Write down what an image holds, as CycloneDX 1.6: Python's distributions, Debian's packages, Python itself.

Runs in the build of an image, and does not stay there. usage: sbom.py NAME VERSION
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

OUTPUT = Path("/usr/share/mlberth/sbom.cdx.json")
_DPKG = "${Package}\t${Version}\t${Architecture}\n"

Component = dict[str, Any]


def python_components() -> Iterator[Component]:
    """Yield the distributions of the environment, and those of the Python that it was made from."""
    own = sysconfig.get_path("purelib")
    base = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
    for folder in dict.fromkeys((own, base, f"{sys.prefix}/share/mlberth/aws")):
        for distribution in distributions(path=[folder]):
            component = pypi(distribution.metadata["Name"], distribution.version)
            component["properties"] = [{"name": "mlberth:folder", "value": folder}]
            if licence := distribution.metadata.get("License-Expression"):
                component["licenses"] = [{"expression": licence}]
            if inner := [*vendored(distribution), *declared(distribution)]:
                component["components"] = sorted(inner, key=lambda one: (one["name"], one.get("version", "")))
            yield component


def pypi(name: str, version: str) -> Component:
    """Return a Python distribution under its normal name."""
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return {"type": "library", "name": normal, "version": version, "purl": f"pkg:pypi/{normal}@{version}"}


def vendored(distribution: Distribution) -> Iterator[Component]:
    """Yield what a distribution has copied from others and says so, as pip does."""
    for file in distribution.files or ():
        if file.match("_vendor/vendor.txt"):
            for line in Path(str(file.locate())).read_text().splitlines():
                name, _, version = line.strip().partition("==")
                if version:
                    yield pypi(name, version)


def declared(distribution: Distribution) -> Iterator[Component]:
    """Yield the libraries that a wheel brings, by the SBOM that is in it (PEP 770)."""
    for file in distribution.files or ():
        if file.match("*.dist-info/sboms/*.json"):
            document = json.loads(Path(str(file.locate())).read_text())
            for component in document.get("components", ()):
                yield {key: component[key] for key in ("type", "name", "version", "purl") if key in component}


def debian_components(release: dict[str, str]) -> Iterator[Component]:
    """Yield the packages of the distribution."""
    listed = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={_DPKG}"], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        name, version, architecture = line.split("\t")
        place = f"arch={architecture}&distro={release['ID']}-{release['VERSION_ID']}"
        purl = f"pkg:deb/{release['ID']}/{name}@{version.replace('+', '%2B')}?{place}"
        yield {"type": "library", "name": name, "version": version, "purl": purl}


def document(name: str, version: str) -> Component:
    """Return the whole document; it has no time and no number of its own, so that two builds agree."""
    release = platform.freedesktop_os_release()
    python = platform.python_version()
    components = [
        {"type": "operating-system", "name": release["ID"], "version": release["VERSION_ID"]},
        {
            "type": "platform",
            "name": "python",
            "version": python,
            "purl": f"pkg:generic/python@{python}",
            "cpe": f"cpe:2.3:a:python:python:{python}:*:*:*:*:*:*:*",
        },
        *sorted(python_components(), key=lambda one: str(one["name"])),
        *debian_components(release),
    ]
    for number, component in enumerate(components):
        component["bom-ref"] = f"{number}-{component['name']}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version}},
        "components": components,
    }


def main(name: str, version: str) -> None:
    """Write the file, readable for everybody."""
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(document(name, version), indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

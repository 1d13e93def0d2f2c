"""Requests made by chance from the models: each is answered, and none is a failure of the platform's own."""

from __future__ import annotations

import json
import logging
import os
import random
from typing import Any
from urllib.parse import quote

import pytest
import requests
from tests.local.conftest import Front

from mlberth_local.api import registry
from mlberth_local.api.forms.models import service_model

ROUNDS = 300 if "MLBERTH_LONG" in os.environ else 12
# Whose parts the platform of these tests has.
SERVICES = [name for name in registry.OPERATIONS if not name.startswith("sagemaker")]
STRINGS = [
    "",
    "a",
    "x" * 3000,
    "\0",
    "\ud800",
    "../../x",
    "ü",
    "a/b",
    "*",
    "9" * 400,
    "-1",
    "[",
    "\n",
    "null",
]
NUMBERS = [0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30]
REALS = [0.0, -1.0, 1e308, float("nan"), float("inf"), -float("inf"), 1e18]
OTHERS: list[Any] = [None, "", 1, True, [], {}, "text", 1.5, [[]]]
EXTREMES: dict[str, list[Any]] = {
    "string": STRINGS,
    "blob": STRINGS,
    "timestamp": REALS,
    "float": REALS,
    "double": REALS,
}
EXTREMES |= {"integer": NUMBERS, "long": NUMBERS}


class Requests:
    """Makes requests, of which some are as a model has them and some are not."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def value(self, shape: Any, depth: int = 0) -> Any:
        """Return a value of a shape; a quarter of the optional members are given, and a few are extreme."""
        kind = shape.type_name
        if self.chance.random() < 0.06:
            return self.chance.choice(EXTREMES.get(kind, OTHERS) + OTHERS)
        if kind == "structure":
            given = {
                name: member
                for name, member in shape.members.items()
                if depth < 6 and self.chance.random() < (0.95 if name in shape.required_members else 0.25)
            }
            return {name: self.value(member, depth + 1) for name, member in given.items()}
        if kind == "list":
            return [self.value(shape.member, depth + 1) for _ in range(self.chance.choice([0, 1, 1, 2]))]
        if kind == "map":
            return {"k": self.value(shape.value, depth + 1)}
        if kind == "string":
            return self.chance.choice(list(shape.enum) or ["a", "k", "1", "bucket/k", "bytes=0-1"])
        return {"boolean": True, "blob": "AAAA", "timestamp": 1.7e9}.get(kind, shape.metadata.get("min", 1))


def text(value: Any) -> str:
    """Return a value as it stands in a header, a query or an element."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def element(shape: Any, value: Any, tag: str) -> str:
    """Return a value as XML, whether it is of the shape or not."""
    if shape.type_name == "structure" and isinstance(value, dict):
        inner = "".join(
            element(member, value[name], member.serialization.get("name", name))
            for name, member in shape.members.items()
            if name in value
        )
        return f"<{tag}>{inner}</{tag}>"
    if shape.type_name == "list" and isinstance(value, list):
        inner_tag = (
            tag if shape.serialization.get("flattened") else shape.member.serialization.get("name", "m")
        )
        inner = "".join(element(shape.member, one, inner_tag) for one in value)
        return inner if shape.serialization.get("flattened") else f"<{tag}>{inner}</{tag}>"
    return f"<{tag}>{text(value)}</{tag}>"


def of_s3(front: Front, model: Any, given: dict[str, Any], chance: random.Random) -> requests.Request:
    """Return a request of S3 with what is given in its places."""
    path, _, fixed = model.http["requestUri"].partition("?")
    key = chance.choice(["k", "d/", "..", quote(text(given.get("Key", "k")), errors="surrogatepass") or "k"])
    bucket = "other" if model.name in {"CreateBucket", "DeleteBucket"} else "bucket"
    query, headers, body = [fixed] if fixed else [], {}, b""
    for name, value in given.items():
        member = model.input_shape.members[name]
        place, own = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "querystring":
            query.append(f"{own}={quote(text(value), errors='surrogatepass')}")
        elif place == "header" and own != "Content-Length":
            headers[own] = " ".join(text(value).replace("\0", "").split()).encode(errors="surrogatepass")
        elif place is None:
            document = element(member, value, own) if member.type_name == "structure" else text(value)
            body = document.encode(errors="surrogatepass")
    url = f"{front.url}{path.replace('{Bucket}', bucket).replace('{Key+}', key)}?{'&'.join(query)}"
    return requests.Request(model.http["method"], url, headers=headers, data=body)


@pytest.mark.parametrize("service", SERVICES)
def test_no_request_is_a_failure(front: Front, service: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    made, models = Requests(1), service_model(service)
    with requests.Session() as session:
        for name in ("bucket", "bucket/k"):
            session.put(f"{front.url}/{name}", data=b"12345" if "/" in name else b"", timeout=20)
        for operation in registry.OPERATIONS[service]:
            model = models.operation_model(operation)
            for _ in range(ROUNDS if model.input_shape is not None else 1):
                given = made.value(model.input_shape) if model.input_shape is not None else {}
                members = given if isinstance(given, dict) else {}
                if service == "s3":
                    request = of_s3(front, model, members, made.chance)
                elif target := models.metadata.get("targetPrefix"):
                    headers = {"X-Amz-Target": f"{target}.{operation}"}
                    request = requests.Request("POST", front.url, headers=headers, data=json.dumps(given))
                else:
                    form = {name: text(one).encode(errors="replace") for name, one in members.items()}
                    fixed = {"Action": operation, "Version": models.metadata["apiVersion"]}
                    request = requests.Request("POST", front.url, data={**form, **fixed})
                answer = session.send(session.prepare_request(request), timeout=20)
                assert answer.status_code < 500, (operation, given, answer.text)
    assert [record.getMessage() for record in caplog.records] == []

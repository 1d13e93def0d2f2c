"""Tests of the models' patterns as Python's."""

from __future__ import annotations

import re

import pytest

from mlberth_local.api.forms.models import SERVICES, service_model
from mlberth_local.api.forms.patterns import compiled

UNMATCHED_IN_JAVA = {r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,256}"}
"""A slip of the model: a repeated end of the line."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_a_model_is_applied(service: str) -> None:
    model = service_model(service)
    shapes = (model.shape_for(name) for name in model.shape_names)
    patterns = {shape.metadata["pattern"] for shape in shapes if shape.metadata.get("pattern")}
    assert {pattern for pattern in patterns - UNMATCHED_IN_JAVA if compiled(pattern) is None} == set()
    # A pattern that Python can read as it is means the same with us.
    for pattern in patterns:
        try:
            own = re.compile(pattern, re.ASCII)
        except re.error:
            continue
        ours = compiled(pattern)
        assert ours is not None
        for text in (
            "",
            "a",
            "job-1",
            "a_b",
            "s3://bucket/key",
            "arn:aws:iam::000000000000:role/x",
            "ü",
            "a b",
        ):
            assert bool(own.fullmatch(text)) == bool(ours.fullmatch(text)), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["", "tag value", "Größe-1", "日本"], ["a!", "a\n"]),
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]+)$", ["ü"], ["", "#"]),
        (r"\p{ASCII}*", ["abc~"], ["ü"]),
        (r"\p{L}+", ["äb"], ["1"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a\t😀"], ["\x01"]),
        (r"\A\S[\p{Print}]*\z", ["a b"], [" a", "a\n"]),
    ],
)
def test_javas_classes(pattern: str, fits: list[str], fails: list[str]) -> None:
    expression = compiled(pattern)
    assert expression
    assert [text for text in fits if not expression.fullmatch(text)] == []
    assert [text for text in fails if expression.fullmatch(text)] == []

"""Names and amounts as Kubernetes takes them."""

from __future__ import annotations

from mlberth_local.render.kubernetes.names import name_of, resources


def test_names() -> None:
    """Names that were different stay so, also if they are cut."""
    assert name_of("Iris-Train", 20) == "iris-train"
    assert name_of("a" * 63, 38) != name_of("a" * 62, 38)
    assert len(name_of("a" * 63, 38)) == 38


def test_resources() -> None:
    amounts = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "30Gi"}
    assert resources("ml.m5.4xlarge", 30) == {"requests": amounts, "limits": amounts}
    assert resources("local") == {}

"""A worker's page of counters, as Prometheus would read it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from mlberth_serve.control.metrics.prometheus import Server, render
from mlberth_serve.shared.metrics_memory import WorkerMetrics


def samples(recorder_memory: bytearray) -> dict[str, float]:
    """Return what a page comes to, by the text of name and labels."""
    text = render([WorkerMetrics(bytes(recorder_memory))], Server(started=0, workers=1, loaded=1))
    families = text_string_to_metric_families(text)
    found = [
        (sample.name + "".join(f" {key}={value}" for key, value in sample.labels.items()), sample.value)
        for family in families
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)

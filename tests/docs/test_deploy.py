"""The files of examples/deploy: compose, Prometheus and Grafana."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.docs.serving import a_server, wait_scraped
from tests.kubernetes.manifests import one
from tests.serve.running import require_nginx

from mlberth_serve import variables

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples/deploy"
KNOWN = {name for one in variables.ALL for name in (one.name, *one.aliases)}
_METRIC = re.compile(r"\bmlberth_\w+")


def documents(name: str) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_every_variable_is_one() -> None:
    """The file sets no variable that `serve` does not read."""
    (compose,) = documents("compose.yaml")
    assert set(compose["services"]["model"]["environment"]) <= KNOWN


def test_compose_waits_for_the_model_and_the_stop() -> None:
    """The check is ours, a load may take ten minutes, and the kill comes after the stop."""
    (compose,) = documents("compose.yaml")
    service = compose["services"]["model"]
    assert service["healthcheck"]["test"] == ["CMD", "mlberth", "health"]
    assert service["healthcheck"]["start_period"] == "600s"
    grace = float(service["environment"]["SAGEMAKER_STOP_GRACE_SECONDS"])
    assert float(service["stop_grace_period"].removesuffix("s")) > grace
    assert service["read_only"] is True
    assert (service["cap_drop"], service["tmpfs"]) == (["ALL"], ["/tmp"])


def queries() -> dict[str, str]:
    """Return every query of the alerts and the dashboard."""
    (alerts,) = documents("alerts.yml")
    found = {rule["alert"]: rule["expr"] for group in alerts["groups"] for rule in group["rules"]}
    for panel in json.loads((DEPLOY / "dashboard.json").read_text())["panels"]:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


def test_every_metric_is_on_the_page(tmp_path: Path) -> None:
    """The alerts, the dashboard and the autoscaler ask for metrics that a server has."""
    require_nginx()
    with a_server(tmp_path) as server:
        wait_scraped(server)
        page = server.request("GET", "/metrics").body.decode()
    families = list(text_string_to_metric_families(page))
    there = {sample.name for family in families for sample in family.samples}
    # A counter without a label yet has no sample.
    there |= {f"{family.name}_total" for family in families if family.type == "counter"}
    there |= {family.name for family in families if family.type == "gauge"}
    named = {name for query in queries().values() for name in _METRIC.findall(query)}
    scaler = one("serve/autoscaler.yaml", "HorizontalPodAutoscaler")
    named |= {one["pods"]["metric"]["name"] for one in scaler["spec"]["metrics"]}
    assert len(named) > 10
    assert named - there == set()


def test_five_alerts_are_on_the_page() -> None:
    """The page lists each alert, and each says what is wrong."""
    (alerts,) = documents("alerts.yml")
    (group,) = alerts["groups"]
    page = (ROOT / "docs/how-to/prometheus.md").read_text()
    assert len(group["rules"]) == 5
    for rule in group["rules"]:
        assert f"| `{rule['alert']}` |" in page
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
    (config,) = documents("prometheus.yml")
    assert config["rule_files"] == ["alerts.yml"]
    shown = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert shown
    assert yaml.safe_load(shown[1])["scrape_configs"] == config["scrape_configs"]


def test_panels_have_their_places() -> None:
    """No two panels have one id or overlap, and each asks the chosen data source."""
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    corners = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(corners)) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource", "job", "instance"]


def test_alerts_fire(tmp_path: Path) -> None:
    """Of a healthy server none fires; of a broken one all do."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian's package prometheus has it)")
    broken = {
        "up": "1x60",
        "mlberth_workers": "0x60",
        "mlberth_worker_restarts_total": "0+1x60",
        'mlberth_requests_total{status="2xx"}': "0+10x60",
        'mlberth_requests_total{status="5xx"}': "0+1x60",
        'mlberth_queue_seconds_bucket{le="0.5"}': "0+1x60",
        'mlberth_queue_seconds_bucket{le="1"}': "0+5x60",
        'mlberth_queue_seconds_bucket{le="+Inf"}': "0+5x60",
        'mlberth_worker_proportional_bytes{worker="0"}': "600000000x60",
        'mlberth_worker_resident_bytes{worker="1"}': "600000000x60",
    }
    late = {
        "up": "1x60",
        "mlberth_workers": "2x60",
        "mlberth_worker_restarts_total": "0x60",
        'mlberth_requests_total{status="2xx"}': "0+10x60",
        'mlberth_requests_total{status="5xx"}': "0x60",
        'mlberth_nginx_responses_total{status="504"}': "0+1x60",
        'mlberth_worker_proportional_bytes{worker="0"}': "60000000x60",
    }
    healthy = {**late, 'mlberth_nginx_responses_total{status="504"}': "0x60"}
    (alerts,) = documents("alerts.yml")
    every = [rule["alert"] for rule in alerts["groups"][0]["rules"]]
    cases = [(broken, every), (late, ["ModelServerErrors"]), (healthy, [])]
    test = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {"series": labelled(name), "values": values} for name, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": "14m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in fired
                        ],
                    }
                ],
            }
            for series, fired in cases
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", str(tmp_path / "test.yml")]):
        done = subprocess.run(
            [promtool, *command], cwd=DEPLOY, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def labelled(series: str) -> str:
    """Return a series with the labels that a scrape gives it."""
    name, _, labels = series.partition("{")
    return f'{name}{{job="mlberth",instance="a"{"," if labels else ""}{labels or "}"}'

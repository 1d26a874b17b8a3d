"""What the page, the dashboard and the alerts say of metrics is what the code counts."""

import json
import re

import yaml

from tests.architecture.sources import ROOT, product

DECLARED = re.compile(r"(Counter|Histogram|Gauge|GaugeMetricFamily)\(\s*\"(robutler_\w+)\"")
ROW = re.compile(r"^\| `(robutler_\w+)` \| ([^|]*)\|", re.MULTILINE)
NAMED = re.compile(r"\b(?:robutler|django)_\w+")


def counted() -> set[str]:
    """The names of every metric in the code, as Prometheus shows them."""
    found = (match for source in product() for match in DECLARED.findall(source.text))
    return {f"{name}_total" if kind == "Counter" else name for kind, name in found}


def unknown(text: str) -> set[str]:
    """What a text names and the code does not count."""
    from django_prometheus.db import metrics

    of_django = {f"{metrics.errors_total._name}_total"}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAMED.findall(text)} - counted() - of_django


def test_the_page_lists_every_metric_and_no_other() -> None:
    page = (ROOT / "docs/how-to/observe.md").read_text()

    assert {name for name, _ in ROW.findall(page)} == counted()


def test_the_dashboard_shows_what_is_counted() -> None:
    dashboard = json.loads((ROOT / "docker/grafana/dashboard.json").read_text())

    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert unknown("\n".join(expressions)) == set()
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for text in expressions for name in NAMED.findall(text)}
    assert counted() <= shown
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_alerts_look_at_what_is_counted() -> None:
    groups = yaml.safe_load((ROOT / "docker/grafana/alerts.yaml").read_text())["groups"]

    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    for rule in rules:
        assert unknown(rule["expr"]) == set()
        assert rule["annotations"]["summary"]


def test_a_metric_that_nobody_counts_is_seen() -> None:
    assert unknown("rate(robutler_lost_total[5m])") == {"robutler_lost_total"}

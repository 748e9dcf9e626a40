"""The dashboard and the alerts ask for figures that /metrics has, by labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from classifier import metrics
from classifier.models import BulkJob, Worker
from classifier.predictor import holder
from classifier.workers import give_sign

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/reviewsite.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
SCRAPE = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
OF_PROMETHEUS = {"up": {"job", "instance"}}
METRIC = re.compile(r"\b(reviewsite_\w+|up)\b(?:\{([^}]*)\})?")


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


@pytest.fixture
def figures(client: Client, served_model: Path, transactional_db: None) -> dict[str, set[str]]:
    """Names of the samples at /metrics, each with the labels that it has."""
    return _figures(client)


def _figures(client: Client) -> dict[str, set[str]]:
    holder.get()
    BulkJob.objects.create(filename="a.csv", text_column="text")
    give_sign("bulk@here", ["bulk"])
    give_sign(Worker.SCHEDULE)
    metrics.EXPLANATION.labels("occlusion").observe(0.1)
    client.post("/api/predict", {"text": "a film"}, content_type="application/json")
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    said = client.get("/metrics").content.decode()
    for family in text_string_to_metric_families(said):
        for sample in family.samples:
            found.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    return found


def test_each_expression_asks_for_what_is_there(figures: dict[str, set[str]]) -> None:
    asked = set()
    for title, expression in expressions():
        named = METRIC.findall(expression)
        assert named, title
        for name, selector in named:
            assert name in figures, f"{title}: nothing is called {name}"
            labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector))
            assert labels <= figures[name], f"{title}: {name} has no {labels - figures[name]}"
            asked.add(re.sub(r"_(bucket|count|sum|total)$", "", name))
        grouped = re.findall(r"\bby \(([^)]*)\)", expression)
        labels = {label.strip() for group in grouped for label in group.split(",")}
        assert labels <= set().union(*(figures[name] for name, _ in named)), title
        assert balanced(expression), title
    had = {re.sub(r"_(bucket|count|sum|total|created)$", "", name) for name in figures}
    assert {name for name in had if name.startswith("reviewsite_")} == asked - {"up"}


def test_a_name_that_is_not_there_is_found(figures: dict[str, set[str]]) -> None:
    assert "reviewsite_requests_total" not in figures
    assert not balanced("sum(rate(x[5m])")
    assert not balanced("sum(rate(x[5m))]")


def balanced(expression: str) -> bool:
    open_ones = []
    pairs = {")": "(", "]": "[", "}": "{"}
    for each in re.sub(r'"[^"]*"', "", expression):
        if each in pairs.values():
            open_ones.append(each)
        elif each in pairs and (not open_ones or open_ones.pop() != pairs[each]):
            return False
    return not open_ones


def test_each_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "remedy"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    page = (ROOT / "docs/operations/observability.md").read_text(encoding="utf-8")
    assert all(rule["alert"] in page for rule in RULES)


def test_prometheus_sends_the_token_and_reads_the_alerts() -> None:
    (job,) = SCRAPE["scrape_configs"]
    assert job["job_name"] == "reviewsite"  # the alerts name it
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["type"] == "Bearer"
    assert "credentials" not in job["authorization"]
    for file in SCRAPE["rule_files"]:
        assert (ROOT / "deploy/prometheus" / file).is_file()


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells

"""Tests that alerts and charts use metrics that exist, as Cloud Monitoring allows."""

import json
from typing import Any

import pytest

from benchmarks.cost import ALERT_CONDITIONS, ALERT_METRICS
from tests.terraform.lifecycle import Lifecycle
from tests.terraform.metrics import faults_of_filter, faults_of_query, metrics_of_query

MAX_CONDITIONS = 6  #: of one policy: https://cloud.google.com/monitoring/quotas#alerting_uptime_limits


def conditions(lifecycle: Lifecycle) -> list[tuple[str, dict[str, Any]]]:
    """Return each condition of an alert that reads metrics, as (kind, values)."""
    kinds = ("condition_threshold", "condition_absent", "condition_prometheus_query_language")
    return [
        (kind, condition[kind][0])
        for policy in lifecycle.of("google_monitoring_alert_policy")
        for condition in policy["conditions"]
        for kind in kinds
        if condition[kind]
    ]


def filters(values: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Return the filter of a condition and that of its denominator, as (filter, aligner, labels)."""
    pairs = [(values["filter"], values["aggregations"])]
    if values.get("denominator_filter"):
        pairs.append((values["denominator_filter"], values["denominator_aggregations"]))
    return [(text, each["per_series_aligner"], each["group_by_fields"] or []) for text, [each] in pairs]


def test_alerts_read_metrics_that_exist(lifecycle: Lifecycle) -> None:
    """Each metric, label and aligner of an alert is one of Google's, and fits the others."""
    for kind, values in conditions(lifecycle):
        if kind == "condition_prometheus_query_language":
            assert faults_of_query(values["query"]) == []
        else:
            assert [fault for each in filters(values) for fault in faults_of_filter(*each)] == []


def test_times_of_alerts_are_whole_minutes(lifecycle: Lifecycle) -> None:
    """Durations, alignment periods and intervals of evaluation are multiples of a minute."""
    for _, values in conditions(lifecycle):
        times = [values["duration"], values.get("evaluation_interval") or "60s"]
        times += [each["alignment_period"] for each in values.get("aggregations", [])]
        assert [time for time in times if int(time.removesuffix("s")) % 60] == []


def test_policy_has_at_most_six_conditions(lifecycle: Lifecycle) -> None:
    """No alert policy has more conditions than Cloud Monitoring allows."""
    for policy in lifecycle.of("google_monitoring_alert_policy"):
        assert len(policy["conditions"]) <= MAX_CONDITIONS


def test_cost_page_counts_the_alerts(lifecycle: Lifecycle) -> None:
    """docs/how-to/cost.md counts all conditions and metrics, and no more than the large stack has."""
    found = conditions(lifecycle)
    metrics = sum(
        metrics_of_query(values["query"]) if "query" in values else len(filters(values))
        for _, values in found
    )
    assert (len(found), metrics) <= (ALERT_CONDITIONS, ALERT_METRICS)
    assert ALERT_CONDITIONS - len(found) <= 1


def test_charts_read_metrics_that_exist(lifecycle: Lifecycle) -> None:
    """Each metric, label and aligner of a chart is one of Google's, and fits the others."""
    queries = [query for query, _ in charts(lifecycle)]
    for query in queries:
        if "prometheusQuery" in query:
            assert faults_of_query(query["prometheusQuery"]) == []
        else:
            chosen = query["timeSeriesFilter"]
            aggregation = chosen["aggregation"]
            labels = aggregation.get("groupByFields", [])
            assert faults_of_filter(chosen["filter"], aggregation["perSeriesAligner"], labels) == []
    assert len(queries) > 10


def charts(lifecycle: Lifecycle) -> list[tuple[dict[str, Any], str]]:
    """Return the query and the title of each chart."""
    (dashboard,) = lifecycle.of("google_monitoring_dashboard")
    widgets = [tile["widget"] for tile in json.loads(dashboard["dashboard_json"])["mosaicLayout"]["tiles"]]
    return [
        (data["timeSeriesQuery"], widget["title"])
        for widget in widgets
        for data in widget.get("xyChart", {"dataSets": []})["dataSets"]
    ]


def test_dashboard_shows_published_messages_refused_pushes_and_dead_letters(lifecycle: Lifecycle) -> None:
    """The dashboard counts published messages, pushes that Cloud Run refuses, and dead letters of Pub/Sub."""
    text = " ".join(json.dumps(query) for query, _ in charts(lifecycle))
    assert "topic_message_sizes_count" in text
    assert "send_request_count" not in text
    assert "remote_server_4xx" in text
    assert "subscription/dead_letter_message_count" in text


@pytest.mark.parametrize(
    ("filter_", "aligner", "grouped"),
    [
        (
            'resource.type = "pubsub_topic" AND metric.type = "pubsub.googleapis.com/topic/published"',
            "ALIGN_RATE",
            [],
        ),
        (
            'resource.type = "cloud_run_revision" AND metric.type = "run.googleapis.com/request_latencies"',
            "ALIGN_MAX",
            [],
        ),
        (
            'resource.type = "pubsub_topic" AND metric.type = "run.googleapis.com/request_count"',
            "ALIGN_RATE",
            [],
        ),
        (
            'resource.type = "cloud_run_revision" AND metric.type = "run.googleapis.com/request_count"',
            "ALIGN_RATE",
            ["metric.label.status"],
        ),
    ],
)
def test_invalid_filter_is_found(filter_: str, aligner: str, grouped: list[str]) -> None:
    """The check finds a metric, an aligner, a resource and a label that do not fit."""
    assert len(faults_of_filter(filter_, aligner, grouped)) == 1


def test_invalid_query_is_found() -> None:
    """The check of PromQL finds an unknown metric, an unknown label, and a query without a metric."""
    pushes = "pubsub_googleapis_com:subscription_push_request_count"
    assert faults_of_query(f'{pushes}{{monitored_resource="pubsub_subscription",code="429"}}')
    assert faults_of_query('run_googleapis_com:refused_count{monitored_resource="cloud_run_revision"}')
    assert faults_of_query("up")

"""The metrics of Google Cloud that alerts and charts use, and the aligners that their types allow."""

import re
from typing import Final, NamedTuple


class Metric(NamedTuple):
    """A metric in Google's list, all of which are generally available.

    Attributes:
        kind: GAUGE, or DELTA for counts.
        value: type of its points.
        resource: type of the monitored resource.
        labels: the metric's labels.
    """

    kind: str
    value: str
    resource: str
    labels: frozenset[str] = frozenset()


_RESPONSES = frozenset({"response_code", "response_code_class", "route"})
_PUSHES = frozenset({"response_class", "response_code", "delivery_type"})
#: https://cloud.google.com/monitoring/api/metrics_gcp_p_z, read on 2026-11-30.
METRICS: Final = {
    "pubsub.googleapis.com/subscription/dead_letter_message_count": Metric(
        "DELTA", "INT64", "pubsub_subscription"
    ),
    "pubsub.googleapis.com/subscription/num_outstanding_messages": Metric(
        "GAUGE", "INT64", "pubsub_subscription"
    ),
    "pubsub.googleapis.com/subscription/num_undelivered_messages": Metric(
        "GAUGE", "INT64", "pubsub_subscription"
    ),
    "pubsub.googleapis.com/subscription/oldest_unacked_message_age": Metric(
        "GAUGE", "INT64", "pubsub_subscription"
    ),
    "pubsub.googleapis.com/subscription/push_request_count": Metric(
        "DELTA", "INT64", "pubsub_subscription", _PUSHES
    ),
    "pubsub.googleapis.com/subscription/push_request_latencies": Metric(
        "DELTA", "DISTRIBUTION", "pubsub_subscription", frozenset({"response_code", "delivery_type"})
    ),
    "pubsub.googleapis.com/topic/message_sizes": Metric("DELTA", "DISTRIBUTION", "pubsub_topic"),
    "run.googleapis.com/container/cpu/utilizations": Metric("DELTA", "DISTRIBUTION", "cloud_run_revision"),
    "run.googleapis.com/container/instance_count": Metric(
        "GAUGE", "INT64", "cloud_run_revision", frozenset({"state"})
    ),
    "run.googleapis.com/container/memory/utilizations": Metric("DELTA", "DISTRIBUTION", "cloud_run_revision"),
    "run.googleapis.com/request_count": Metric("DELTA", "INT64", "cloud_run_revision", _RESPONSES),
    "run.googleapis.com/request_latencies": Metric("DELTA", "DISTRIBUTION", "cloud_run_revision", _RESPONSES),
}
#: Kinds and types that an aligner takes: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#Aligner
ALIGNERS: Final = {
    "ALIGN_DELTA": {("DELTA", "INT64"), ("DELTA", "DISTRIBUTION")},
    "ALIGN_RATE": {("DELTA", "INT64")},
    "ALIGN_MAX": {("GAUGE", "INT64")},
    "ALIGN_PERCENTILE_95": {("DELTA", "DISTRIBUTION"), ("GAUGE", "DISTRIBUTION")},
}
_SELECTOR = re.compile(r"(\w+_googleapis_com:\w+)\{([^}]*)\}")


def faults_of_filter(filter_: str, aligner: str, grouped: list[str]) -> list[str]:
    """Return what is wrong with a filter of Cloud Monitoring, its aligner and its groups."""
    [name] = re.findall(r'metric\.type = "([^"]+)"', filter_)
    metric = METRICS.get(name)
    if metric is None:
        return [f"{name} is not in Google's list"]
    [resource] = re.findall(r'resource\.type = "([^"]+)"', filter_)
    labels = re.findall(r"metric\.labels?\.(\w+)", " ".join([filter_, *grouped]))
    return [
        *([f"{name} is of {metric.resource}"] if resource != metric.resource else []),
        *(f"{name} has no label {label}" for label in labels if label not in metric.labels),
        *([f"{aligner} does not take {name}"] if metric[:2] not in ALIGNERS[aligner] else []),
    ]


def faults_of_query(query: str) -> list[str]:
    """Return what is wrong with the metrics of a query in PromQL: https://cloud.google.com/monitoring/promql/promql-mapping."""
    found = [_fault_of_selector(name, matchers) for name, matchers in _SELECTOR.findall(query)]
    return [*(fault for fault in found if fault), *([] if found else ["the query has no metric"])]


def metrics_of_query(query: str) -> int:
    """Return how many metrics a query in PromQL refers to."""
    return len(_SELECTOR.findall(query))


def _fault_of_selector(name: str, matchers: str) -> str:
    for type_, metric in METRICS.items():
        service, _, path = type_.partition("/")
        suffix = "_count" if metric.value == "DISTRIBUTION" else ""
        if name == f"{service.replace('.', '_')}:{path.replace('/', '_')}{suffix}":
            labels = set(re.findall(r"(\w+)=", matchers)) - {"monitored_resource"}
            unknown = labels - metric.labels - {"subscription_id", "topic_id", "service_name"}
            resource = f'monitored_resource="{metric.resource}"'
            return f"{name} has no label {unknown}" if unknown else "" if resource in matchers else resource
    return f"{name} is not in Google's list"

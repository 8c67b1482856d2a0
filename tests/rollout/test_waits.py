"""Tests that the waits of a roll-out follow from the settings of the stack, and that it sends no alert."""

import re
from typing import Any

import pytest

from tests.repository.tree import ROOT
from tests.rollout.cloudbuild import BUILD, document
from tests.terraform.lifecycle import CopyStack
from tests.terraform.stack import Stack

#: Seconds for the steps until the end of `apply`. The checks take half an hour on the build's 8 processors.
SECONDS_UNTIL_APPLIED = 3600
#: The variants of the stack, and the settings with which everything waits longest.
VARIANTS = {
    "defaults": ["-var=project_id=my-project", "-var=contact_url=https://example.com/"],
    "small": ["-var-file=examples/small.tfvars", "-var=images=null"],
    "large": ["-var-file=examples/large.tfvars"],
}
SLOWEST = [
    *VARIANTS["small"],
    "-var=ack_deadline_seconds=600",
    "-var=retry_backoff={minimum=600,maximum=600}",
]


@pytest.fixture(scope="module")
def stack(copy_stack: CopyStack) -> Stack:
    """A stack that is not applied."""
    return copy_stack()


def wait_of_smoke_test(stack: Stack, options: list[str]) -> int:
    """Return the maximum wait of the smoke test with these options, in seconds."""
    return int(stack.evaluate("local.smoke_test_seconds", *options))


@pytest.mark.parametrize("options", [*VARIANTS.values(), SLOWEST], ids=[*VARIANTS, "slowest"])
def test_waits_end_before_the_timeout_of_the_build(stack: Stack, options: list[str]) -> None:
    """With any settings, the smoke test and the export give up before Cloud Build ends the build."""
    script = (ROOT / "scripts" / "export-sbom.sh").read_text(encoding="utf-8")
    (export,) = re.findall(r"EXPORT_SBOM_SECONDS:-(\d+)", script)
    timeout = int(document(BUILD)["timeout"].removesuffix("s"))
    for wait in (wait_of_smoke_test(stack, options), int(export)):
        assert (
            SECONDS_UNTIL_APPLIED + wait + 300 <= timeout
        )  # five minutes for the commands of the step itself


def test_wait_of_the_smoke_test_follows_from_the_deadlines(stack: Stack) -> None:
    """The wait is longer by two ack deadlines and one backoff, if these are longer."""
    small = VARIANTS["small"]
    usual = wait_of_smoke_test(stack, [*small, "-var=ack_deadline_seconds=600"])
    assert usual - wait_of_smoke_test(stack, [*small, "-var=ack_deadline_seconds=500"]) == 200
    backoff = wait_of_smoke_test(stack, [*small, "-var=retry_backoff={minimum=70,maximum=600}"])
    assert backoff - usual == 60


#: What a smoke test of a working system adds to each metric, at most; `None` stands for its maximum wait.
METRICS: dict[str, int | None] = {
    "pubsub.googleapis.com/subscription/dead_letter_message_count": 0,
    "pubsub.googleapis.com/subscription/num_undelivered_messages": 1,  # of the push subscription
    "pubsub.googleapis.com/subscription/oldest_unacked_message_age": None,
    "run.googleapis.com/request_count": 0,  # of the responses of which the alerts warn
}
LEDGER_ROW_SECONDS = 70  #: `ledger_row_seconds` of terraform/smoke-test.tf
RATIO_MINUTES = 15  #: One push that is repeated is a high ratio, but not for so long.


def could_fire(condition: dict[str, Any], wait: int) -> bool:
    """Return whether a smoke test of a working system could meet a condition of an alert."""
    if (found := condition.get("condition_matched_log")) and found[0]["filter"]:
        # The smoke test runs no job of Cloud Scheduler, and its job does not reach its last attempt.
        return not re.search(r"cloud_scheduler_job|last_attempt\s*=\s*true", found[0]["filter"])
    if condition.get("condition_absent"):
        return False
    if found := condition.get("condition_prometheus_query_language"):
        return int(found[0]["duration"].removesuffix("s")) < RATIO_MINUTES * 60
    (threshold,) = condition["condition_threshold"]
    if threshold.get("denominator_filter"):
        return int(threshold["duration"].removesuffix("s")) < RATIO_MINUTES * 60
    (metric,) = re.findall(r'metric\.type = "([^"]+)"', threshold["filter"])
    added = METRICS[metric]
    kinds = set(re.findall(r'"[\w-]+-(ledger|pull|push)"', threshold["filter"]))
    if kinds == {"ledger"}:
        added = LEDGER_ROW_SECONDS
    if kinds == {"pull"}:  # of dead letters, of which the smoke test makes none
        added = 0
    return (wait if added is None else added) > (threshold["threshold_value"] or 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_smoke_test_of_a_working_system_sends_no_alert(variant: str, copy_stack: CopyStack) -> None:
    """In each variant, no alert's condition is met by what the smoke test does in a working system."""
    stack = copy_stack()
    stack.succeed("apply", "-auto-approve", "-no-color", *VARIANTS[variant])
    wait = wait_of_smoke_test(stack, VARIANTS[variant])
    policies = [each for each in stack.resources() if each["type"] == "google_monitoring_alert_policy"]
    conditions = [condition for policy in policies for condition in policy["values"]["conditions"]]
    assert len(conditions) >= 12
    assert [each["display_name"] for each in conditions if could_fire(each, wait)] == []


def test_alert_on_a_dead_letter_would_be_found() -> None:
    """A condition that one waiting job meets is reported as an alert that the smoke test could send."""
    threshold = {
        "filter": 'metric.type = "pubsub.googleapis.com/subscription/num_undelivered_messages"',
        "threshold_value": 0,
        "duration": "0s",
    }
    assert could_fire({"condition_threshold": [threshold]}, 100)
    assert not could_fire({"condition_threshold": [threshold | {"threshold_value": 1}]}, 100)

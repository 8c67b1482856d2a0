"""Tests the worker's settings: every fault is reported, and settings with a fault are rejected."""

from collections.abc import Iterator

import pytest

from runtime.settings import BadSettings, load
from worker.settings import WorkerSettings

GOOD = {
    "GOOGLE_CLOUD_PROJECT": "p",
    "PUSH_AUDIENCE": "https://worker.example/",
    "PUSH_SERVICE_ACCOUNT": "push@p.iam.gserviceaccount.com",
}


@pytest.fixture(autouse=True)
def environment() -> Iterator[pytest.MonkeyPatch]:
    """An environment in which only the three required settings are set."""
    with pytest.MonkeyPatch.context() as environment:
        for name in WorkerSettings.model_fields:
            environment.delenv(name.upper(), raising=False)
        for name, value in GOOD.items():
            environment.setenv(name, value)
        yield environment


def faults(environment: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    """Return the faults of an environment with these variables; an empty value unsets its variable."""
    for name, value in variables.items():
        if value:
            environment.setenv(name, value)
        else:
            environment.delenv(name, raising=False)
    with pytest.raises(BadSettings) as caught:
        load(WorkerSettings)
    return dict(fault.split(": ", 1) for fault in str(caught.value).split("; "))


def test_defaults_with_the_required_variables_are_valid() -> None:
    """The required variables suffice, and page budget < request timeout < ack deadline."""
    settings = load(WorkerSettings)
    assert settings.push_auth == "oidc"
    assert settings.page_budget_seconds < settings.request_timeout_seconds < settings.ack_deadline_seconds


def test_all_faults_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    """Missing, malformed and contradictory variables are reported in one error."""
    reported = faults(
        environment,
        GOOGLE_CLOUD_PROJECT="",
        PORT="80x",
        PUSH_AUDIENCE="",
        PUSH_SERVICE_ACCOUNT="",
        PUSH_CERTS_URL="nowhere",
        PAGE_BUDGET_SECONDS="54",
        ACK_DEADLINE_SECONDS="9",
        USER_AGENT="x" * 501,
    )
    assert reported.keys() == {
        "GOOGLE_CLOUD_PROJECT",
        "PORT",
        "PUSH_AUDIENCE",
        "PUSH_SERVICE_ACCOUNT",
        "PUSH_CERTS_URL",
        "REQUEST_TIMEOUT_SECONDS",
        "ACK_DEADLINE_SECONDS",
        "USER_AGENT",
    }


@pytest.mark.parametrize(
    ("page", "wait", "queue", "timeout", "deadline", "fault"),
    [
        (
            "41",
            "520",
            "30",
            "565",
            "600",
            "REQUEST_TIMEOUT_SECONDS: must be at least WAIT_BUDGET_SECONDS (520)",
        ),
        (
            "40",
            "521",
            "30",
            "565",
            "600",
            "REQUEST_TIMEOUT_SECONDS: must be at least WAIT_BUDGET_SECONDS (521)",
        ),
        ("inf", "0", "30", "565", "600", "REQUEST_TIMEOUT_SECONDS: must be at least"),
        (
            "40",
            "520",
            "36",
            "565",
            "600",
            "ACK_DEADLINE_SECONDS: must be at least REQUEST_TIMEOUT_SECONDS (565)",
        ),
        ("40", "10", "0", "61", "60", "ACK_DEADLINE_SECONDS: must be at least REQUEST_TIMEOUT_SECONDS (61)"),
        ("nan", "0", "0", "55", "60", "PAGE_BUDGET_SECONDS: "),
        ("0", "0", "0", "55", "60", "PAGE_BUDGET_SECONDS: "),
        ("40", "-1", "0", "55", "60", "WAIT_BUDGET_SECONDS: "),
        ("40", "10", "61", "55", "600", "QUEUE_SECONDS: "),
        ("2", "0", "0", "9", "9", "ACK_DEADLINE_SECONDS: "),
        ("40", "0", "0", "55", "601", "ACK_DEADLINE_SECONDS: "),
    ],
)
def test_a_broken_chain_of_timeouts_is_a_fault(  # noqa: PLR0917 - the settings of the chain
    environment: pytest.MonkeyPatch, page: str, wait: str, queue: str, timeout: str, deadline: str, fault: str
) -> None:
    """Settings are rejected unless wait + page + 5 s ≤ request timeout and that + queue ≤ ack deadline."""
    reported = faults(
        environment,
        PAGE_BUDGET_SECONDS=page,
        WAIT_BUDGET_SECONDS=wait,
        QUEUE_SECONDS=queue,
        REQUEST_TIMEOUT_SECONDS=timeout,
        ACK_DEADLINE_SECONDS=deadline,
    )
    assert [f"{name}: {why}"[: len(fault)] for name, why in reported.items()] == [fault]


def test_a_chain_of_timeouts_without_slack_is_valid(environment: pytest.MonkeyPatch) -> None:
    """Time limits that fit into each other exactly are accepted."""
    environment.setenv("PAGE_BUDGET_SECONDS", "45")
    environment.setenv("WAIT_BUDGET_SECONDS", "520")
    environment.setenv("QUEUE_SECONDS", "30")
    assert load(WorkerSettings).page_budget_seconds == 45


def test_push_authentication_is_configured_or_disabled(environment: pytest.MonkeyPatch) -> None:
    """Audience and account are required unless PUSH_AUTH is `none`; PUSH_AUTH=off is rejected."""
    reported = faults(environment, PUSH_AUDIENCE="", PUSH_SERVICE_ACCOUNT="")
    assert reported.keys() == {"PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"}
    assert "PUSH_AUTH=none" in reported["PUSH_AUDIENCE"]
    environment.setenv("PUSH_AUTH", "none")
    assert load(WorkerSettings).push_auth == "none"
    environment.setenv("PUSH_AUTH", "off")
    with pytest.raises(BadSettings, match="PUSH_AUTH: "):
        load(WorkerSettings)

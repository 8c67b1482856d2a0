"""The worker's settings: every fault is reported, and the worker does not start with one."""

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
    """An environment with the three required variables and no other setting."""
    with pytest.MonkeyPatch.context() as environment:
        for name in WorkerSettings.model_fields:
            environment.delenv(name.upper(), raising=False)
        for name, value in GOOD.items():
            environment.setenv(name, value)
        yield environment


def faults(environment: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    """Return the faults of an environment with these variables; an empty value unsets one."""
    for name, value in variables.items():
        if value:
            environment.setenv(name, value)
        else:
            environment.delenv(name, raising=False)
    with pytest.raises(BadSettings) as caught:
        load(WorkerSettings)
    return dict(fault.split(": ", 1) for fault in str(caught.value).split("; "))


def test_defaults_with_three_variables_are_valid() -> None:
    """The defaults are a valid chain of timeouts: page budget, request timeout, ack deadline."""
    settings = load(WorkerSettings)
    assert settings.push_auth == "oidc"
    assert settings.page_budget_seconds < settings.request_timeout_seconds < settings.ack_deadline_seconds


def test_every_fault_is_reported_at_once(environment: pytest.MonkeyPatch) -> None:
    """Missing, malformed and contradictory variables are reported together."""
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
    ("budget", "timeout", "deadline", "fault"),
    [
        ("51", "55", "60", "REQUEST_TIMEOUT_SECONDS: must be at least 5 above PAGE_BUDGET_SECONDS (51)"),
        ("600", "55", "60", "REQUEST_TIMEOUT_SECONDS: must be at least 5 above PAGE_BUDGET_SECONDS (600)"),
        ("40", "61", "60", "ACK_DEADLINE_SECONDS: must not be below REQUEST_TIMEOUT_SECONDS (61)"),
        ("inf", "55", "60", "REQUEST_TIMEOUT_SECONDS: must be at least 5 above PAGE_BUDGET_SECONDS (inf)"),
        ("nan", "55", "60", "PAGE_BUDGET_SECONDS: "),
        ("0", "55", "60", "PAGE_BUDGET_SECONDS: "),
        ("2", "9", "9", "ACK_DEADLINE_SECONDS: "),
        ("40", "55", "601", "ACK_DEADLINE_SECONDS: "),
    ],
)
def test_a_broken_chain_of_timeouts_is_a_fault(
    environment: pytest.MonkeyPatch, budget: str, timeout: str, deadline: str, fault: str
) -> None:
    """Page budget + confirmation ≤ request timeout ≤ ack deadline; else a running job is redelivered."""
    reported = faults(
        environment,
        PAGE_BUDGET_SECONDS=budget,
        REQUEST_TIMEOUT_SECONDS=timeout,
        ACK_DEADLINE_SECONDS=deadline,
    )
    assert [f"{name}: {why}"[: len(fault)] for name, why in reported.items()] == [fault]


def test_a_chain_of_timeouts_without_slack_is_valid(environment: pytest.MonkeyPatch) -> None:
    """The limits themselves are allowed."""
    environment.setenv("PAGE_BUDGET_SECONDS", "55")
    environment.setenv("REQUEST_TIMEOUT_SECONDS", "60")
    assert load(WorkerSettings).page_budget_seconds == 55


def test_push_authentication_is_configured_or_disabled(environment: pytest.MonkeyPatch) -> None:
    """Without an audience or an account any token would be accepted: neither has a default."""
    reported = faults(environment, PUSH_AUDIENCE="", PUSH_SERVICE_ACCOUNT="")
    assert reported.keys() == {"PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"}
    assert "PUSH_AUTH=none" in reported["PUSH_AUDIENCE"]
    environment.setenv("PUSH_AUTH", "none")
    assert load(WorkerSettings).push_auth == "none"
    environment.setenv("PUSH_AUTH", "off")
    with pytest.raises(BadSettings, match="PUSH_AUTH: "):
        load(WorkerSettings)

"""Settings of every service: read once, every fault told, none survived."""

from typing import Annotated

import pytest
from pydantic import Field

from runtime.settings import BadSettings, ServiceSettings, load, load_or_exit


class Kettle(ServiceSettings):
    """A service with a setting of its own."""

    degrees: Annotated[int, Field(ge=0, le=100)] = 100


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GOOGLE_CLOUD_PROJECT",
        "PORT",
        "HOST",
        "K_SERVICE",
        "K_REVISION",
        "PUBSUB_EMULATOR_HOST",
        "USER_AGENT",
        "FETCH_ALLOW_NETWORKS",
    ):
        monkeypatch.delenv(name, raising=False)


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deploys mends all of it in one go: each fault with its variable and what it got."""
    # Given an environment with one variable missing and two that are wrong
    monkeypatch.setenv("PORT", "80x")
    monkeypatch.setenv("DEGREES", "101")
    # When it is read
    with pytest.raises(BadSettings) as wrong:
        load(Kettle)
    # Then all three are named
    faults = str(wrong.value).split("; ")
    assert [fault.split(":")[0] for fault in faults] == ["GOOGLE_CLOUD_PROJECT", "PORT", "DEGREES"]
    assert faults[0] == "GOOGLE_CLOUD_PROJECT: missing"
    assert "'80x'" in faults[1]
    assert "'101'" in faults[2]


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "0"), ("PORT", "65536"), ("PORT", ""), ("GOOGLE_CLOUD_PROJECT", "")]
)
def test_a_value_outside_its_bounds_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A variable that is set to nothing is not taken for one that is not set."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=f"^{name}: "):
        load(Kettle)


def test_what_is_not_set_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project is all that has to be said; other variables of the environment are not ours."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    settings = load(Kettle)
    assert (settings.google_cloud_project, settings.port, settings.degrees) == ("p", 8080, 100)
    assert settings.k_revision == "local"


@pytest.mark.parametrize(
    "user_agent",
    [
        "scrapeq/0.1 (+https://x.example/bot)",
        "Mozilla/5.0 (compatible; shopbot/2; bots@x.example)",
        "b http://x.example",
    ],
)
def test_sites_owners_can_reach_whoever_runs_it_in_the_cloud(
    monkeypatch: pytest.MonkeyPatch, user_agent: str
) -> None:
    """A URL or an email address in USER_AGENT is needed on Cloud Run, and only there."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert load(Kettle).user_agent == "scrapeq/0.1"
    monkeypatch.setenv("K_SERVICE", "worker")
    with pytest.raises(BadSettings, match=r"^USER_AGENT: must hold a URL or an email address"):
        load(Kettle)
    monkeypatch.setenv("USER_AGENT", user_agent)
    assert load(Kettle).user_agent == user_agent


@pytest.mark.parametrize(
    "user_agent", ["", " scrapeq", "007/1", "(x)", "a\tb", "a\r\nX: y", "bot ä", "x" * 501]
)
def test_a_user_agent_is_one_line_that_begins_with_a_name(
    monkeypatch: pytest.MonkeyPatch, user_agent: str
) -> None:
    """The name is what robots.txt calls us by; a line end in it would be a header of its own."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("USER_AGENT", user_agent)
    with pytest.raises(BadSettings, match=r"^USER_AGENT: "):
        load(Kettle)


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "10.0.0.0/8;::1/128", "localhost", "10.0.0.0/8,,x"])
def test_a_list_of_networks_with_a_typo_is_a_fault(monkeypatch: pytest.MonkeyPatch, networks: str) -> None:
    """It opens nothing by accident, and nothing is missed in silence."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", "10.0.0.0/8, ::1/128")
    assert load(Kettle).fetch_allow_networks == "10.0.0.0/8, ::1/128"
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", networks)
    with pytest.raises(BadSettings, match=r"^FETCH_ALLOW_NETWORKS: "):
        load(Kettle)


def test_a_service_that_cannot_run_says_why_and_ends() -> None:
    """One sentence on standard error and status 1: what Python makes of a SystemExit with a text."""
    with pytest.raises(SystemExit) as end:
        load_or_exit(Kettle)
    assert str(end.value).endswith("does not start. GOOGLE_CLOUD_PROJECT: missing")

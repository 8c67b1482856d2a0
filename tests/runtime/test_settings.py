"""Settings of every service: read once; every fault is reported and ends the process."""

from typing import Annotated

import pytest
from pydantic import Field

from runtime.settings import BadSettings, ServiceSettings, load, load_or_exit


class ExampleSettings(ServiceSettings):
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


def test_every_fault_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault names its variable and the value, so that one deployment can repair all of them."""
    # Given an environment with one variable missing and two that are wrong
    monkeypatch.setenv("PORT", "80x")
    monkeypatch.setenv("DEGREES", "101")
    # When it is read
    with pytest.raises(BadSettings) as caught:
        load(ExampleSettings)
    # Then all three are named
    faults = str(caught.value).split("; ")
    assert [fault.split(":")[0] for fault in faults] == ["GOOGLE_CLOUD_PROJECT", "PORT", "DEGREES"]
    assert faults[0] == "GOOGLE_CLOUD_PROJECT: missing"
    assert "'80x'" in faults[1]
    assert "'101'" in faults[2]


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "0"), ("PORT", "65536"), ("PORT", ""), ("GOOGLE_CLOUD_PROJECT", "")]
)
def test_a_value_outside_its_limits_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A variable set to an empty text does not count as unset."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=f"^{name}: "):
        load(ExampleSettings)


def test_an_unset_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the project is required; unknown variables are ignored."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    settings = load(ExampleSettings)
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
def test_user_agent_needs_a_contact_on_cloud_run(monkeypatch: pytest.MonkeyPatch, user_agent: str) -> None:
    """A URL or an email address in USER_AGENT is required on Cloud Run, and only there."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert load(ExampleSettings).user_agent == "scrapeq/0.1"
    monkeypatch.setenv("K_SERVICE", "worker")
    with pytest.raises(BadSettings, match=r"^USER_AGENT: must hold a URL or an email address"):
        load(ExampleSettings)
    monkeypatch.setenv("USER_AGENT", user_agent)
    assert load(ExampleSettings).user_agent == user_agent


@pytest.mark.parametrize(
    "user_agent", ["", " scrapeq", "007/1", "(x)", "a\tb", "a\r\nX: y", "bot ä", "x" * 501]
)
def test_user_agent_is_one_line_that_begins_with_a_product_name(
    monkeypatch: pytest.MonkeyPatch, user_agent: str
) -> None:
    """robots.txt rules name the product; a line break would start another header."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("USER_AGENT", user_agent)
    with pytest.raises(BadSettings, match=r"^USER_AGENT: "):
        load(ExampleSettings)


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "10.0.0.0/8;::1/128", "localhost", "10.0.0.0/8,,x"])
def test_an_invalid_list_of_networks_is_a_fault(monkeypatch: pytest.MonkeyPatch, networks: str) -> None:
    """A typo neither allows a network by accident nor is ignored."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", "10.0.0.0/8, ::1/128")
    assert load(ExampleSettings).fetch_allow_networks == "10.0.0.0/8, ::1/128"
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", networks)
    with pytest.raises(BadSettings, match=r"^FETCH_ALLOW_NETWORKS: "):
        load(ExampleSettings)


def test_invalid_settings_exit_with_their_faults() -> None:
    """SystemExit with a text is one sentence on standard error and status 1."""
    with pytest.raises(SystemExit) as end:
        load_or_exit(ExampleSettings)
    assert str(end.value).endswith("does not start. GOOGLE_CLOUD_PROJECT: missing")

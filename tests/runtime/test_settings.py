"""The settings of a service are read from the environment; faults are reported and end the process."""

from typing import Annotated

import pytest
from pydantic import Field

from runtime.settings import BadSettings, ServiceSettings, load, load_or_exit


class ExampleSettings(ServiceSettings):
    """The settings of a service that has one further setting."""

    degrees: Annotated[int, Field(ge=0, le=100)] = 100


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GOOGLE_CLOUD_PROJECT",
        "BROKER_URL",
        "PORT",
        "HOST",
        "K_SERVICE",
        "K_REVISION",
        "PUBSUB_EMULATOR_HOST",
        "USER_AGENT",
        "FETCH_ALLOW_NETWORKS",
        "DNS_SERVERS",
    ):
        monkeypatch.delenv(name, raising=False)


def test_all_faults_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error names every missing or invalid variable, with its value."""
    # Given an environment with one missing and two invalid variables
    monkeypatch.setenv("PORT", "80x")
    monkeypatch.setenv("DEGREES", "101")
    # When the settings are loaded
    with pytest.raises(BadSettings) as caught:
        load(ExampleSettings)
    # Then the error names all three variables
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
    """A variable whose value is empty or outside its limits is a fault."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=f"^{name}: "):
        load(ExampleSettings)


@pytest.mark.parametrize("url", ["amqp://host/", "amqps://user:secret@host/"])
def test_another_broker_needs_no_project(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """GOOGLE_CLOUD_PROJECT is required only on Pub/Sub; an invalid BROKER_URL is one fault, and not two."""
    monkeypatch.setenv("BROKER_URL", url)
    assert load(ExampleSettings).google_cloud_project == ""
    monkeypatch.setenv("BROKER_URL", "nonsense")
    with pytest.raises(BadSettings) as caught:
        load(ExampleSettings)
    assert str(caught.value).startswith("BROKER_URL: ")
    assert "GOOGLE_CLOUD_PROJECT" not in str(caught.value)


def test_an_unset_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """If only the project is set, the other settings have defaults; unknown variables are ignored."""
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
    """USER_AGENT must contain a URL or an email address on Cloud Run, but not elsewhere."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert load(ExampleSettings).user_agent == "scrapeq/0.1"
    monkeypatch.setenv("K_SERVICE", "worker")
    with pytest.raises(BadSettings, match=r"^USER_AGENT: must contain a URL or an email address"):
        load(ExampleSettings)
    monkeypatch.setenv("USER_AGENT", user_agent)
    assert load(ExampleSettings).user_agent == user_agent


@pytest.mark.parametrize(
    "user_agent", ["", " scrapeq", "007/1", "(x)", "a\tb", "a\r\nX: y", "bot ä", "x" * 501]
)
def test_user_agent_is_one_line_that_begins_with_a_product_name(
    monkeypatch: pytest.MonkeyPatch, user_agent: str
) -> None:
    """A USER_AGENT that is not one line of ASCII beginning with a product name is a fault."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("USER_AGENT", user_agent)
    with pytest.raises(BadSettings, match=r"^USER_AGENT: "):
        load(ExampleSettings)


@pytest.mark.parametrize("servers", ["dns.example", "10.0.0.2:x", "10.0.0.2;10.0.0.3"])
def test_an_invalid_dns_server_is_a_fault(monkeypatch: pytest.MonkeyPatch, servers: str) -> None:
    """A DNS server that is not an IP address with or without a port is a fault; a valid list is not."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("DNS_SERVERS", "127.0.0.1:5353, ::1")
    assert load(ExampleSettings).dns_servers == "127.0.0.1:5353, ::1"
    monkeypatch.setenv("DNS_SERVERS", servers)
    with pytest.raises(BadSettings, match=f"^DNS_SERVERS: .*{servers}.* is not an IP address"):
        load(ExampleSettings)


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "10.0.0.0/8;::1/128", "localhost", "10.0.0.0/8,,x"])
def test_an_invalid_list_of_networks_is_a_fault(monkeypatch: pytest.MonkeyPatch, networks: str) -> None:
    """A list of networks with an invalid entry is a fault, and a valid list is accepted."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", "10.0.0.0/8, ::1/128")
    assert load(ExampleSettings).fetch_allow_networks == "10.0.0.0/8, ::1/128"
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", networks)
    with pytest.raises(BadSettings, match=r"^FETCH_ALLOW_NETWORKS: "):
        load(ExampleSettings)


@pytest.mark.parametrize("ports", ["0", "65536", "http", "80-90", "-1", "٣"])
def test_an_invalid_list_of_ports_is_a_fault(monkeypatch: pytest.MonkeyPatch, ports: str) -> None:
    """A list of ports with an invalid entry is a fault, and a valid list is accepted."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("FETCH_REFUSE_PORTS", "8085, 8086")
    assert load(ExampleSettings).fetch_refuse_ports == "8085, 8086"
    monkeypatch.setenv("FETCH_REFUSE_PORTS", f"8085,{ports}")
    with pytest.raises(BadSettings, match=r"^FETCH_REFUSE_PORTS: .*is not a port number"):
        load(ExampleSettings)


@pytest.mark.parametrize("host", ["http://worker", "worker:8080", "wor ker", "*.example.org", ".example.org"])
def test_an_invalid_allowed_host_is_a_fault(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A list of host names with an invalid entry is a fault, and a valid list is accepted."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("ALLOWED_HOSTS", "Worker, scrape.example.org")
    assert load(ExampleSettings).allowed_host_names == {"worker", "scrape.example.org"}
    monkeypatch.setenv("ALLOWED_HOSTS", f"worker,{host}")
    with pytest.raises(BadSettings, match=r"^ALLOWED_HOSTS: .*is not a host name"):
        load(ExampleSettings)


def test_every_host_is_allowed_on_cloud_run_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ALLOWED_HOSTS every name is allowed on Cloud Run, and none elsewhere."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert load(ExampleSettings).allowed_host_names == frozenset()
    monkeypatch.setenv("K_SERVICE", "worker")
    monkeypatch.setenv("USER_AGENT", "scrapeq/1 (+https://example.org)")
    assert load(ExampleSettings).allowed_host_names == {"*"}


def test_invalid_settings_exit_with_their_faults() -> None:
    """Invalid settings end the process with one sentence that names the fault."""
    with pytest.raises(SystemExit) as end:
        load_or_exit(ExampleSettings)
    assert str(end.value).endswith("does not start. GOOGLE_CLOUD_PROJECT: missing")

"""Tests that Terraform sets the settings that the services read, and that the services accept them."""

import pytest

from contract import topology
from dispatcher.settings import DispatcherSettings
from runtime.egress import MAX_OUTSIDE_SECONDS
from runtime.settings import ServiceSettings, load
from tests.terraform.lifecycle import Lifecycle
from worker.settings import WorkerSettings

SERVICES: dict[str, type[ServiceSettings]] = {"dispatcher": DispatcherSettings, "worker": WorkerSettings}
# The settings that Terraform does not set, each with the reason.
NOT_SET_BY_TERRAFORM = {
    "HOST": "the default (all addresses) is correct in a container",
    "PORT": "Cloud Run sets it",
    "ALLOWED_HOSTS": "Cloud Run forwards only requests for the service's own names",
    "K_SERVICE": "Cloud Run sets it",
    "K_REVISION": "Cloud Run sets it",
    "PUBSUB_EMULATOR_HOST": "only used on laptops",
    "BROKER_URL": "this stack's broker is Pub/Sub",
    "SHARD_URLS": "a request with the default number takes less than SHARD_SECONDS",
    "DNS_SERVERS": "Cloud Run's /etc/resolv.conf names its servers",
    "STORAGE_EMULATOR_HOST": "only used on laptops and in tests",
    "THREADS": "the default has room for each request of an instance",
    "FETCH_REFUSE_PORTS": "only used on laptops, where the services have ports at an allowed address",
    "PUSH_CERTS_URL": "the default is Google's",
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_set_is_a_setting(lifecycle: Lifecycle, service: str) -> None:
    """Every environment variable that Terraform sets is a setting that the service reads."""
    read = {name.upper() for name in SERVICES[service].model_fields}
    assert lifecycle.environment(service).keys() - read == set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_set_or_exempt(lifecycle: Lifecycle, service: str) -> None:
    """Terraform can set every setting that the service reads, except the listed ones."""
    read = {name.upper() for name in SERVICES[service].model_fields}
    assert read - lifecycle.environment(service).keys() - NOT_SET_BY_TERRAFORM.keys() == set()


@pytest.mark.parametrize("service", SERVICES)
def test_service_starts_with_the_applied_environment(
    lifecycle: Lifecycle, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each service accepts the applied environment, including its deadlines and User-Agent."""
    for name in SERVICES[service].model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**lifecycle.environment(service), "K_SERVICE": service, "K_REVISION": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in lifecycle.secret_variables(service):
        monkeypatch.setenv(name, "the value of a secret")
    load(SERVICES[service])


@pytest.mark.parametrize("service", SERVICES)
def test_startup_probe_waits_longer_than_the_startup_check(lifecycle: Lifecycle, service: str) -> None:
    """With a network of its own, a service waits for outside hosts, and its probe for longer than it does."""
    (probe,) = [
        values["template"][0]["containers"][0]["startup_probe"][0]
        for values in lifecycle.of("google_cloud_run_v2_service")
        if values["name"].endswith(service)
    ]
    seconds = probe["period_seconds"] * probe["failure_threshold"]
    # Cloud Run's limit: https://cloud.google.com/run/docs/configuring/healthchecks
    assert seconds <= 240
    has_network = bool(lifecycle.of("google_compute_network"))
    assert has_network == bool(lifecycle.environment(service)["STARTUP_HOSTS"])
    assert not has_network or seconds > MAX_OUTSIDE_SECONDS


def test_worker_gets_its_secrets_and_their_origins(lifecycle: Lifecycle) -> None:
    """Each secret is an environment variable of the worker only, and FETCH_SECRETS has its origins."""
    secrets = {"SECRET_SHOP_TOKEN": ("shop-token", "3")} if lifecycle.example == "large" else {}
    assert lifecycle.secret_variables("worker") == secrets
    assert lifecycle.secret_variables("dispatcher") == {}
    origins = "SHOP_TOKEN=api.shop.example,*.shop.example" if secrets else ""
    assert lifecycle.environment("worker")["FETCH_SECRETS"] == origins


def test_resource_names_match_contract_topology(lifecycle: Lifecycle) -> None:
    """Topics, subscriptions and tables have the names that the console and the runbook use."""
    outputs = lifecycle.outputs
    assert outputs["jobs_topic"] == topology.JOBS_TOPIC
    assert outputs["outcomes_topic"] == topology.OUTCOMES_TOPIC
    assert outputs["dead_letter_topic"] == topology.DEAD_LETTER_TOPIC
    assert outputs["push_subscription"] == topology.PUSH_SUBSCRIPTION
    assert outputs["dispatch_topic"] == topology.DISPATCH_TOPIC
    assert outputs["dispatch_subscription"] == topology.DISPATCH_SUBSCRIPTION
    [shards] = [values for values in lifecycle.of("google_pubsub_subscription") if values["filter"]]
    assert (shards["name"], shards["filter"]) == (topology.DISPATCH_SUBSCRIPTION, topology.DISPATCH_FILTER)
    assert outputs["dead_letter_subscription"] == topology.DEAD_LETTER_SUBSCRIPTION
    assert outputs["ledger_dataset"] == f"my-project.{topology.LEDGER_DATASET}"
    ledger = [values for values in lifecycle.of("google_pubsub_subscription") if values["bigquery_config"]]
    assert {values["name"] for values in ledger} == set(topology.LEDGER_SUBSCRIPTIONS.values())
    assert {
        (values["topic"].rsplit("/")[-1], values["bigquery_config"][0]["table"].rsplit(".")[-1])
        for values in ledger
    } == set(topology.LEDGER_TABLES.items())


def test_services_receive_the_names_of_their_topics(lifecycle: Lifecycle) -> None:
    """The topics in the services' environment variables are those that Terraform created."""
    assert lifecycle.environment("dispatcher")["JOBS_TOPIC"] == lifecycle.outputs["jobs_topic"]
    assert lifecycle.environment("dispatcher")["DISPATCH_TOPIC"] == lifecycle.outputs["dispatch_topic"]
    assert lifecycle.environment("worker")["OUTCOMES_TOPIC"] == lifecycle.outputs["outcomes_topic"]
    assert lifecycle.environment("worker")["DEAD_LETTER_TOPIC"] == lifecycle.outputs["dead_letter_topic"]

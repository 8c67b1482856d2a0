"""What Terraform gives the services is what they read, in both directions, and they start on it."""

import pytest

from contract import topology
from dispatcher.settings import DispatcherSettings
from runtime.settings import ServiceSettings, load
from tests.terraform.life import Life
from worker.settings import WorkerSettings

SERVICES: dict[str, type[ServiceSettings]] = {"dispatcher": DispatcherSettings, "worker": WorkerSettings}
# Settings that are not for Terraform to give, and why.
NOT_GIVEN = {
    "HOST": "the image's: all addresses",
    "PORT": "Cloud Run sets it",
    "K_SERVICE": "Cloud Run sets it",
    "K_REVISION": "Cloud Run sets it",
    "PUBSUB_EMULATOR_HOST": "for laptops",
    "PUSH_CERTS_URL": "Google's, by default",
}
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_given_is_read(life: Life, service: str) -> None:
    """A misspelt variable would be ignored in silence."""
    read = {name.upper() for name in SERVICES[service].model_fields}
    assert life.environment(service).keys() - read == set()


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_read_is_given(life: Life, service: str) -> None:
    """Every setting can be set from Terraform, or is not for it to set."""
    read = {name.upper() for name in SERVICES[service].model_fields}
    assert read - life.environment(service).keys() - NOT_GIVEN.keys() == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_on_it(life: Life, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With exactly this environment, on Cloud Run: the deadline chain holds, and sites can reach somebody."""
    for name in SERVICES[service].model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**life.environment(service), "K_SERVICE": service, "K_REVISION": "1"}.items():
        monkeypatch.setenv(name, value)
    load(SERVICES[service])


def test_names_are_those_of_the_contract(life: Life) -> None:
    """The console, gcloud and the runbook find them under the names they know."""
    outputs = life.outputs
    assert outputs["jobs_topic"] == topology.JOBS_TOPIC
    assert outputs["outcomes_topic"] == topology.OUTCOMES_TOPIC
    assert outputs["dead_letter_topic"] == topology.DEAD_LETTER_TOPIC
    assert outputs["push_subscription"] == topology.PUSH_SUBSCRIPTION
    assert outputs["dead_letter_subscription"] == topology.DEAD_LETTER_SUBSCRIPTION
    assert outputs["ledger_dataset"] == f"my-project.{topology.LEDGER_DATASET}"
    ledger = [values for values in life.of("google_pubsub_subscription") if values["bigquery_config"]]
    assert {values["name"] for values in ledger} == set(topology.LEDGER_SUBSCRIPTIONS.values())
    assert {
        (values["topic"].rsplit("/")[-1], values["bigquery_config"][0]["table"].rsplit(".")[-1])
        for values in ledger
    } == set(topology.LEDGER_TABLES.items())


def test_the_services_get_the_names_of_the_topics(life: Life) -> None:
    """Where each publishes."""
    assert life.environment("dispatcher")["JOBS_TOPIC"] == life.outputs["jobs_topic"]
    assert life.environment("worker")["OUTCOMES_TOPIC"] == life.outputs["outcomes_topic"]
    assert life.environment("worker")["DEAD_LETTER_TOPIC"] == life.outputs["dead_letter_topic"]

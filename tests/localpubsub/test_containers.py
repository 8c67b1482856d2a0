"""Tests of the page about containers: its files are valid, and name what the image and the command have."""

import re

import yaml

from localpubsub.__main__ import options_of
from localpubsub.setup.projects import from_projects, of_environment
from tests.repository.tree import ROOT

PAGE = (ROOT / "localpubsub" / "CONTAINERS.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "localpubsub" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE, WORKFLOW = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


def test_compose_file_has_valid_options_and_resources() -> None:
    """The server accepts the command of the compose file, and its variable has a push subscription."""
    service = COMPOSE["services"]["pubsub"]
    assert options_of(service["command"]).allowed_hosts == ["pubsub"]
    push = from_projects(of_environment(service["environment"]))[-1]
    assert push.fields["pushConfig"] == {"pushEndpoint": "http://app:8080/push"}
    assert COMPOSE["services"]["app"]["depends_on"]["pubsub"]["condition"] == "service_healthy"
    assert "HEALTHCHECK" in DOCKERFILE


def test_workflow_has_a_service_with_a_port() -> None:
    """The service of the workflow is reachable where the tests look for it."""
    job = WORKFLOW["jobs"]["test"]
    assert job["services"]["pubsub"]["ports"] == ["8085:8085"]
    assert job["env"]["PUBSUB_EMULATOR_HOST"] == "127.0.0.1:8085"
    assert from_projects(of_environment(job["services"]["pubsub"]["env"]))


def test_every_example_uses_the_port_and_the_health_check_of_the_image() -> None:
    """Each example of Testcontainers waits for the image's health check on the image's port."""
    assert "EXPOSE 8085\n" in DOCKERFILE
    examples = re.findall(r"```(?:java|go|js|csharp)\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 4
    assert all("8085" in example and "/healthz" in example for example in examples)

"""Tests the operator's page as Terraform runs it: its arguments, who may reach it, and its guide."""

import re
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.commands import app
from console.ledger.bigquery_address import read_bigquery_address
from console.web import server
from console.web.options import Behind, ConsoleOptions
from tests.repository.tree import ROOT
from tests.terraform.lifecycle import COMMON_OPTIONS, CopyStack, Lifecycle
from tests.terraform.stack import Stack

GUIDE = (ROOT / "docs" / "how-to" / "operators-page.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```hcl\n(console = .*?)\n```", GUIDE, re.MULTILINE | re.DOTALL)
IMAGE = f"europe-west1-docker.pkg.dev/my-project/scrapeq/service@sha256:{'0' * 64}"


def applied(copy_stack: CopyStack, text: str) -> Stack:
    """Apply the small example with further variables, and return the stack."""
    stack = copy_stack()
    (stack.directory / "more.tfvars").write_text(text, encoding="utf-8")
    files = ("-var-file=examples/small.tfvars", "-var-file=more.tfvars")
    images = f'-var=images={{dispatcher="{IMAGE}",worker="{IMAGE}",console="{IMAGE}"}}'
    stack.succeed("apply", "-auto-approve", "-no-color", *files, images, *COMMON_OPTIONS)
    return stack


def service(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the values of the page's service."""
    [values] = [
        each["values"] for each in resources if each["address"] == "google_cloud_run_v2_service.console[0]"
    ]
    return dict(values)


def options_of(resources: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> ConsoleOptions:
    """Start the page with the arguments and the environment that are applied; return its options."""
    [container] = service(resources)["template"][0]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    monkeypatch.setenv("K_SERVICE", "scrapeq-console")
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    found = list[ConsoleOptions]()
    monkeypatch.setattr(server.ConsoleServer, "__init__", lambda _, options: found.append(options))
    monkeypatch.setattr(server.ConsoleServer, "run", lambda _: None)
    done = CliRunner().invoke(app, container["args"])
    assert done.exit_code == 0, done.output
    return found[0]


def members(resources: list[dict[str, Any]], kind: str) -> dict[str, set[str]]:
    """Return by role the members that a type of resource grants it to, on the page's service."""
    found: dict[str, set[str]] = {}
    for each in resources:
        values = each["values"]
        name = str(values.get("name") or values.get("cloud_run_service_name"))
        if each["type"] == kind and name.endswith("scrapeq-console"):
            found.setdefault(values["role"], set()).add(values["member"])
    return found


def test_page_without_the_proxy_is_read_only_and_invoked_by_its_members(
    copy_stack: CopyStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first example of the guide: Cloud Run checks the callers, and the output is the guide's command."""
    stack = applied(copy_stack, EXAMPLES[0])
    resources = stack.resources()
    options = options_of(resources, monkeypatch)
    assert (options.behind, options.read_only, options.port) == (Behind.IAM, True, 8080)
    assert not service(resources)["iap_enabled"]
    group = {"group:support@example.com"}
    assert members(resources, "google_cloud_run_v2_service_iam_member") == {
        "roles/run.invoker": group,
        "roles/run.viewer": group,
    }
    command = str(stack.outputs()["console"])
    command = command.replace("=my-project", "=PROJECT").replace("=europe-west1", "=REGION")
    assert command in GUIDE.splitlines()


def test_page_behind_the_proxy_has_acts_and_is_invoked_by_the_proxy_only(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second example of the guide: only assertions for this service count, and the page may act."""
    if lifecycle.example != "large":
        assert lifecycle.outputs.get("console") is None
        return
    options = options_of(lifecycle.resources, monkeypatch)
    assert (options.behind, options.read_only) == (Behind.IAP, False)
    number = re.findall(r"-(\d+)\.europe-west1\.run\.app", lifecycle.outputs["console"])[0]
    path = f"/projects/{number}/locations/europe-west1/services/scrapeq-console"
    assert options.iap_audience == path
    assert options.allowed_hosts == {"*"}
    values = service(lifecycle.resources)
    assert lifecycle.outputs["console"].rstrip("/") in values["urls"]
    assert values["iap_enabled"]
    assert values["template"][0]["scaling"][0]["max_instance_count"] == 1
    assert not values["template"][0]["containers"][0]["resources"][0]["cpu_idle"]
    [invokers] = members(lifecycle.resources, "google_cloud_run_v2_service_iam_member").values()
    assert invokers == {f"serviceAccount:service-{number}@gcp-sa-iap.iam.gserviceaccount.com"}
    assert EXAMPLES[1].endswith("iap = true, acts = true }")


def test_ledger_address_names_the_stack(lifecycle: Lifecycle) -> None:
    """The output that the guides set LEDGER to is an address that `scrapeq` reads, of this stack."""
    address = read_bigquery_address(lifecycle.outputs["ledger_address"])
    assert (address.project, address.dataset, address.topics) == ("my-project", "scrapeq", "scrape")
    assert f"{address.project}.{address.dataset}" == lifecycle.outputs["ledger_dataset"]

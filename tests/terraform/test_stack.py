"""Tests of the stack's contents: crawls, ledger, alerts, dashboard and the commands in its outputs."""

import base64
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from console.recipes.crawl_file import load_crawl
from contract.crawl import Crawl
from extraction.selectors import CHECKS
from tests.console.ledger.bigquery_functions import bounded_views, function_body
from tests.repository.tree import ROOT
from tests.terraform.lifecycle import Lifecycle

LEDGER = ROOT / "contract" / "ledger"
# The sections of docs/how-to/runbook.md that alerts link to.
SECTIONS = {
    "oldest-unacked",
    "stalled-dispatch",
    "dead-letters",
    "infrastructure-dead-letters",
    "refused-pushes",
    "push-failures",
    "server-errors",
    "backlog",
    "ledger-lagging",
    "missed-schedule",
}


@pytest.mark.parametrize("path", sorted((ROOT / "crawls").glob("*.yaml")), ids=lambda path: path.stem)
def test_crawl_file_is_a_valid_crawl(path: Path) -> None:
    """`scrapeq dispatch` accepts each file in crawls/, and the crawl has the file's name."""
    assert load_crawl(path).name == path.stem


def test_scheduler_job_posts_the_crawl_file(lifecycle: Lifecycle) -> None:
    """Each request of Cloud Scheduler contains the crawl file as JSON, and the dispatcher can decode it."""
    for job in lifecycle.of("google_cloud_scheduler_job"):
        body = base64.b64decode(job["http_target"][0]["body"])
        crawl = Crawl.decode(body, CHECKS)
        file = ROOT / "crawls" / f"{crawl.name}.yaml"
        assert json.loads(body) == yaml.safe_load(file.read_text(encoding="utf-8"))


def test_ledger_has_the_tables_and_views_of_contract_ledger(lifecycle: Lifecycle) -> None:
    """The BigQuery dataset has all tables of contract/ledger with their columns, and all its views."""
    tables = {values["table_id"]: values for values in lifecycle.of("google_bigquery_table")}
    schemas = {path.name.removesuffix(".schema.json"): path for path in LEDGER.glob("*.schema.json")}
    views = {path.stem: path.read_text(encoding="utf-8") for path in LEDGER.glob("*.sql")}
    assert tables.keys() == schemas.keys() | views.keys()
    for name, path in schemas.items():
        assert json.loads(tables[name]["schema"]) == json.loads(path.read_text(encoding="utf-8"))
    for name, query in views.items():
        assert tables[name]["view"][0]["query"] == query.replace("${ledger}", "my-project.scrapeq")


def test_ledger_has_a_function_with_a_bound_for_each_view_that_reads_tables(lifecycle: Lifecycle) -> None:
    """Each view that reads tables is a table function, too, with the body that ZetaSQL analyzes."""
    functions = {values["routine_id"]: values for values in lifecycle.of("google_bigquery_routine")}
    assert functions.keys() == {f"{view}_since" for view in bounded_views()}
    for view in bounded_views():
        function = functions[f"{view}_since"]
        assert function["definition_body"] == function_body(view, "my-project.scrapeq")
        assert function["routine_type"] == "TABLE_VALUED_FUNCTION"
        [argument] = function["arguments"]
        assert (argument["name"], json.loads(argument["data_type"])) == ("since", {"typeKind": "TIMESTAMP"})


def test_views_are_nested_at_most_once() -> None:
    """No view reads a view that itself reads a view, because ledger.tf creates views in only two steps."""
    views = {path.stem: path.read_text(encoding="utf-8") for path in LEDGER.glob("*.sql")}
    read = {name: {other for other in views if f".{other}`" in query} for name, query in views.items()}
    assert [name for name, others in read.items() if any(read[other] for other in others)] == []


def test_every_alert_links_to_its_runbook_section(lifecycle: Lifecycle) -> None:
    """Every alert links to a section of the runbook, and every section is linked."""
    policies = lifecycle.of("google_monitoring_alert_policy")
    linked = [policy["documentation"][0]["links"][0]["url"].partition("#")[2] for policy in policies]
    assert set(linked) == SECTIONS
    for policy, section in zip(policies, linked, strict=True):
        assert policy["documentation"][0]["content"].endswith(f"#{section}")
        assert policy["severity"]


def test_every_alert_filters_on_a_resource_of_the_stack(lifecycle: Lifecycle) -> None:
    """Each alert's filter or query names a resource of the stack and, unless it filters logs, a metric."""
    prefixes = ("scrape-", "scrapeq-")
    kinds = ("condition_threshold", "condition_absent", "condition_matched_log")
    for policy in lifecycle.of("google_monitoring_alert_policy"):
        for condition in policy["conditions"]:
            if condition["condition_prometheus_query_language"]:
                text = condition["condition_prometheus_query_language"][0]["query"]
                assert "monitored_resource=" in text
            else:
                [text] = [condition[kind][0]["filter"] for kind in kinds if condition[kind]]
                assert "resource.type = " in text
                assert condition["condition_matched_log"] or "metric.type = " in text
            assert any(f'"{name}' in text for name in prefixes)


def test_dead_letters_of_the_infrastructure_have_their_own_alert(lifecycle: Lifecycle) -> None:
    """With `settled` these are Pub/Sub's own dead letters; with `success` the worker logs them."""
    policies = {
        policy["documentation"][0]["links"][0]["url"].partition("#")[2]: policy["conditions"]
        for policy in lifecycle.of("google_monitoring_alert_policy")
    }
    [condition] = policies["infrastructure-dead-letters"]
    names = [condition["display_name"] for condition in policies["dead-letters"]]
    if lifecycle.environment("worker")["ACK_POLICY"] == "settled":
        [threshold] = condition["condition_threshold"]
        assert "subscription/dead_letter_message_count" in threshold["filter"]
        assert names == ["dead letters are not replayed"]
    else:
        [log] = condition["condition_matched_log"]
        assert 'jsonPayload.cause = "infrastructure"' in log["filter"]
        assert names == ["dead letters are not replayed", "jobs became dead letters"]


def test_only_requests_of_the_services_that_succeeded_are_excluded_from_the_log(lifecycle: Lifecycle) -> None:
    """The log lacks Cloud Run's lines of 2xx responses of both services, and nothing else."""
    [exclusion] = lifecycle.of("google_logging_project_exclusion")
    clauses = set(exclusion["filter"].split(" AND "))
    assert 'log_id("run.googleapis.com/requests")' in clauses
    assert 'resource.labels.service_name = ("scrapeq-dispatcher" OR "scrapeq-worker")' in clauses
    assert {"httpRequest.status >= 200", "httpRequest.status < 300"} <= clauses
    assert not exclusion["disabled"]


def test_dashboard_tiles_do_not_overlap(lifecycle: Lifecycle) -> None:
    """No two tiles have the same place, and there are at most 100 tiles (Cloud Monitoring's limit)."""
    (dashboard,) = lifecycle.of("google_monitoring_dashboard")
    tiles = json.loads(dashboard["dashboard_json"])["mosaicLayout"]["tiles"]
    places = {(tile.get("xPos", 0), tile.get("yPos", 0)) for tile in tiles}
    assert len(places) == len(tiles) <= 100
    assert {tile.get("xPos", 0) + tile["width"] for tile in tiles} == {4, 8, 12}


def test_every_example_has_a_slot_for_every_push(lifecycle: Lifecycle) -> None:
    """Each example has at least 3,000 slots, the push window's lower limit, and says that nothing is lost."""
    capacity = lifecycle.outputs["capacity"]
    assert capacity["push_slots"] >= capacity["push_floor"] == 3000
    assert capacity["verdict"].startswith("Every push has a slot")
    assert "Every push gets a page slot" in capacity["verdict"]


def test_commands_in_outputs_name_existing_resources(lifecycle: Lifecycle) -> None:
    """Each command in the outputs names a resource of the stack and has no placeholder."""
    outputs = lifecycle.outputs
    commands = [
        outputs["peek_dead_letters_command"],
        outputs["replay_command"],
        outputs["replay_all_command"],
        *outputs["replay_all_gcloud_commands"].values(),
        *outputs["dispatch_commands"].values(),
    ]
    names = {
        values["name"]
        for kind in ("google_pubsub_subscription", "google_cloud_scheduler_job")
        for values in lifecycle.of(kind)
    }
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "gcloud" or (ROOT / words[0]).exists() or not (ROOT / "scripts").exists()
        assert names & set(words), command
        assert not re.search(r"[<>{}$]|[A-Z]{4,}", command), command

"""What the stack is made of, beside its wiring: crawls, ledger, alerts, dashboard, printed commands."""

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
from tests.repository.tree import ROOT
from tests.terraform.life import Life
from tests.terraform.stand_in import NEWEST

pytestmark = pytest.mark.timeout(600)

LEDGER = ROOT / "contract" / "ledger"
SECTIONS = {  # of docs/how-to/runbook.md
    "oldest-unacked",
    "dead-letters",
    "push-failures",
    "server-errors",
    "backlog",
    "ledger-lagging",
    "missed-schedule",
}


@pytest.mark.parametrize("path", sorted((ROOT / "crawls").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_crawl_is_one(path: Path) -> None:
    """Each file of crawls/ is a crawl of the file's name, which `scrapeq dispatch` takes as well."""
    assert load_crawl(path).name == path.stem


def test_cloud_scheduler_posts_the_crawl(life: Life) -> None:
    """Byte for byte what is in the file, as JSON, to a dispatcher that can read it."""
    for job in life.of("google_cloud_scheduler_job"):
        body = base64.b64decode(job["http_target"][0]["body"])
        crawl = Crawl.decode(body, CHECKS)
        file = ROOT / "crawls" / f"{crawl.name}.yaml"
        assert json.loads(body) == yaml.safe_load(file.read_text(encoding="utf-8"))


def test_the_ledger_is_what_the_contract_says(life: Life) -> None:
    """All its tables, with their columns, and all its views."""
    tables = {values["table_id"]: values for values in life.of("google_bigquery_table")}
    schemas = {path.name.removesuffix(".schema.json"): path for path in LEDGER.glob("*.schema.json")}
    views = {path.stem: path.read_text(encoding="utf-8") for path in LEDGER.glob("*.sql")}
    assert tables.keys() == schemas.keys() | views.keys()
    for name, path in schemas.items():
        assert json.loads(tables[name]["schema"]) == json.loads(path.read_text(encoding="utf-8"))
    for name, query in views.items():
        assert tables[name]["view"][0]["query"] == query.replace("${ledger}", "my-project.scrapeq")


def test_no_view_reads_a_view_over_views() -> None:
    """ledger.tf makes views in two steps: those over tables, then those over views."""
    views = {path.stem: path.read_text(encoding="utf-8") for path in LEDGER.glob("*.sql")}
    read = {name: {other for other in views if f".{other}`" in query} for name, query in views.items()}
    assert [name for name, others in read.items() if any(read[other] for other in others)] == []


def test_every_alert_leads_to_its_section_of_the_runbook(life: Life) -> None:
    """Who is woken reads what to do."""
    policies = life.of("google_monitoring_alert_policy")
    linked = [policy["documentation"][0]["links"][0]["url"].partition("#")[2] for policy in policies]
    assert set(linked) == SECTIONS
    for policy, section in zip(policies, linked, strict=True):
        assert policy["documentation"][0]["content"].endswith(f"#{section}")
        assert policy["severity"]


def test_every_alert_is_about_something_of_ours(life: Life) -> None:
    """A filter names the kind of resource and one of ours; all but logs name a metric."""
    ours = ("scrape-", "scrapeq-")
    for policy in life.of("google_monitoring_alert_policy"):
        for condition in policy["conditions"]:
            kinds = ("condition_threshold", "condition_absent", "condition_matched_log")
            (what,) = [condition[kind][0] for kind in kinds if condition[kind]]
            assert "resource.type = " in what["filter"]
            assert any(f'"{name}' in what["filter"] for name in ours)
            assert condition["condition_matched_log"] or "metric.type = " in what["filter"]


def test_the_dashboard_is_laid_out(life: Life) -> None:
    """No tile covers another; a dashboard takes at most a hundred."""
    (dashboard,) = life.of("google_monitoring_dashboard")
    tiles = json.loads(dashboard["dashboard_json"])["mosaicLayout"]["tiles"]
    places = {(tile["xPos"], tile["yPos"]) for tile in tiles}
    assert len(places) == len(tiles) <= 100
    assert {tile["xPos"] + tile["width"] for tile in tiles} == {4, 8, 12}


def test_the_large_example_has_a_slot_for_every_push(life: Life) -> None:
    """Instances × jobs at once is not below Pub/Sub's floor. In the small one it is."""
    capacity = life.outputs["push_capacity"]
    assert (capacity["slots"] >= capacity["push_floor"] == 3000) is (life.release == NEWEST)


def test_printed_commands_name_what_exists(life: Life) -> None:
    """They can be pasted as they are: nothing in them is left to fill in."""
    outputs = life.outputs
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
        for values in life.of(kind)
    }
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "gcloud" or (ROOT / words[0]).exists() or not (ROOT / "scripts").exists()
        assert names & set(words), command
        assert not re.search(r"[<>{}$]|[A-Z]{4,}", command), command

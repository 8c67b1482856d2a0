"""Tests that the reference pages agree with the code."""

import ast
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from contract.dead_letter import dead_letter_attributes
from contract.dispatch_report import DispatchReport
from contract.end_record import EndRecord
from contract.job import Job, JobAttributes
from contract.operator_act import OperatorAct
from contract.outcome import OUTCOME_MEANINGS, Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS
from contract.shard import Shard
from tests.repository.reference_pages import LEDGER, PARTS, REFERENCE, current
from tests.repository.tree import PACKAGES, parsed, sources

ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


@pytest.mark.parametrize(("page", "name"), PARTS, ids=[f"{page.name}-{name}" for page, name in PARTS])
def test_a_generated_part_is_up_to_date(page: Path, name: str) -> None:
    """Each generated part of a page has the text that `make reference` would write."""
    assert current(page, name) == PARTS[page, name](), "run `make reference` and commit the result"


def test_every_reason_and_outcome_is_documented() -> None:
    """The page lists every reason and every outcome, and each reason has a meaning and a remedy."""
    text = (REFERENCE / "outcomes-and-reasons.md").read_text(encoding="utf-8")
    assert set(ROW.findall(text)) >= {*Reason, *Outcome}
    assert set(REASON_MEANINGS) == set(Reason)
    assert set(OUTCOME_MEANINGS) == set(Outcome)
    assert [
        each for each, meaning in REASON_MEANINGS.items() if not meaning.sentence or not meaning.remedy
    ] == []


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("Job", Job),
        ("Job attributes", JobAttributes),
        ("Outcome", OutcomeRecord),
        ("Shard", Shard),
        ("End record", EndRecord),
        ("Report", DispatchReport),
        ("Operator act", OperatorAct),
    ],
)
def test_every_field_of_a_message_is_documented(section: str, model: type[BaseModel]) -> None:
    """The tables of messages.md list exactly the fields of the models."""
    documented = set(ROW.findall(section_of("messages.md", section)))
    extra = {"version", "request_id", "replaces"} if model is JobAttributes else set[str]()
    assert documented == set(model.model_fields) | extra


def test_every_attribute_of_a_dead_letter_is_documented() -> None:
    """The page lists every attribute that the worker adds to a dead letter."""
    record = OutcomeRecord.model_validate(
        {
            "job_id": "1",
            "run_id": "r",
            "crawl": "c",
            "url": "https://example.com/",
            "attempt": 1,
            "outcome": "failed",
            "reason": "http_404",
            "detail": "gone",
            "fetched_at": "2026-11-22T06:00:00Z",
        }
    )
    documented = set(ROW.findall(section_of("messages.md", "Dead letter")))
    assert documented >= set(dead_letter_attributes(record.reason, record.detail, record.attempt))


def test_every_log_event_is_documented() -> None:
    """The table in log-events.md lists exactly the events that the code logs."""
    logged = {
        argument.value
        for path in sources(*PACKAGES)
        for call in ast.walk(parsed(path))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute | ast.Name)
        and (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id)
        in {"event", "log_event"}
        for argument in call.args[1:2]
        if isinstance(argument, ast.Constant)
    }
    assert len(logged) >= 6
    assert set(ROW.findall(section_of("log-events.md", "Events"))) == logged


def test_every_view_of_the_ledger_is_documented() -> None:
    """The table in ledger.md lists exactly the views of the ledger."""
    views = {path.stem for path in LEDGER.glob("*.sql")}
    assert set(ROW.findall(section_of("ledger.md", "Views"))) == views


def section_of(page: str, title: str) -> str:
    """Return the text of a page's section, up to the next heading of its level."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title}"
    return found[1]

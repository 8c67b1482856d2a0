"""Judges a run that is over: compares the ledger, the site and the logs with what was dispatched."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.outcome import Cause, Reason
from contract.reason_meanings import REASON_MEANINGS
from tests.journey.chaos.logs import answers_without_outcome, unexplained_lines
from tests.journey.chaos.site import REASONS
from tests.journey.chaos.system import RUN_ID, System

MAX_FINDINGS = 20  #: number of findings of one kind that are kept


class OutcomeKey(NamedTuple):
    """One attempt in the ledger. A record that was stored twice is one attempt."""

    job_id: str
    attempt: int
    reason: str
    fetched_at: str
    worker: str


@dataclass
class Row:
    """The row of one run in the table of guarantees.

    Attributes:
        fault: name of the fault.
        system: the system that was tested.
        seed: seed of the run.
        jobs: number of jobs that the dispatcher acknowledged.
        lost: how many of them have neither a result nor a dead letter.
        twice: how many of them have two results, or a result and a dead letter, or are two jobs.
        refetched: how many healthy pages the site served more than once.
        unreasoned: number of dead letters whose reason is missing, or is not the one that the page gives.
        healthy_dead: number of dead letters of healthy pages.
        infrastructure: number of deliveries that the infrastructure ended instead of the page.
        injected: number of faults that were injected.
        seconds: seconds from the first trigger to the last result.
        findings: everything that is not explained, in sentences.
        command: command that repeats the run.
        version: version of Scrapeq, and its commit.
        date: the day of the run, UTC.
    """

    fault: str
    seed: int
    jobs: int = 0
    lost: int = 0
    twice: int = 0
    refetched: int = 0
    unreasoned: int = 0
    healthy_dead: int = 0
    infrastructure: int = 0
    injected: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)
    command: str = ""
    version: str = ""
    date: str = ""
    system: str = "Scrapeq"

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        broken = self.lost + self.twice + self.unreasoned + self.healthy_dead + len(self.findings)
        return self.jobs > 0 and not broken


def judge(system: System, row: Row, *, may_be_silent: bool, expected_lines: tuple[str, ...] = ()) -> None:
    """Fill the row of a run that is over, and whose queue is empty.

    Args:
        system: the system, still running.
        row: the row; its numbers are replaced.
        may_be_silent: whether the fault ends attempts without an outcome, for example by SIGKILL.
        expected_lines: patterns of the errors that the fault causes in the logs.
    """
    row.jobs, row.injected = system.acknowledged, system.injected
    _judge_ends(system, row)
    _judge_accounting(system, row)
    _judge_deliveries(system, row, may_be_silent=may_be_silent)
    found = unexplained_lines(system.stack.options.data / "logs", expected_lines)
    row.findings += found[:MAX_FINDINGS]


def _judge_ends(system: System, row: Row) -> None:
    """Compare the ends of the jobs with their pages."""
    ledger = system.stack.ledger
    results = Counter(result.url for result in ledger.results(RUN_ID))
    dead = ledger.dead_jobs(RUN_ID)
    dead_urls = Counter(job.url for job in dead)
    ended = results + dead_urls
    row.lost = sum(url not in ended for url in system.pages)
    row.twice = sum(count > 1 for count in ended.values())
    row.findings += [f"nobody has dispatched {url}" for url in sorted(ended.keys() - system.pages.keys())]
    for job in dead:
        kind = system.pages.get(job.url, "page")
        if kind == "page":
            row.healthy_dead += 1
            row.findings.append(f"the healthy page {job.url} is dead: {job.reason}, {job.detail}")
        elif job.reason not in REASONS[kind]:
            row.unreasoned += 1
            row.findings.append(f"{job.url} is dead with the reason {job.reason!r}: {job.detail}")
    for url, kind in system.pages.items():
        if kind != "page" and url in results:
            row.findings.append(f"the page {url} cannot succeed, but has a result")
    requested = system.site.requests()
    row.refetched = sum(requested[url] > 1 for url, kind in system.pages.items() if kind == "page")
    row.findings += [f"{url} has a result, but was never requested" for url in results if not requested[url]][
        :MAX_FINDINGS
    ]


def _judge_accounting(system: System, row: Row) -> None:
    now = system.accounting()
    ended = now.succeeded + now.dead
    if not now.adds_up or now.in_flight or ended != now.dispatched or now.dispatched != system.jobs:
        row.findings.append(f"the accounting does not add up to {system.jobs} jobs: {now}")
    if system.acknowledged != system.jobs:
        row.findings.append(f"{system.acknowledged} of {system.jobs} jobs were acknowledged")


def _judge_deliveries(system: System, row: Row, *, may_be_silent: bool) -> None:
    """Compare the deliveries with the outcomes and with what the worker logged."""
    query = """SELECT DISTINCT job_id, attempt, reason, fetched_at, worker
               FROM `${ledger}.outcomes` WHERE run_id = ?"""
    outcomes = [OutcomeKey(*each) for each in system.stack.ledger.rows(query, RUN_ID)]
    causes = Counter(REASON_MEANINGS[Reason(each.reason)].cause for each in outcomes)
    answers = answers_without_outcome(system.stack.options.data / "logs")
    again = answers.pop(Reason.DUPLICATE_DELIVERY, 0)
    deliveries = system.deliveries()
    silent = deliveries - len(outcomes) - again - answers.total()
    if silent > 0 and not may_be_silent:
        row.findings.append(
            f"{silent} of {deliveries} deliveries left neither an outcome nor a line in the log"
        )
    row.infrastructure = max(0, deliveries - again - causes[Cause.PAGE] - causes[Cause.NONE])

"""Keeps what a run publishes: outcomes and dead letters of each job, and how often it was published."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.outcome import Cause, Reason
from contract.reason_meanings import REASON_MEANINGS
from publishing.publisher import Message


class SeenOutcome(NamedTuple):
    """An outcome of a job.

    Attributes:
        at: when it was stored, seconds since the epoch.
        reason: the reason.
        items: the extracted items as JSON; `"[]"` unless the reason is ok.
        listing_end: why the listing ends with this page; `""` if it does not.
    """

    at: float
    reason: Reason
    items: str
    listing_end: str

    @property
    def cause(self) -> Cause:
        """What ended the attempt."""
        return REASON_MEANINGS[self.reason].cause


class Published(NamedTuple):
    """A message of a topic.

    Attributes:
        at: when it was stored, seconds since the epoch.
        message_id: its id.
        message: the message.
    """

    at: float
    message_id: str
    message: Message


@dataclass
class JobHistory:
    """What happened to one job.

    Attributes:
        job_id: its id.
        url: its URL.
        published_at: when each message of the job was stored.
        copies: the different contents of these messages.
        deliveries: number of pushes of these messages.
        disturbances: number of lost or late acknowledgements, duplicates and publishes of unknown result.
        refusals: number of its pushes that were nacked at their first delivery, or for a cause of the
            infrastructure.
        outcomes: its outcomes.
        dead_letters: its dead letters that were not replayed.
        dead_letter_count: number of its dead letters, replayed ones included.
        pending: ids of its messages that are not acknowledged.
        replays: number of its replays.
    """

    job_id: str
    url: str
    published_at: list[float] = field(default_factory=list)
    copies: set[bytes] = field(default_factory=set)
    deliveries: int = 0
    disturbances: int = 0
    refusals: int = 0
    outcomes: list[SeenOutcome] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)
    dead_letter_count: int = 0
    pending: set[int] = field(default_factory=set)
    replays: int = 0

    @property
    def succeeded(self) -> list[SeenOutcome]:
        """The outcomes of successful attempts."""
        return [outcome for outcome in self.outcomes if outcome.reason is Reason.OK]

    @property
    def page_failures(self) -> int:
        """Number of the outcomes that the page caused: failed requests."""
        return sum(outcome.cause is Cause.PAGE for outcome in self.outcomes)


class Ledger:
    """What a run published.

    Attributes:
        jobs: job id → its history.
        by_url: URL → the ids of its jobs.
        reasons: number of outcomes by reason.
        job_messages: all messages of the jobs topic, in the order of their publishing.
        outcome_messages: all messages of the outcomes topic.
        dead_letter_messages: all messages of the dead-letter topic.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, JobHistory] = {}
        self.by_url: defaultdict[str, set[str]] = defaultdict(set)
        self.reasons: defaultdict[Reason, int] = defaultdict(int)
        self.job_messages: list[Published] = []
        self.outcome_messages: list[Published] = []
        self.dead_letter_messages: list[Published] = []

    def history(self, message: Message) -> JobHistory:
        """Return the history of the job of a message; begin it if the job is new."""
        job_id = message.attributes["job_id"]
        history = self.jobs.get(job_id)
        if history is None:
            url = json.loads(message.data)["url"]
            history = self.jobs[job_id] = JobHistory(job_id, url)
            self.by_url[url].add(job_id)
        return history

    def history_of(self, message: Message) -> JobHistory:
        """Return the history of the job to which a message of any topic belongs."""
        return (
            self.jobs[message.attributes["job_id"]]
            if "reason" in message.attributes
            else self.history(message)
        )

    def add_outcome(self, message: Message, now: float) -> None:
        """Add an outcome."""
        self.outcome_messages.append(Published(now, f"o{len(self.outcome_messages)}", message))
        reason = Reason(message.attributes["reason"])
        self.reasons[reason] += 1
        items, listing_end = "[]", ""
        if reason is Reason.OK:
            document = json.loads(message.data)
            items, listing_end = document["items"], document["listing_end"]
        job = self.jobs[message.attributes["job_id"]]
        job.outcomes.append(SeenOutcome(now, reason, items, listing_end))

    def add_dead_letter(self, message: Message, now: float) -> None:
        """Add a dead letter."""
        self.dead_letter_messages.append(Published(now, f"d{len(self.dead_letter_messages)}", message))
        history = self.history(message)
        history.dead_letters.append(message)
        history.dead_letter_count += 1

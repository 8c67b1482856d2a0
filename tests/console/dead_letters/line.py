"""Runs a queue and its ledger, in which a test plays the worker: it lets jobs succeed or die as it likes."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1 import types

import localpubsub
from console.ledger.ledger import Accounting, Ledger
from console.stack.pubsub_setup import (
    prepare_topology,
    publisher_client,
    subscriber_client,
    subscription_path,
    topic_path,
)
from console.stack.services import DeliveryPolicy
from contract.job import Job
from contract.job_id import identify
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS
from contract.recipe import Recipe
from contract.topology import (
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    JOBS_TOPIC,
    OUTCOMES_TOPIC,
    PUSH_SUBSCRIPTION,
)
from extraction.selectors import CHECKS
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for

RUN = "run-1"
RECIPE: dict[str, Any] = {"name": "book", "fields": {"title": {"css": "h1", "required": True}}}
MENDED: dict[str, Any] = {"name": "book", "fields": {"title": {"css": "h2", "required": True}}}
WORKER = "jobs-of-the-test"  #: pull subscription of the jobs topic
#: Attributes that Pub/Sub adds to a message which it forwards to the dead-letter topic.
PUBSUB_ATTRIBUTES = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": PUSH_SUBSCRIPTION,
    "CloudPubSubDeadLetterSourceSubscriptionProject": "scrapeq-local",
    "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-22T06:00:03.120+00:00",
}


@dataclass(frozen=True)
class Line:
    """A running queue and its ledger.

    Attributes:
        host: `host:port` of Pub/Sub.
        ledger: the ledger.
        publisher: a client of Pub/Sub.
        subscriber: a client of Pub/Sub.
        advance: lets this many seconds of Pub/Sub's time pass at once.
    """

    host: str
    ledger: Ledger
    publisher: PublisherClient
    subscriber: SubscriberClient
    advance: Callable[[float], None]

    def publish(
        self, topic: str, messages: Sequence[tuple[bytes, Mapping[str, str]]], ordering_key: str = ""
    ) -> set[str]:
        """Publish messages, wait for the confirmations, and return the message ids."""
        futures = [
            self.publisher.publish(topic_path(topic), data, ordering_key, **attributes)
            for data, attributes in messages
        ]
        return {future.result(timeout=120) for future in futures}

    def dispatch(self, *paths: str, run: str = RUN, recipe: Mapping[str, Any] = RECIPE) -> list[Job]:
        """Publish a job for each path of a site, and take these jobs as a worker would."""
        jobs = [make_job(path, run=run, recipe=recipe) for path in paths]
        self.publish(JOBS_TOPIC, [(job.encode(), job.attributes("")) for job in jobs])
        taken = self.take(len(jobs))
        assert sorted(job.job_id for job in taken) == sorted(job.job_id for job in jobs)
        return jobs

    def take(self, count: int) -> list[Job]:
        """Take `count` jobs from the queue."""
        return [Job.decode(message.data) for message in self.pull(WORKER, count)]

    def drain(self) -> list[Job]:
        """Take all jobs that are in the queue."""
        jobs = list[Job]()
        while received := self._pull_now(WORKER):
            self.subscriber.acknowledge(
                subscription=subscription_path(WORKER),
                ack_ids=[each.ack_id for each in received],
                timeout=MAX_WAIT_SECONDS,
            )
            jobs += [Job.decode(each.message.data) for each in received]
        return jobs

    def pull(self, subscription: str, count: int) -> list[types.PubsubMessage]:
        """Take `count` messages from a subscription."""
        pulled: list[types.PubsubMessage] = []
        path = subscription_path(subscription)
        while len(pulled) < count:
            response = self.subscriber.pull(
                subscription=path, max_messages=count - len(pulled), timeout=60, retry=None
            )
            received = list(response.received_messages)
            if received:
                self.subscriber.acknowledge(
                    subscription=path, ack_ids=[each.ack_id for each in received], timeout=60
                )
            pulled += [each.message for each in received]
        return pulled

    def dead_letters(self) -> list[str]:
        """Return the message ids of the dead letters that can be pulled, and release them."""
        found = dict[str, str]()
        while received := self._pull_now(DEAD_LETTER_SUBSCRIPTION):
            found |= {each.message.message_id: each.ack_id for each in received}
        if found:
            self.subscriber.modify_ack_deadline(
                subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
                ack_ids=list(found.values()),
                ack_deadline_seconds=0,
                timeout=MAX_WAIT_SECONDS,
            )
        return list(found)

    def _pull_now(self, subscription: str) -> list[types.ReceivedMessage]:
        """Pull what can be delivered now, without waiting."""
        request = {
            "subscription": subscription_path(subscription),
            "max_messages": 1000,
            "return_immediately": True,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # return_immediately is deprecated
            response = self.subscriber.pull(request, timeout=MAX_WAIT_SECONDS, retry=None)
        return list(response.received_messages)

    def end(self, jobs: Sequence[Job], reason: Reason = Reason.OK, **fields: object) -> None:
        """Publish an outcome of each job, and await it in the ledger."""
        self._await_outcomes(self._publish_outcomes(jobs, reason, **fields))

    def _publish_outcomes(self, jobs: Sequence[Job], reason: Reason, **fields: object) -> set[str]:
        records = [make_outcome(job, reason, **fields) for job in jobs]
        return self.publish(
            OUTCOMES_TOPIC,
            [(record.encode(), {"run_id": record.run_id, "job_id": record.job_id}) for record in records],
        )

    def _await_outcomes(self, message_ids: set[str]) -> None:
        query = "SELECT message_id FROM `${ledger}.outcomes`"
        wait_for(
            lambda: {message_id for (message_id,) in self.ledger.rows(query)},
            lambda found: message_ids <= found,
            "the ledger has the outcomes",
        )

    def die(self, jobs: Sequence[Job], reason: Reason | None, **fields: object) -> None:
        """Publish five outcomes of each job, if there is a reason, and its dead letter; await the ledger."""
        outcomes = set[str]()
        for attempt in range(1, 6):
            if reason is not None:
                outcomes |= self._publish_outcomes(jobs, reason, **{"attempt": attempt, **fields})
        self._await_outcomes(outcomes)
        self.publish(
            DEAD_LETTER_TOPIC,
            [(job.encode(), job.attributes("") | PUBSUB_ATTRIBUTES) for job in jobs],
        )
        self.await_states("dead", jobs)

    def await_states(self, state: str, jobs: Sequence[Job]) -> None:
        """Wait until the ledger shows jobs in a state."""
        wanted = {job.job_id for job in jobs}
        query = "SELECT job_id FROM `${ledger}.job_times` WHERE state = ?"
        wait_for(
            lambda: {job_id for (job_id,) in self.ledger.rows(query, state)},
            lambda found: wanted <= found,
            f"{state}: {wanted}",
        )

    def accounting(self, **counts: int) -> Accounting:
        """Wait until the accounting of the run has these numbers, and return it."""
        return wait_for(
            lambda: self.ledger.accounting(RUN),
            lambda found: all(getattr(found, name) == count for name, count in counts.items()),
            str(counts),
        )


def make_job(path: str, *, run: str = RUN, recipe: Mapping[str, Any] = RECIPE, **fields: object) -> Job:
    """Return the job of a page."""
    url, made = f"https://shop.example/{path}", Recipe.from_document(dict(recipe), CHECKS)
    document = {
        "job_id": identify(run, url, made),
        "run_id": run,
        "crawl": "books",
        "url": url,
        "recipe": made,
        "dispatched_at": datetime.now(UTC),
    }
    return Job.model_validate(document | fields)


def make_outcome(job: Job, reason: Reason = Reason.OK, **fields: object) -> OutcomeRecord:
    """Return the outcome of an attempt of a job."""
    document: dict[str, object] = {
        "job_id": job.job_id,
        "run_id": job.run_id,
        "crawl": job.crawl,
        "url": job.url,
        "recipe": job.recipe.name,
        "attempt": 1,
        "outcome": REASON_MEANINGS[reason].outcome,
        "reason": reason,
        "fetched_at": datetime.now(UTC),
        "page": job.page,
        "listing": job.listing_id if job.recipe.next is not None else "",
    }
    return OutcomeRecord.model_validate(document | fields)


@contextmanager
def running_line(data: Path) -> Iterator[Line]:
    """Run a queue and a ledger in a data directory; no service takes the jobs."""
    ledger = Ledger(data)
    ledger.create()
    with (
        localpubsub.running(data=data / "pubsub") as server,
        publisher_client(server.host) as publisher,
        subscriber_client(server.host) as subscriber,
    ):
        prepare_topology(server.host, "http://127.0.0.1:9/", DeliveryPolicy())
        subscriber.delete_subscription(subscription=subscription_path(PUSH_SUBSCRIPTION), timeout=60)
        subscriber.create_subscription(
            name=subscription_path(WORKER), topic=topic_path(JOBS_TOPIC), ack_deadline_seconds=600, timeout=60
        )
        yield Line(server.host, ledger, publisher, subscriber, server.advance)

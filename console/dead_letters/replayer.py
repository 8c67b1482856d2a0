"""Replays, replaces or drops chosen dead letters, in one step or several, and records the operator's act."""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from google.pubsub_v1 import types

from console.dead_letters.acts import Command, record
from console.dead_letters.processing import CALL_ERRORS, PACED_SECONDS, Processed, Selection, Settle, process
from console.dead_letters.publishing import Connection, Message, publish, publish_jobs_again
from console.dead_letters.queue import MESSAGES_PER_PULL
from console.dead_letters.replacing import Replacements
from console.dead_letters.replay import Show, open_connection, open_dead_letters
from console.errors import ReplayError
from console.ledger.dead_letter_rows import DeadLetter
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_connection import describe_failure
from contract.job import Job
from contract.operator_act import OperatorAct
from contract.topology import JOBS_TOPIC


class Work(NamedTuple):
    """What a replay is to do.

    Attributes:
        letters: the chosen dead letters.
        outdated: message ids of dead letters that are only acknowledged.
        replacements: the jobs that replace the dead letters and others; None to publish the same jobs again.
        per_second: maximum number of jobs per second; None for no limit.
    """

    letters: Sequence[DeadLetter]
    outdated: AbstractSet[str]
    replacements: Replacements | None = None
    per_second: float | None = None


class Step(NamedTuple):
    """What one step did.

    Attributes:
        jobs: of each job that was published, the run, the job id, and when it had died before, or `""`.
        processed: what was done with the dead letters.
    """

    jobs: list[tuple[str, str, str]]
    processed: Processed


class Replayer:
    """Works off chosen dead letters, and replaces chosen jobs that have succeeded.

    Args:
        address: names the stack.
        command: the command of the operator, which is recorded.
        work: what is to do.
    """

    def __init__(self, address: PubsubAddress, command: Command, work: Work) -> None:
        letters, self._outdated, replacements, self._per_second = work
        self._address = address
        self._command = command
        self._letters = {letter.message_id: letter for letter in letters}
        if replacements is not None:
            self._letters = {name: self._letters[name] for name in replacements.by_message}
        self._replacements = replacements
        self._others = list(replacements.others) if replacements else []
        self._done = 0

    @property
    def left(self) -> int:
        """Number of jobs that are not done yet."""
        return len(self._letters) + len(self._others)

    def step(self, limit: int | None = None, show: Show = lambda _: None) -> Step:
        """Work off up to `limit` jobs, or all.

        Args:
            limit: maximum number of jobs; None for all.
            show: called with the number of jobs that are done in this step.

        Raises:
            ReplayError: a call failed; what was not confirmed is as it was.
        """
        selection = Selection(self._letters.keys(), self._outdated, limit, self._per_second)
        with open_dead_letters(self._address) as (queue, pubsub):
            if not self._done:
                _record(pubsub, self._command.begun(self.left))
            processed = process(queue, selection, self._settle(pubsub), show)
            jobs = [self._published(message_id) for message_id in sorted(processed.done)]
            room = None if limit is None else limit - len(jobs)
            jobs += self._replace_others(pubsub, room, lambda count: show(len(processed.done) + count))
            self._done += len(jobs)
            _record(pubsub, self._command.ended(self._done))
        return Step(jobs, processed)

    def note(self, detail: str) -> None:
        """Record how the act has ended, if it ends before all jobs are done.

        Raises:
            ReplayError: Pub/Sub failed.
        """
        with open_connection(self._address) as pubsub:
            _record(pubsub, self._command.ended(self._done, detail))

    def _settle(self, pubsub: Connection) -> Settle:
        def settle(messages: Sequence[types.PubsubMessage]) -> None:
            if self._replacements is None:
                publish_jobs_again(pubsub, messages)
            else:
                _publish(pubsub, [self._replacements.by_message[each.message_id] for each in messages])

        return settle

    def _published(self, message_id: str) -> tuple[str, str, str]:
        letter = self._letters.pop(message_id)
        if self._replacements is None:
            return letter.run_id, letter.job_id, letter.dead_at
        job = self._replacements.by_message[message_id]
        return job.run_id, job.job_id, ""

    def _replace_others(
        self,
        pubsub: Connection,
        room: int | None,
        show: Show,
        sleep: Callable[[float], None] = time.sleep,
    ) -> list[tuple[str, str, str]]:
        """Replace jobs that have succeeded; they have no dead letter."""
        count = len(self._others) if room is None else min(room, len(self._others))
        rate, done = self._per_second, list[Job]()
        size = (
            MESSAGES_PER_PULL if rate is None else max(1, min(MESSAGES_PER_PULL, int(rate * PACED_SECONDS)))
        )
        while len(done) < count:
            part = self._others[: min(size, count - len(done))]
            try:
                _publish(pubsub, part)
            except CALL_ERRORS as error:
                why = f"{pubsub.address.title} failed: {describe_failure(error, pubsub.address)}"
                raise ReplayError(f"{len(done)} jobs were replaced, then {why}") from error
            del self._others[: len(part)]
            done += part
            show(len(done))
            if rate is not None and len(done) < count:
                sleep(len(part) / rate)
        return [(job.run_id, job.job_id, "") for job in done]


def drop(
    address: PubsubAddress,
    command: Command,
    letters: Mapping[str, DeadLetter],
    outdated: AbstractSet[str],
    show: Show,
) -> Processed:
    """Remove dead letters without a replay; the ledger then counts their jobs as dropped.

    For each dead letter an act is recorded and confirmed, and then it is acknowledged.

    Args:
        address: names the stack.
        command: the command of the operator.
        letters: the dead letters, by their message ids.
        outdated: message ids of dead letters that are only acknowledged.
        show: called with the number of dead letters that are dropped so far.

    Raises:
        ReplayError: a call failed; what was not confirmed is as it was.
    """
    with open_dead_letters(address) as (queue, pubsub):
        _record(pubsub, command.begun(len(letters)))

        def settle(messages: Sequence[types.PubsubMessage]) -> None:
            record(pubsub, [command.drop(letters[each.message_id]) for each in messages])

        processed = process(queue, Selection(letters.keys(), outdated), settle, show)
        _record(pubsub, command.ended(len(processed.done)))
    return processed


def _publish(pubsub: Connection, jobs: Sequence[Job]) -> None:
    publish(
        pubsub, JOBS_TOPIC, [Message(job.encode(), job.attributes(""), job.ordering_key()) for job in jobs]
    )


def _record(pubsub: Connection, act: OperatorAct) -> None:
    try:
        record(pubsub, [act])
    except CALL_ERRORS as error:
        why = f"{pubsub.address.title} failed: {describe_failure(error, pubsub.address)}"
        raise ReplayError(f"The act could not be recorded, because {why}") from error

"""Pauses and resumes a run, a host, or everything.

A paused job is not requested. While only a run or a host is paused, the jobs are still delivered, and the
workers hold them. While everything is paused, the subscription has no push configuration, so Pub/Sub keeps
all jobs.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from google.pubsub_v1 import types

from console.controls.acts import PauseDetail, make_act
from console.controls.operator_queue import OperatorQueue
from console.errors import ControlError, UsageError
from console.ledger.control_rows import control_acts, spent_deliveries
from console.ledger.ledger import Ledger
from console.stack.pubsub_setup import push_config_of
from contract.controls import Controls, digest_of
from contract.operator_act import Act, OperatorAct

MIN_PAUSE_SECONDS = 60.0  #: a shorter pause is refused
#: Deliveries after which a job becomes a dead letter under ACK_POLICY=settled: the maximum of Pub/Sub. There,
#: a paused job is published again instead of being delivered again.
SETTLED_DELIVERIES = 100
#: Seconds of the ack deadline that a held push does not have: the page, and what is kept in reserve.
NOT_HELD_SECONDS = 80.0
MAX_DELAY_SECONDS = 60.0  #: for how long a row in BigQuery or PostgreSQL is waited for
DELAY_POLL_SECONDS = 5.0  #: seconds between two looks


@dataclass(frozen=True)
class Target:
    """What is paused: a run, a host, or everything if both are missing.

    Attributes:
        run_id: the run; None for no single run.
        host: the host as `contract.urls.host_of` returns it; None for no single host.
    """

    run_id: str | None = None
    host: str | None = None

    def __str__(self) -> str:
        """Return it as in the sentence: It is paused."""
        if self.run_id is not None:
            return f"Run {self.run_id}"
        return "Everything" if self.host is None else f"Host {self.host}"

    @property
    def is_all(self) -> bool:
        """Whether everything is meant."""
        return self.run_id is None and self.host is None

    def pause(self, controls: Controls, until: float) -> Controls:
        """Return the controls with this paused until `until`."""
        if self.run_id is not None:
            return controls.pause_run(self.run_id, until)
        return controls.pause_all(until) if self.host is None else controls.pause_host(self.host, until)

    def resume(self, controls: Controls) -> Controls:
        """Return the controls without this pause."""
        if self.run_id is not None:
            return controls.resume_run(self.run_id)
        return controls.resume_all() if self.host is None else controls.resume_host(self.host)

    def paused_until(self, controls: Controls) -> float | None:
        """Return when the pause of this ends; None if it is not paused."""
        if self.run_id is not None:
            return controls.paused_runs.get(digest_of(self.run_id))
        if self.host is not None:
            return controls.paused_hosts.get(digest_of(self.host))
        return controls.all_paused_until

    def act(self, kind: Act, operator: str, detail: str = "") -> OperatorAct:
        """Return the act of an operator on this."""
        return make_act(kind, operator, run_id=self.run_id, host=self.host or "", detail=detail)


def longest_pause(ledger: Ledger, subscription: types.Subscription, target: Target) -> float:
    """Return for how many seconds a run or a host may be paused, so that no job becomes a dead letter of it.

    A held push is answered at the end of its time, and each such delivery counts under ACK_POLICY=success.
    The last delivery of a job must be held to the end of the pause, so this is the time of all others.
    """
    deliveries = subscription.dead_letter_policy.max_delivery_attempts
    if target.is_all or not 0 < deliveries < SETTLED_DELIVERIES:
        return inf
    left = deliveries - spent_deliveries(ledger, target.run_id, target.host) - 1
    return max(0, left) * max(0.0, subscription.ack_deadline_seconds - NOT_HELD_SECONDS)


class PauseEnd(NamedTuple):
    """When a pause ends by itself.

    Attributes:
        until: seconds since the epoch; infinity if it does not.
        is_limited: whether this is earlier than asked for, so that no job becomes a dead letter of the pause.
    """

    until: float
    is_limited: bool


def pause(queue: OperatorQueue, ledger: Ledger, target: Target, seconds: float, operator: str) -> PauseEnd:
    """Pause a run, a host or everything, and return when the pause ends.

    Args:
        queue: the queue.
        ledger: shows how many deliveries the jobs have spent.
        target: what to pause.
        seconds: for how long; infinity for a pause until `resume`, which everything needs.
        operator: who does it.

    Raises:
        UsageError: a job could become a dead letter because of the pause.
        ControlError: Pub/Sub failed.
    """
    subscription = queue.push_subscription()
    longest = longest_pause(ledger, subscription, target)
    if longest < MIN_PAUSE_SECONDS:
        raise UsageError(
            f"{target} cannot be paused: a job has so few deliveries left that it could become a dead letter "
            "during the pause (ACK_POLICY=success). `scrapeq pause --all` delivers nothing meanwhile."
        )
    until = queue.now() + min(seconds, longest)
    push_config = subscription.push_config if target.is_all else types.PushConfig()
    kept = types.PushConfig.to_dict(push_config) if push_config.push_endpoint else None
    queue.record(target.act(Act.PAUSE, operator, PauseDetail(until, kept).encode()))
    if target.is_all:
        queue.set_push_config(types.PushConfig())
    queue.change(
        lambda controls: target.pause(controls, until),
        lambda controls: _same_time(target.paused_until(controls), until),
    )
    return PauseEnd(until, is_limited=longest < seconds)


def resume(queue: OperatorQueue, ledger: Ledger, target: Target, operator: str, worker_url: str = "") -> bool:
    """End a pause, and return whether there was one.

    Args:
        queue: the queue.
        ledger: has the push configuration from before a pause of everything.
        target: what to resume.
        operator: who does it.
        worker_url: URL of the worker of a local stack, which may have changed since the pause; `""` for the
            push configuration that the pause has recorded.

    Raises:
        ControlError: Pub/Sub failed, or the push configuration is not known.
    """
    is_paused = target.paused_until(queue.controls()) is not None
    restored = None
    if target.is_all and not queue.push_subscription().push_config.push_endpoint:
        restored = push_config_of(worker_url) if worker_url else _recorded_push_config(ledger, queue)
    if not is_paused and restored is None:
        return False
    queue.record(target.act(Act.RESUME, operator))
    if restored is not None:
        queue.set_push_config(restored)
    queue.change(target.resume, lambda controls: target.paused_until(controls) is None)
    return True


def _recorded_push_config(ledger: Ledger, queue: OperatorQueue) -> types.PushConfig:
    """Return the push configuration from before the last pause of everything."""
    until = queue.clock() + (0 if ledger.is_file else MAX_DELAY_SECONDS)
    while True:
        acts = [act for act in reversed(control_acts(ledger)) if not act.run_id and not act.host]
        # The ledger may not have the row of a pause of some seconds ago. Then the newest row is that of an
        # earlier resume, or there is none, and an earlier pause may have had another configuration.
        if (acts and acts[0].act == "pause") or queue.clock() >= until:
            break
        queue.sleep(DELAY_POLL_SECONDS)
    for act in acts:
        if act.act == "pause" and (push_config := PauseDetail.decode(act.detail).push_config):
            return types.PushConfig(push_config, ignore_unknown_fields=True)
    raise ControlError(
        "The ledger has no push configuration from before a pause of everything. `terraform apply` restores "
        "it in the cloud."
    )


def _same_time(found: float | None, wanted: float) -> bool:
    # A label has whole seconds.
    return found is not None and (found == wanted or abs(found - wanted) < 1)

"""Connects the parts of one run, and runs it until nothing is left to do."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

import simulation.fault_injection
from contract.attempt import AttemptFailed
from publishing.publisher import Message
from simulation import crawls, virtual_gevent
from simulation.cloud_run import CloudRun
from simulation.ledger import Ledger
from simulation.messages import Topic, TopicPublisher
from simulation.online_checks import OnlineChecks
from simulation.push import Push
from simulation.replay import Operator
from simulation.scenario import Scenario
from simulation.scheduler import START, Scheduler
from simulation.subscription import JobsSubscription
from simulation.worker_process import Surroundings, WorkerProcess
from worker.push_delivery import Delivery

MAX_SECONDS = 2 * 86_400.0  #: virtual time after which a run is given up: less than the message retention
SETTLE_SECONDS = 60.0  #: seconds for which a run continues after the last job, for late publishes


@dataclass
class World:
    """One run.

    Attributes:
        scenario: what is run.
        scheduler: the clock.
        sites: host → site.
        ledger: what was published.
        violations: what the checks during the run have found.
        finished_at: when nothing was left to do, seconds since the epoch.
        trace: a line for each event, if the run is traced.
    """

    scenario: Scenario
    is_traced: bool = False
    violations: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    finished_at: float = START

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.scheduler = Scheduler(scenario.seed)
        virtual_gevent.use(self.scheduler)
        self.rng = self.scheduler.random
        self.ledger = Ledger()
        self.checks = OnlineChecks(self)
        self.sites = {
            site.host: site
            for shape, _ in scenario.crawls
            for site in crawls.make_sites(shape, self.scheduler, self.rng)
        }
        self.subscription = JobsSubscription(
            self.scheduler, scenario.delivery_policy(), self._send, self._forward, self.checks.on_event
        )
        self.topics = {
            "jobs": Topic("scrape-jobs", self.scheduler, self.subscription.publish),
            "outcomes": Topic("scrape-outcomes", self.scheduler, self._store_outcome),
            "dead_letters": Topic("scrape-jobs-dead", self.scheduler, self._store_dead_letter),
        }
        for topic in self.topics.values():
            topic.watch = self.checks.on_publish
        surroundings = Surroundings(
            self.scheduler,
            scenario.settings,
            self.sites,
            self.topics["jobs"],
            self.topics["outcomes"],
            self.topics["dead_letters"],
            self._delivered,
        )
        self.cloud_run = CloudRun(
            self.scheduler,
            scenario.service,
            lambda number: WorkerProcess(surroundings, number, self._clock_error()),
            self._respond,
        )
        self.operator = Operator(self)
        self.clock_errors = 0.0
        self.undispatched = len(scenario.crawls)

    def run(self) -> None:
        """Run until every job has ended, and the checks during the run are complete."""
        if self.scenario.is_warm:
            self.subscription.warm_up()
        simulation.fault_injection.inject(self)
        for shape, seconds in self.scenario.crawls:
            self.scheduler.spawn(self._dispatch, shape, delay=seconds)
        self._run_until_idle()
        if self.scenario.replays:
            self.operator.start()
            self._run_until_idle()

    @property
    def seconds(self) -> float:
        """Virtual seconds from the start to the end of the last job."""
        return self.finished_at - START

    def note(self, text: Callable[[], str]) -> None:
        """Add a line to the trace, if the run is traced."""
        if self.is_traced:
            self.trace.append(f"{self.scheduler.now - START:10.3f} {text()}")

    def violation(self, invariant: str, text: str) -> None:
        """Record that an invariant does not hold."""
        self.violations.append(f"{invariant}: {text}")
        self.note(lambda: f"VIOLATION {invariant}: {text}")

    def is_idle(self) -> bool:
        """Return whether nothing is left to do."""
        return (
            not self.undispatched
            and not len(self.subscription)
            and not self.operator.is_busy
            and not any(instance.tasks for instance in self.cloud_run.instances)
        )

    def _run_until_idle(self) -> None:
        limit = START + MAX_SECONDS
        while self.scheduler.run(limit, self.is_idle):
            self.finished_at = self.scheduler.now
            self.scheduler.run(self.finished_at + SETTLE_SECONDS, lambda: not self.is_idle())
            if self.is_idle():
                return
        self.violation("ends", f"{len(self.subscription)} messages are left after {MAX_SECONDS:.0f} s")

    def _dispatch(self, shape: crawls.CrawlShape) -> None:
        """Publish the jobs of a crawl; repeat the whole request until every job is confirmed."""
        messages = crawls.plan(shape)
        times = 2 if any(fault.kind == "dispatched_twice" for fault in self.scenario.faults) else 1
        while times:
            times -= 1
            publisher = TopicPublisher(self.topics["jobs"], 30.0)
            try:
                for message in messages:
                    if self.subscription.publish(message) is None:
                        publisher.publish(message)
            except AttemptFailed:
                times += 1
                self.scheduler.sleep(30.0)
        self.undispatched -= 1

    def _clock_error(self) -> float:
        return self.rng.uniform(-self.clock_errors, self.clock_errors)

    def _send(self, push: Push) -> None:
        if push.is_duplicate or push.closed_at > self.scheduler.now:
            self.cloud_run.handle(push)

    def _respond(self, push: Push, status: int) -> None:
        self.note(lambda: f"{status} for delivery {push.attempt} of message {push.message_id}")
        if status == 429 and not push.instance:
            self.ledger.history(push.message).refusals += 1
        self.subscription.respond(push, status)

    def _delivered(self, push: Push, delivery: Delivery) -> None:
        self.checks.on_delivered(push, delivery)
        self.note(
            lambda: (
                f"{delivery.reason} ({delivery.outcome}) at delivery {push.attempt} of message "
                f"{push.message_id}: {delivery.detail}"
            )
        )

    def _store_outcome(self, message: Message) -> str | None:
        if self.subscription.is_down:
            return None
        self.ledger.add_outcome(message, self.scheduler.now)
        return "outcome"

    def _store_dead_letter(self, message: Message) -> str | None:
        if self.subscription.is_down:
            return None
        self.ledger.add_dead_letter(message, self.scheduler.now)
        return "dead letter"

    def _forward(self, message: Message) -> None:
        self.ledger.add_dead_letter(message, self.scheduler.now)


def run_scenario(scenario: Scenario, *, is_traced: bool = False) -> World:
    """Run a scenario and return its world."""
    gc.collect()  # the previous run; `install` has disabled the automatic collection
    world = World(scenario, is_traced)
    world.run()
    return world

"""Models Cloud Run in front of the workers: instances, slots, its queue, cold starts, scaling and deploys.

Sources: https://cloud.google.com/run/docs/about-instance-autoscaling (a request without a free slot waits for
up to 3.5 times the start-up time of an instance, or 10 s; newer pages say up to 30 s; then it gets a 429),
https://cloud.google.com/run/docs/container-contract#instance-shutdown (SIGTERM, 10 s later SIGKILL),
https://cloud.google.com/run/docs/configuring/request-timeout (a 504; the code may continue to run).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from greenlet import greenlet

from simulation.push import Push
from simulation.scheduler import Scheduler, Timer

SIGKILL_SECONDS = 10.0  #: seconds from SIGTERM to SIGKILL


@dataclass(frozen=True)
class ServiceConfig:
    """The configuration of the worker's service.

    Attributes:
        max_instances: maximum number of instances.
        concurrency: maximum number of concurrent requests of one instance.
        request_timeout: seconds after which a request gets a 504.
        queue_seconds: seconds for which a request may wait for a slot.
        start_seconds: seconds that the start of an instance takes.
    """

    max_instances: int
    concurrency: int
    request_timeout: float
    queue_seconds: float
    start_seconds: float


class Worker(Protocol):
    """The program in an instance."""

    def deliver(self, push: Push) -> int:
        """Handle a push, and return the HTTP status; runs in a greenlet."""

    def terminate(self) -> None:
        """React to SIGTERM."""


@dataclass(eq=False)
class Instance:
    """One instance.

    Attributes:
        number: its number, from 1.
        worker: the program that runs in it.
        is_ready: whether it has started.
        is_draining: whether it gets no further requests.
        is_dead: whether it was killed.
        requests: the open requests, with the greenlet that handles each.
    """

    number: int
    worker: Worker
    is_ready: bool = False
    is_draining: bool = False
    is_dead: bool = False
    requests: dict[Push, greenlet] = field(default_factory=dict)
    tasks: set[greenlet] = field(default_factory=set)


class CloudRun:
    """The worker's service.

    Args:
        scheduler: the clock, and the source of random choices.
        config: the configuration.
        start: makes the program of a new instance.
        respond: takes the status of a push.

    Attributes:
        instances: the instances that run.
        rejected: number of pushes that got a 429, because they found no slot in time.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        config: ServiceConfig,
        start: Callable[[int], Worker],
        respond: Callable[[Push, int], None],
    ) -> None:
        self.scheduler = scheduler
        self.config = config
        self.instances: list[Instance] = []
        self.rejected = 0
        self._start = start
        self._respond = respond
        self._queue: deque[tuple[Push, Timer]] = deque()
        self._count = 0

    def handle(self, push: Push) -> None:
        """Give a push to an instance with a free slot, or let it wait for one."""
        instance = self._free_instance()
        if instance is not None:
            self._run(instance, push)
            return
        self._scale_up()
        timer = self.scheduler.after(self.config.queue_seconds, lambda: self._reject(push))
        self._queue.append((push, timer))

    def kill(self, instance: Instance) -> None:
        """Kill an instance, like SIGKILL or a crash: its open requests get no proper response."""
        if instance.is_dead:
            return
        instance.is_dead = True
        self.instances.remove(instance)
        pushes = list(instance.requests)
        for task in list(instance.tasks):
            self.scheduler.kill(task)
        instance.requests.clear()
        for push in pushes:
            push.was_cut = True
            self._respond(push, 503)
        self._serve_queue()

    def terminate(self, instance: Instance) -> None:
        """Send SIGTERM to an instance, and SIGKILL some seconds later; it gets no further requests."""
        if instance.is_draining:
            return
        instance.is_draining = True
        for push in instance.requests:
            push.was_cut = True
        instance.worker.terminate()
        self.scheduler.after(SIGKILL_SECONDS, lambda: self.kill(instance))

    def deploy(self) -> None:
        """Replace all instances by those of a new revision."""
        for instance in list(self.instances):
            self.terminate(instance)
        self._scale_up()

    def _free_instance(self) -> Instance | None:
        candidates = [
            each
            for each in self.instances
            if each.is_ready and not each.is_draining and len(each.requests) < self.config.concurrency
        ]
        return min(candidates, key=lambda each: len(each.requests), default=None)

    def _scale_up(self) -> None:
        running = [each for each in self.instances if not each.is_draining]
        if len(running) >= self.config.max_instances or any(not each.is_ready for each in running):
            return
        self._count += 1
        instance = Instance(self._count, self._start(self._count))
        self.instances.append(instance)
        seconds = self.scheduler.random.uniform(0.5, 1.5) * self.config.start_seconds
        self.scheduler.after(seconds, lambda: self._ready(instance))

    def _ready(self, instance: Instance) -> None:
        instance.is_ready = True
        self._serve_queue()
        if self._queue:
            self._scale_up()

    def _serve_queue(self) -> None:
        while self._queue:
            push, timer = self._queue[0]
            if push.closed_at < float("inf"):
                timer.cancel()
                self._queue.popleft()
                continue
            instance = self._free_instance()
            if instance is None:
                return
            timer.cancel()
            self._queue.popleft()
            self._run(instance, push)

    def _reject(self, push: Push) -> None:
        self._queue = deque(each for each in self._queue if each[0] is not push)
        self.rejected += 1
        self._respond(push, 429)
        self._scale_up()

    def _run(self, instance: Instance, push: Push) -> None:
        task = self.scheduler.spawn(self._deliver, instance, push)
        instance.requests[push] = task
        instance.tasks.add(task)
        task.push = push
        push.instance, push.received_at = instance.number, self.scheduler.now
        self.scheduler.after(self.config.request_timeout, lambda: self._end(instance, push, 504))

    def _deliver(self, instance: Instance, push: Push) -> None:
        task = instance.requests[push]
        try:
            status = instance.worker.deliver(push)
        finally:
            instance.tasks.discard(task)
        if not instance.is_dead:
            self._end(instance, push, status)

    def _end(self, instance: Instance, push: Push, status: int) -> None:
        """End a request, unless it has ended before; the response takes its way back to Pub/Sub."""
        if instance.is_dead or instance.requests.pop(push, None) is None:
            return
        delay = self.scheduler.random.uniform(0.005, 0.05)
        self.scheduler.after(delay, lambda: self._respond(push, status))
        self._serve_queue()

"""Injects the faults of a scenario into its world."""

from functools import partial
from random import Random
from typing import TYPE_CHECKING, cast

from simulation.faults import TOPICS, Fault, draw_troubles

if TYPE_CHECKING:
    from simulation.messages import PublishFault
    from simulation.world import World

#: The longest Retry-After (seconds) that no job dies of. With ACK_POLICY=success each wait of
#: WAIT_BUDGET_SECONDS is a delivery, of which Pub/Sub allows `max_delivery_attempts`.
LONGEST_RETRY_AFTER = {"success": 1200.0, "settled": 7200.0}


def inject(world: "World") -> None:
    """Schedule all faults of the world's scenario, and draw when its sites are out of order."""
    scenario = world.scenario
    for site in world.sites.values():
        if scenario.troubles is None:
            site.troubles = draw_troubles(world.rng, LONGEST_RETRY_AFTER[scenario.policy])
        else:
            site.troubles = scenario.troubles.get(site.host, [])
    for fault in scenario.faults:
        if fault.kind == "clocks_50_ms":
            world.clock_errors = max(world.clock_errors, 0.05)
        elif fault.kind == "clocks_1_hour":
            world.clock_errors = 3600.0
            for site in world.sites.values():
                # Drawn apart from the other random choices of the run, so that it changes none of them.
                site.clock_error = Random(f"{scenario.seed} {site.host}").uniform(-3600.0, 3600.0)  # noqa: S311 - a reproducible run, not a secret
        elif fault.kind != "dispatched_twice":
            world.scheduler.at(fault.start, partial(_begin, world, fault))


def _begin(world: "World", fault: Fault) -> None:
    world.note(lambda: f"FAULT {fault}")
    cloud_run, subscription = world.cloud_run, world.subscription
    kind = fault.kind
    if kind in {"worker_killed", "scaled_in"}:
        running = [each for each in cloud_run.instances if each.is_ready and not each.is_draining]
        if running:
            instance = world.rng.choice(running)
            (cloud_run.kill if kind == "worker_killed" else cloud_run.terminate)(instance)
    elif kind == "deploy":
        cloud_run.deploy()
    elif kind == "broker_killed":
        if not subscription.is_down:
            subscription.crash(fault.seconds, world.rng.uniform(0.0, 0.5))
    elif kind == "seek":
        if not subscription.is_down:
            subscription.seek()
    else:
        _set(world, fault, fault.probability)
        world.scheduler.at(fault.end, lambda: _set(world, fault, 0.0))


def _set(world: "World", fault: Fault, probability: float) -> None:
    """Begin a fault that lasts, or end it with a probability of 0."""
    faults = world.subscription.faults
    if fault.kind == "lost_acks":
        faults.lost_acks = probability
    elif fault.kind == "late_responses":
        faults.late_responses = probability
    elif fault.kind == "duplicate_pushes":
        faults.duplicates = probability
    elif fault.kind == "redelivered_acks":
        faults.redeliveries = probability
    elif fault.kind == "disk_full":
        # The broker can write neither messages nor acknowledgements.
        faults.lost_acks = probability
        for topic in TOPICS:
            world.topics[topic].faults["refused"] = probability
    else:
        topic = next(name for name in TOPICS if fault.kind.startswith(name))
        world.topics[topic].faults[cast("PublishFault", fault.kind.removeprefix(f"{topic}_"))] = probability

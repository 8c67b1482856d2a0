"""Checks the sites' logs: requests under way, the delay between requests, and Retry-After.

Pub/Sub delivers one message of an ordering key at a time, as long as it waits for the response. If a push is
cut (broker killed, instance killed, seek, ack deadline), the worker's request may still be under way when the
next one begins; such requests are not counted from then on. Nor are duplicates that Pub/Sub itself makes.

If Pub/Sub sends a delivery twice, to two instances, each of them knows only what the site told it, and the
lane is open as soon as either of the two pushes is acknowledged. A worker can prevent neither.
"""

from collections.abc import Iterator
from itertools import pairwise

from simulation.crawls import CrawlShape
from simulation.push import Push
from simulation.sites import Request, Site
from simulation.world import World
from worker.host_slots import TOLERANCE_SECONDS

ROUNDING_SECONDS = 0.001  #: tolerated error of sums of seconds since the epoch
#: Seconds after which a held push ends, so that a longer Retry-After is only known to one instance.
MAX_HOLD = 500.0


def politeness_violations(world: World) -> list[str]:
    """Return the violations of all rate limits."""
    violations = []
    for shape, _ in world.scenario.crawls:
        for host in shape.host_names:
            site = world.sites[host]
            violations += [f"per_host: {text}" for text in _too_many_at_once(shape, site)]
            violations += [f"delay: {text}" for text in _too_close(world, shape, site)]
            violations += [f"retry_after: {text}" for text in _too_early(shape, site)]
    return violations


def _push(request: Request) -> Push:
    assert isinstance(request.push, Push)  # noqa: S101 - requests for pages are sent for pushes only
    return request.push


def _is_counted(request: Request) -> bool:
    push = _push(request)
    return not push.is_duplicate and push.closed_at > request.started_at


def _too_many_at_once(shape: CrawlShape, site: Site) -> Iterator[str]:
    if not shape.lanes:
        return
    changes: list[tuple[float, int]] = []
    for request in filter(_is_counted, site.requests):
        changes += [(request.started_at, 1), (min(request.ended_at, _push(request).closed_at), -1)]
    under_way = 0
    for when, change in sorted(changes):
        under_way += change
        if under_way > shape.lanes:
            yield f"{under_way} requests of {site.host} under way at {when:.3f}; per_host is {shape.lanes}"
            return


def _too_close(world: World, shape: CrawlShape, site: Site) -> Iterator[str]:
    delay = max(shape.delay_seconds, shape.crawl_delay)
    if not delay:
        return
    counted = list(filter(_is_counted, site.requests))
    if shape.lanes and world.clock_errors < 1.0:
        groups = [counted]
        allowed = 2 * world.clock_errors + max(2 * TOLERANCE_SECONDS, delay / 10 + TOLERANCE_SECONDS)
    else:
        # Instances with clocks an hour apart cannot keep a delay together, but each of them keeps it.
        instances = {_push(request).instance for request in site.requests}
        groups = [[each for each in site.requests if _push(each).instance == number] for number in instances]
        allowed = max(2 * TOLERANCE_SECONDS, delay / 10 + TOLERANCE_SECONDS)
    for group in groups:
        for first, second in pairwise(group):
            seconds = second.started_at - first.started_at
            if seconds < delay - allowed:
                yield f"{site.host} was requested after {seconds:.3f} s; the delay is {delay:g} s"
                return


def _too_early(shape: CrawlShape, site: Site) -> Iterator[str]:
    for first in [*site.requests, *site.robots_requests]:
        if not first.retry_after:
            continue
        until = first.ended_at + first.retry_after - ROUNDING_SECONDS
        own = _push(first)
        for request in site.requests:
            if not first.ended_at + 0.01 < request.started_at < until:
                continue
            push = _push(request)
            if push.instance == own.instance:
                who = "its instance"
            elif shape.lanes and push.message.ordering_key == own.message.ordering_key:
                # Another lane of another instance learns of a Retry-After by its own next request.
                if _is_outside_lane(own, request) or _is_reopened(own, first, request):
                    continue
                who = "its lane"
            else:
                continue
            seconds = request.started_at - first.ended_at
            yield f"{site.host} got a request of {who} {seconds:.1f} s after Retry-After"
            return


def _is_outside_lane(own: Push, request: Request) -> bool:
    """Return whether a closed lane could not keep back the request, because of how its push was sent.

    That is so if Pub/Sub no longer waited for this push, or if this push and the one that got the Retry-After
    are of one delivery, which was sent twice: a lane is closed only for other messages.
    """
    push = _push(request)
    return push.lease is own.lease or push.closed_at <= request.started_at


def _is_reopened(push: Push, first: Request, request: Request) -> bool:
    """Return whether the lane of a push was opened before its time: the push was cut, or held to its end."""
    is_cut = push.was_cut and push.closed_at < request.started_at
    return is_cut or request.started_at - first.ended_at > MAX_HOLD

"""Which run a dispatch is. A trigger that fires twice must make the same jobs. Pure."""

from datetime import UTC, datetime

from contract.crawl import Crawl
from contract.faults import UnreadableCrawl

# https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#httptarget
SCHEDULE_TIME = "X-CloudScheduler-ScheduleTime"


def name_run(crawl: Crawl, schedule_time: str, now: datetime) -> str:
    """Return the run's id: the caller's own, else crawl name + scheduled time, else crawl name + now.

    Args:
        crawl: what is dispatched.
        schedule_time: RFC 3339, from Cloud Scheduler's header; `""` where it was not Cloud Scheduler.
        now: with a time zone.

    Raises:
        UnreadableCrawl: where the scheduled time is none.
    """
    if crawl.run_id is not None:
        return crawl.run_id
    return f"{crawl.name}-{_utc(schedule_time, now):%Y-%m-%dT%H:%M:%SZ}"


def _utc(schedule_time: str, now: datetime) -> datetime:
    if not schedule_time:
        return now.astimezone(UTC)
    why = f"not an RFC 3339 time (got {schedule_time[:80]!r})"
    try:
        scheduled = datetime.fromisoformat(schedule_time)
        # Without a zone it would be read in this machine's, and be another run elsewhere.
        if scheduled.tzinfo is not None:
            return scheduled.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UnreadableCrawl.single_fault(b"", why, SCHEDULE_TIME)

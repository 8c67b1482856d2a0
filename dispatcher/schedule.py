"""Reads the time of a run, which is the same if Cloud Scheduler sends the request twice. Pure."""

from datetime import UTC, datetime

from contract.faults import UnreadableCrawl
from contract.quoting import quote

#: Header with the scheduled time, RFC 3339:
#: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#httptarget
SCHEDULE_TIME = "X-CloudScheduler-ScheduleTime"


def scheduled_time(schedule_time: str, now: datetime) -> datetime:
    """Return the time for which a run is scheduled, in whole seconds, or else the current time; in UTC.

    Args:
        schedule_time: the value of Cloud Scheduler's header, RFC 3339; `""` if missing.
        now: the current time, with a time zone.

    Raises:
        UnreadableCrawl: if the scheduled time is not an RFC 3339 time.
    """
    if not schedule_time:
        return now.astimezone(UTC)
    why = f"not an RFC 3339 time (got {quote(schedule_time, 80)})"
    try:
        scheduled = datetime.fromisoformat(schedule_time)
        # A time without a zone would be read in the zone of this machine, so run ids would differ by machine.
        if scheduled.tzinfo is not None:
            return scheduled.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        pass
    raise UnreadableCrawl.single_fault(b"", why, SCHEDULE_TIME)

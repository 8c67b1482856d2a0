"""Lists the faults that a run can have: one entry of a table for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.journey.chaos.injections import (
    Injection,
    darken_host,
    deploy_workers,
    disturb_outcomes,
    fill_disk,
    jump_clock,
    kill_dispatcher,
    kill_pubsub,
    kill_workers,
    repeated,
    skew_clocks,
)
from tests.journey.chaos.replays import kill_replays
from tests.journey.chaos.system import DELIVERY, Conditions

SHORT_JOBS = 80  #: jobs of the short form of a run, as tests use it
#: Pages that take so long that a kill meets some of them.
SLOW_PAGES = 0.5
HOSTILE = (("hang", 0.04), ("drip", 0.03), ("bomb", 0.03), ("missing", 0.02))
#: localpubsub's own faults: https://cloud.google.com/pubsub/docs/subscription-overview#at-least-once-delivery
DUPLICATES = ("--chaos", "duplicate=0.05,drop_ack=0.02,seed={seed}")
SHORT_DEADLINE = replace(DELIVERY, ack_deadline_seconds=10)
#: A worker that does not know of the short deadline; otherwise it would not start.
UNAWARE = {"ACK_DEADLINE_SECONDS": "30", "REQUEST_TIMEOUT_SECONDS": "28", "WAIT_BUDGET_SECONDS": "15"}
TEN_ATTEMPTS = replace(DELIVERY, max_delivery_attempts=10)
#: What gunicorn logs about a process that was killed, or that ends while requests are open.
KILLED = (r"was sent SIG(?:KILL|TERM)", r"Worker \(pid:\d+\) exited with code")
#: What localpubsub logs about a write that fails. The full disk cuts the log, too, at any character,
#: so that the next line follows at once, which may be the first one after a restart.
DISK_FULL = (
    r"ERROR(?: localpubsub[a-z_.]*(?: loc[a-z ]*)?)?(?:$|\d{4}-|localpubsub: gRPC on )"
    r"|ERROR localpubsub\.storage\.journal .* could not write"
    r"|ERROR localpubsub\.exports\.exports export_failed .* warehouse\.db cannot be written"
)


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        title: what happens, in words.
        promise: the promise that is kept nevertheless, in words.
        inject: makes the injections of a run with a number of jobs; the more jobs, the more faults.
        conditions: how the stack differs from the usual one.
        may_be_silent: whether it ends attempts without an outcome.
        expected_lines: patterns of the errors in the logs that it causes.
        is_long: whether its short form takes longer than about half a minute.
    """

    title: str
    promise: str
    inject: Callable[[int], Sequence[Injection]]
    conditions: Conditions = field(default_factory=Conditions)
    may_be_silent: bool = False
    expected_lines: tuple[str, ...] = ()
    is_long: bool = False


FAULTS: dict[str, Fault] = {
    "none": Fault(
        "nothing: the pages alone",
        "every page has a result, or a dead letter with its reason",
        lambda _: [],
    ),
    "worker-killed": Fault(
        "SIGKILL of a worker, again and again: one process of it, or all",
        "the jobs of a killed worker are delivered again",
        lambda jobs: [kill_workers(_times(jobs, 3, 20))],
        Conditions(page_seconds=SLOW_PAGES),
        may_be_silent=True,
        expected_lines=KILLED,
    ),
    "deploys": Fault(
        "SIGTERM of all workers, again and again",
        "a deploy gives jobs back, and costs none of them an attempt",
        lambda jobs: [deploy_workers(_times(jobs, 2, 10))],
        Conditions(page_seconds=SLOW_PAGES),
        may_be_silent=True,  # a push that arrives between two workers reaches none
        expected_lines=KILLED,
        is_long=True,
    ),
    "pubsub-killed": Fault(
        "SIGKILL of the queue (localpubsub), which is started again",
        "what the queue has confirmed survives it",
        lambda jobs: [kill_pubsub(_times(jobs, 2, 10))],
        Conditions(page_seconds=SLOW_PAGES),
        may_be_silent=True,
    ),
    "dispatcher-killed": Fault(
        "SIGKILL of the dispatcher while it publishes or reads; the trigger is repeated",
        "a repeated trigger makes the same jobs",
        lambda jobs: [kill_dispatcher(_times(jobs, 2, 5))],
        Conditions(has_proxy=True),
    ),
    "outcomes-topic": Fault(
        "the outcomes topic refuses, is slow, does not confirm, or stores twice; for a while it refuses all",
        "a job is acknowledged only after its outcome was confirmed, and counts once",
        lambda jobs: [disturb_outcomes(5.0 if jobs < SHORT_JOBS * 2 else 20.0)],
        Conditions(has_proxy=True),
        may_be_silent=True,  # an outcome that was stored twice hides an attempt without one
    ),
    "duplicates": Fault(
        "5 % of deliveries happen twice, and 2 % of acknowledgements are lost",
        "each job counts once, however often it is delivered",
        lambda _: [],
        Conditions(pubsub_arguments=DUPLICATES),
    ),
    "dark-host": Fault(
        "one of two hosts is unreachable for a while",
        "pages of a host that comes back are scraped; those of others do not wait for it",
        lambda _: [darken_host(5.0)],
        Conditions(delivery=TEN_ATTEMPTS),
    ),
    "hostile-pages": Fault(
        "10 % of pages hang, drip, or are decompression bombs",
        "hostile pages are dead letters with their reason, and healthy ones do not suffer",
        lambda _: [],
        Conditions(poison=HOSTILE, settings={"PAGE_BUDGET_SECONDS": "4"}),
        is_long=True,
    ),
    "clocks": Fault(
        "the worker's clock is two hours ahead, then two hours behind; the dispatcher's is two hours behind; "
        "localpubsub's jumps by an hour",
        "a wrong clock costs time, and no job",
        lambda _: [skew_clocks(3.0), jump_clock(3600.0, 2)],
        # No page is tried again: what a worker publishes with its clock ahead is due two hours later.
        Conditions(
            page_seconds=SLOW_PAGES,
            poison=(("missing", 0.05), ("empty", 0.05)),
            shifted_clocks=("worker", "dispatcher"),
        ),
        may_be_silent=True,
    ),
    "disk-full": Fault(
        "the queue can write nothing, as on a full disk, and later can again",
        "a message that cannot be written is not confirmed; the rest continues when there is room",
        lambda jobs: [fill_disk(_times(jobs, 2, 6))],
        Conditions(page_seconds=SLOW_PAGES),
        may_be_silent=True,
        expected_lines=(DISK_FULL,),
    ),
    "replay-killed": Fault(
        "SIGKILL of `scrapeq dead replay` at random steps, for pages that were mended meanwhile",
        "a replay can be repeated after any step: no page is lost, and none counts twice",
        lambda jobs: [kill_replays(_times(jobs, 4, 20))],
        Conditions(poison=(("missing", 0.7), ("broken", 0.3))),
        may_be_silent=True,
    ),
    "short-deadline": Fault(
        "the ack deadline is shorter than the time that a page takes",
        "the job is redelivered while it is scraped, and counts once",
        lambda _: [],
        # localpubsub's time is ten times as fast, so 10 s are 1 s, and a page takes up to 2 s.
        Conditions(
            page_seconds=2.0,
            pubsub_arguments=("--time-scale", "10"),
            delivery=SHORT_DEADLINE,
            settings=UNAWARE,
        ),
        may_be_silent=True,
    ),
    "all-at-once": Fault(
        "nearly all of this at the same time",
        "the promises hold together",
        lambda jobs: [repeated(each, min(600.0, jobs / 5)) for each in _everything(jobs)],
        Conditions(
            page_seconds=2.0,
            poison=(*HOSTILE, ("broken", 0.02), ("empty", 0.02)),
            settings={"PAGE_BUDGET_SECONDS": "4"},
            pubsub_arguments=DUPLICATES,
            has_proxy=True,
            delivery=TEN_ATTEMPTS,
        ),
        may_be_silent=True,
        expected_lines=(*KILLED, DISK_FULL),
        is_long=True,
    ),
}


def _everything(jobs: int) -> list[Injection]:
    return [
        kill_workers(1),
        deploy_workers(1),
        kill_pubsub(1),
        kill_dispatcher(_times(jobs, 1, 3)),
        disturb_outcomes(5.0),
        darken_host(3.0),
        fill_disk(1),
    ]


def _times(jobs: int, least: int, most: int) -> int:
    """Return how often a fault is injected: the more jobs, the more often."""
    return max(least, min(most, jobs // 100))

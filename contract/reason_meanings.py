"""Defines the meaning of each reason: outcome, description, advice, HTTP status and cause."""

from enum import StrEnum
from typing import NamedTuple

from contract.outcome import OUTCOME_MEANINGS, Cause, Outcome, Reason


class DeadLetterCommand(StrEnum):
    """The subcommand of `scrapeq dead` that usually helps with a dead letter."""

    REPLAY = "replay"  #: a later attempt may succeed
    REPLACE = "replay --recipe CRAWL.yaml"  #: the page needs another recipe, so a new job replaces this one
    DROP = "drop"  #: the page has nothing to scrape, or must not be scraped


class ReasonMeaning(NamedTuple):
    """The meaning of a reason.

    Attributes:
        outcome: the outcome of every attempt that ended for this reason.
        sentence: a description for people.
        remedy: advice for the operator.
        status: the HTTP status of the response to the push; None for the status of the outcome.
        cause: what ended the attempt.
        command: what usually helps with a dead letter whose last attempt ended for this reason.
        needs_new_job: whether each attempt of the same job ends for this reason as long as the page is the
            same. A replay of such a dead letter needs a new recipe or --force.
    """

    outcome: Outcome
    sentence: str
    remedy: str
    status: int | None = None
    cause: Cause = Cause.PAGE
    command: DeadLetterCommand = DeadLetterCommand.REPLAY
    needs_new_job: bool = False


NOTHING_TO_DO = "nothing: the job is tried again"  #: advice for a retry that the page caused
REASON_MEANINGS = {
    Reason.OK: ReasonMeaning(Outcome.SUCCEEDED, "the page was scraped", "nothing", cause=Cause.NONE),
    Reason.DNS: ReasonMeaning(
        Outcome.RETRY, "the host's name could not be resolved", "check the host's spelling"
    ),
    Reason.CONNECT: ReasonMeaning(Outcome.RETRY, "no connection to the site", NOTHING_TO_DO),
    Reason.TLS: ReasonMeaning(
        Outcome.RETRY, "the site's certificate or TLS was refused", "check the site's certificate"
    ),
    Reason.TIMEOUT: ReasonMeaning(Outcome.RETRY, "the site did not respond in time", NOTHING_TO_DO),
    Reason.PAGE_BUDGET_EXCEEDED: ReasonMeaning(
        Outcome.RETRY, "the page took longer than its time budget", "raise PAGE_BUDGET_SECONDS; then replay"
    ),
    Reason.QUEUED_TOO_LONG: ReasonMeaning(
        Outcome.RETRY,
        "the job waited for a page slot, other large pages or a DNS lookup until its time was over",
        "raise PAGE_CONCURRENCY or the number of instances; then replay",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.INCOMPLETE_BODY: ReasonMeaning(
        Outcome.RETRY,
        "the body ended before its announced length, or its compressed stream before its end",
        NOTHING_TO_DO,
    ),
    Reason.CORRUPT_BODY: ReasonMeaning(
        Outcome.RETRY,
        "the body is not in the coding that its Content-Encoding names",
        "look at the page in a browser",
    ),
    Reason.HTTP_408: ReasonMeaning(Outcome.RETRY, "the site answered 408 Request Timeout", NOTHING_TO_DO),
    Reason.HTTP_425: ReasonMeaning(Outcome.RETRY, "the site answered 425 Too Early", NOTHING_TO_DO),
    Reason.HTTP_429: ReasonMeaning(
        Outcome.RETRY,
        "the site answered 429 Too Many Requests",
        "replay later; in the next run raise politeness.delay_seconds",
        429,
    ),
    Reason.HTTP_5XX: ReasonMeaning(Outcome.RETRY, "the site answered 5xx", NOTHING_TO_DO),
    Reason.HTTP_403: ReasonMeaning(Outcome.FAILED, "the site answered 403 Forbidden", "ask the site's owner"),
    Reason.HTTP_404: ReasonMeaning(
        Outcome.FAILED, "the site answered 404 Not Found", "drop the URL", command=DeadLetterCommand.DROP
    ),
    Reason.HTTP_410: ReasonMeaning(
        Outcome.FAILED, "the site answered 410 Gone", "drop the URL", command=DeadLetterCommand.DROP
    ),
    Reason.HTTP_4XX: ReasonMeaning(
        Outcome.FAILED, "the site answered another 4xx", "look at the page in a browser"
    ),
    Reason.HTTP_OTHER: ReasonMeaning(
        Outcome.FAILED,
        "the site sent no page, or only a part of a page (204, 206, 3xx without a target)",
        "look at the page in a browser",
    ),
    Reason.TOO_MANY_REDIRECTS: ReasonMeaning(
        Outcome.FAILED, "too many redirects", "put the final URL into the crawl"
    ),
    Reason.BAD_URL: ReasonMeaning(
        Outcome.FAILED,
        "the URL, or a redirect's target, is invalid, not http(s), or another origin that would get a body",
        "fix the URL",
        command=DeadLetterCommand.DROP,
        needs_new_job=True,
    ),
    Reason.REFUSED_ADDRESS: ReasonMeaning(
        Outcome.FAILED,
        "the host is not on the public internet",
        "drop the URL; FETCH_ALLOW_NETWORKS allows private networks",
        command=DeadLetterCommand.DROP,
    ),
    Reason.REQUEST_REFUSED: ReasonMeaning(
        Outcome.FAILED,
        "the job names a secret or a proxy that this worker does not have, or must not use for this site",
        "change FETCH_SECRETS or FETCH_PROXIES of the worker, then replay; or fix the crawl",
        cause=Cause.MESSAGE,
    ),
    Reason.ROBOTS_DISALLOWED: ReasonMeaning(
        Outcome.FAILED,
        "the site's robots.txt disallows the page",
        "drop the URL",
        command=DeadLetterCommand.DROP,
    ),
    Reason.ROBOTS_UNAVAILABLE: ReasonMeaning(
        Outcome.RETRY,
        "the site's robots.txt could not be read, so no page may be fetched for now",
        NOTHING_TO_DO,
    ),
    Reason.RATE_LIMITED: ReasonMeaning(
        Outcome.RETRY,
        "the job waited for its host's turn (delay or Retry-After) until its time was over",
        "replay, since fewer jobs wait now; in the next run set politeness.delay_seconds",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.NOT_BEFORE: ReasonMeaning(
        Outcome.RETRY,
        "the job waited for its next attempt until its time was over",
        "replay after the time that the detail names",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.CONTENT_TYPE: ReasonMeaning(
        Outcome.FAILED,
        "the response is not HTML, XHTML, XML, JSON or text",
        "drop the URL",
        command=DeadLetterCommand.DROP,
    ),
    Reason.CHARSET: ReasonMeaning(
        Outcome.FAILED, "the text could not be decoded", "check the page's encoding"
    ),
    Reason.TOO_LARGE: ReasonMeaning(
        Outcome.FAILED,
        "the page or its items are larger than allowed, or need too much CPU time or memory to extract",
        "raise the setting that the detail names, or simplify the field's selector",
    ),
    Reason.DECOMPRESSION_BOMB: ReasonMeaning(
        Outcome.FAILED,
        "the decompressed body is far larger than the compressed one",
        "drop the URL",
        command=DeadLetterCommand.DROP,
    ),
    Reason.MISSING_FIELD: ReasonMeaning(
        Outcome.FAILED,
        "a required field is missing on the page",
        "fix the recipe, then replay the page with it (--recipe)",
        command=DeadLetterCommand.REPLACE,
        needs_new_job=True,
    ),
    Reason.BAD_VALUE: ReasonMeaning(
        Outcome.FAILED,
        "the text of a required field cannot be converted to the field's type",
        "fix the recipe, then replay the page with it (--recipe)",
        command=DeadLetterCommand.REPLACE,
        needs_new_job=True,
    ),
    Reason.BAD_RECIPE: ReasonMeaning(
        Outcome.FAILED,
        "a selector of the recipe failed on the page",
        "fix the recipe, then replay the page with it (--recipe)",
        command=DeadLetterCommand.REPLACE,
        needs_new_job=True,
    ),
    Reason.PUBLISH_UNCONFIRMED: ReasonMeaning(
        Outcome.RETRY,
        "Pub/Sub did not confirm the outcome, or the job of the next page, in time",
        "check the topics and the worker's permission to publish to them; then replay",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.SHUTDOWN: ReasonMeaning(
        Outcome.RETRY,
        "the worker was shutting down",
        "replay; if it repeats, find out what stops workers so often",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.BAD_ENVELOPE: ReasonMeaning(
        Outcome.UNREADABLE,
        "the request is not a Pub/Sub push",
        "check which client posts to the worker",
        cause=Cause.MESSAGE,
        command=DeadLetterCommand.DROP,
        needs_new_job=True,
    ),
    Reason.BAD_JOB: ReasonMeaning(
        Outcome.UNREADABLE,
        "the message is not a job that this version can read",
        "check which publishers the topic has",
        cause=Cause.MESSAGE,
        command=DeadLetterCommand.DROP,
        needs_new_job=True,
    ),
    Reason.NO_TOKEN: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the push carries no token",
        "give the subscription an OIDC token",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.BAD_TOKEN: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the token's signature, times, issuer or audience are invalid",
        "compare PUSH_AUDIENCE with the subscription's audience",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.WRONG_CALLER: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the token belongs to another service account",
        "compare PUSH_SERVICE_ACCOUNT with the subscription's service account",
        403,
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.NO_CERTIFICATES: ReasonMeaning(
        Outcome.RETRY,
        "the certificates that verify tokens could not be fetched",
        "check PUSH_CERTS_URL",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.INTERNAL_ERROR: ReasonMeaning(
        Outcome.CRASHED,
        "an unexpected exception: a bug in Scrapeq",
        "report it with the log line",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.DUPLICATE_DELIVERY: ReasonMeaning(
        Outcome.SUCCEEDED,
        "this instance has finished the message before; it was only acknowledged again",
        "nothing",
        cause=Cause.NONE,
    ),
    Reason.CANCELLED: ReasonMeaning(
        Outcome.CANCELLED,
        "an operator has cancelled the run, so the page was not requested",
        "nothing; to scrape the page, dispatch the crawl again",
        cause=Cause.NONE,
    ),
    Reason.RUN_LIMIT: ReasonMeaning(
        Outcome.CANCELLED,
        "the time limits.until of the crawl had passed, so the page was not requested",
        "nothing; to scrape the page, dispatch the crawl again with a later limits.until",
        cause=Cause.NONE,
    ),
    Reason.PAUSED: ReasonMeaning(
        Outcome.RETRY,
        "an operator has paused the run, the host or all jobs",
        "resume what is paused; then replay",
        cause=Cause.INFRASTRUCTURE,
    ),
    Reason.DELIVERY_LIMIT: ReasonMeaning(
        Outcome.RETRY,
        "the broker itself ended the job: each relay that received it was killed or lost its connection",
        "find out in their logs what ends the relays; then replay",
        cause=Cause.INFRASTRUCTURE,
    ),
}


def status_of(reason: Reason) -> int:
    """Return the HTTP status of the response to a push if its attempt ended for `reason`.

    If the worker published the job again or dead-lettered it (ACK_POLICY=settled), it responds with another
    status, which acknowledges the push.
    """
    meaning = REASON_MEANINGS[reason]
    return meaning.status or OUTCOME_MEANINGS[meaning.outcome].status

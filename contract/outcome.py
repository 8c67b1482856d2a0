"""Defines all outcomes and reasons of an attempt, and a table with the meaning of each."""

import logging
from enum import StrEnum
from typing import NamedTuple

MAX_DETAIL_CHARACTERS = 1000


class Outcome(StrEnum):
    """How one attempt ended.

    The message is acknowledged only if the attempt succeeded, or if the worker published the job again or
    dead-lettered it (ACK_POLICY=settled).
    """

    SUCCEEDED = "succeeded"
    RETRY = "retry"  #: a later attempt may succeed
    DEFERRED = "deferred"  #: a retry that was published again with not_before
    FAILED = "failed"  #: no attempt succeeds until the job, the recipe or the page changes
    UNREADABLE = "unreadable"  #: the envelope or the job cannot be decoded
    UNAUTHENTICATED = "unauthenticated"  #: the token of the push is missing or invalid
    CRASHED = "crashed"  #: an unexpected exception: a bug in Scrapeq


class OutcomeMeaning(NamedTuple):
    """The consequences of an outcome.

    Attributes:
        status: the HTTP status of the response to the push.
        level: the `logging` level of the log event.
    """

    status: int
    level: int


OUTCOME_MEANINGS = {
    Outcome.SUCCEEDED: OutcomeMeaning(204, logging.INFO),
    Outcome.RETRY: OutcomeMeaning(503, logging.WARNING),
    Outcome.DEFERRED: OutcomeMeaning(204, logging.INFO),
    Outcome.FAILED: OutcomeMeaning(422, logging.WARNING),
    Outcome.UNREADABLE: OutcomeMeaning(400, logging.ERROR),
    Outcome.UNAUTHENTICATED: OutcomeMeaning(401, logging.WARNING),
    Outcome.CRASHED: OutcomeMeaning(500, logging.ERROR),
}
#: The HTTP statuses that acknowledge a push: https://cloud.google.com/pubsub/docs/push
ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})


class Reason(StrEnum):
    """Why an attempt ended: the code in outcomes, logs and the ledger."""

    OK = "ok"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PAGE_BUDGET_EXCEEDED = "page_budget_exceeded"
    QUEUED_TOO_LONG = "queued_too_long"
    INCOMPLETE_BODY = "incomplete_body"
    HTTP_408 = "http_408"
    HTTP_425 = "http_425"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    HTTP_403 = "http_403"
    HTTP_404 = "http_404"
    HTTP_410 = "http_410"
    HTTP_4XX = "http_4xx"
    HTTP_OTHER = "http_other"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_URL = "bad_url"
    REFUSED_ADDRESS = "refused_address"
    ROBOTS_DISALLOWED = "robots_disallowed"
    ROBOTS_UNAVAILABLE = "robots_unavailable"
    RATE_LIMITED = "rate_limited"
    NOT_BEFORE = "not_before"
    CONTENT_TYPE = "content_type"
    CHARSET = "charset"
    TOO_LARGE = "too_large"
    DECOMPRESSION_BOMB = "decompression_bomb"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    BAD_RECIPE = "bad_recipe"
    PUBLISH_UNCONFIRMED = "publish_unconfirmed"
    SHUTDOWN = "shutdown"
    BAD_ENVELOPE = "bad_envelope"
    BAD_JOB = "bad_job"
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a token
    BAD_TOKEN = "bad_token"  # noqa: S105 - a reason, not a token
    WRONG_CALLER = "wrong_caller"
    NO_CERTIFICATES = "no_certificates"
    INTERNAL_ERROR = "internal_error"

    @classmethod
    def _missing_(cls, value: object) -> "Reason | None":
        """Return the reason that replaced a code of 0.1, so that `Reason("late")` and decoding accept it."""
        return RENAMED_REASONS.get(value) if isinstance(value, str) else None


#: Reason codes that 0.1 wrote, and the reasons that replaced them. Outcomes, dead letters and ledger rows of
#: 0.1 still contain the old codes. contract/ledger/renamed_reasons.sql is the same table.
RENAMED_REASONS = {
    "bomb": Reason.DECOMPRESSION_BOMB,
    "budget": Reason.PAGE_BUDGET_EXCEEDED,
    "bug": Reason.INTERNAL_ERROR,
    "cut_short": Reason.INCOMPLETE_BODY,
    "late": Reason.QUEUED_TOO_LONG,
    "no_slot": Reason.RATE_LIMITED,
    "not_due": Reason.NOT_BEFORE,
    "redirects": Reason.TOO_MANY_REDIRECTS,
    "robots": Reason.ROBOTS_DISALLOWED,
    "unconfirmed": Reason.PUBLISH_UNCONFIRMED,
}


class ReasonMeaning(NamedTuple):
    """The meaning of a reason.

    Attributes:
        outcome: the outcome of every attempt that ended for this reason.
        sentence: a description for people.
        remedy: advice for the operator.
        status: the HTTP status of the response to the push; None for the status of the outcome.
    """

    outcome: Outcome
    sentence: str
    remedy: str
    status: int | None = None


_WAIT = "nothing: the job is tried again"
REASON_MEANINGS = {
    Reason.OK: ReasonMeaning(Outcome.SUCCEEDED, "the page was scraped", "nothing"),
    Reason.DNS: ReasonMeaning(
        Outcome.RETRY, "the host's name could not be resolved", "check the host's spelling"
    ),
    Reason.CONNECT: ReasonMeaning(Outcome.RETRY, "no connection to the site", _WAIT),
    Reason.TLS: ReasonMeaning(
        Outcome.RETRY, "the site's certificate or TLS was refused", "check the site's certificate"
    ),
    Reason.TIMEOUT: ReasonMeaning(Outcome.RETRY, "the site did not respond in time", _WAIT),
    Reason.PAGE_BUDGET_EXCEEDED: ReasonMeaning(
        Outcome.RETRY, "the page took longer than its time budget", "raise PAGE_BUDGET_SECONDS if it repeats"
    ),
    Reason.QUEUED_TOO_LONG: ReasonMeaning(
        Outcome.RETRY, "the push waited too long in the worker's queue", "lower CONCURRENCY"
    ),
    Reason.INCOMPLETE_BODY: ReasonMeaning(Outcome.RETRY, "the body ended before its announced length", _WAIT),
    Reason.HTTP_408: ReasonMeaning(Outcome.RETRY, "the site answered 408 Request Timeout", _WAIT),
    Reason.HTTP_425: ReasonMeaning(Outcome.RETRY, "the site answered 425 Too Early", _WAIT),
    Reason.HTTP_429: ReasonMeaning(
        Outcome.RETRY, "the site answered 429 Too Many Requests", "raise politeness.delay_seconds", 429
    ),
    Reason.HTTP_5XX: ReasonMeaning(Outcome.RETRY, "the site answered 5xx", _WAIT),
    Reason.HTTP_403: ReasonMeaning(Outcome.FAILED, "the site answered 403 Forbidden", "ask the site's owner"),
    Reason.HTTP_404: ReasonMeaning(Outcome.FAILED, "the site answered 404 Not Found", "drop the URL"),
    Reason.HTTP_410: ReasonMeaning(Outcome.FAILED, "the site answered 410 Gone", "drop the URL"),
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
        Outcome.FAILED, "the URL, or a redirect's target, is invalid or not http(s)", "fix the URL"
    ),
    Reason.REFUSED_ADDRESS: ReasonMeaning(
        Outcome.FAILED,
        "the host is not on the public internet",
        "drop the URL; FETCH_ALLOW_NETWORKS allows private networks",
    ),
    Reason.ROBOTS_DISALLOWED: ReasonMeaning(
        Outcome.FAILED, "the site's robots.txt disallows the page", "drop the URL"
    ),
    Reason.ROBOTS_UNAVAILABLE: ReasonMeaning(
        Outcome.RETRY, "the site's robots.txt could not be read, so no page may be fetched for now", _WAIT
    ),
    Reason.RATE_LIMITED: ReasonMeaning(
        Outcome.RETRY,
        "the host's rate limit or Retry-After left no time for this page",
        "send fewer jobs of one host at the same time, or lengthen the backoff",
    ),
    Reason.NOT_BEFORE: ReasonMeaning(
        Outcome.RETRY, "the site sent Retry-After, and that time has not passed yet", _WAIT
    ),
    Reason.CONTENT_TYPE: ReasonMeaning(
        Outcome.FAILED, "the response is not HTML, XHTML, XML, JSON or text", "drop the URL"
    ),
    Reason.CHARSET: ReasonMeaning(
        Outcome.FAILED, "the text could not be decoded", "check the page's encoding"
    ),
    Reason.TOO_LARGE: ReasonMeaning(
        Outcome.FAILED, "the page or its items are larger than allowed", "raise FETCH_MAX_BYTES"
    ),
    Reason.DECOMPRESSION_BOMB: ReasonMeaning(
        Outcome.FAILED, "the decompressed body is far larger than the compressed one", "drop the URL"
    ),
    Reason.MISSING_FIELD: ReasonMeaning(
        Outcome.FAILED,
        "a required field is missing on the page",
        "fix the recipe, then dispatch the crawl again",
    ),
    Reason.BAD_VALUE: ReasonMeaning(
        Outcome.FAILED,
        "the text of a required field cannot be converted to the field's type",
        "fix the recipe, then dispatch the crawl again",
    ),
    Reason.BAD_RECIPE: ReasonMeaning(
        Outcome.FAILED,
        "a selector of the recipe failed on the page",
        "fix the recipe, then dispatch the crawl again",
    ),
    Reason.PUBLISH_UNCONFIRMED: ReasonMeaning(
        Outcome.RETRY, "Pub/Sub did not confirm the outcome in time", "check the outcomes topic"
    ),
    Reason.SHUTDOWN: ReasonMeaning(Outcome.RETRY, "the worker was shutting down", _WAIT),
    Reason.BAD_ENVELOPE: ReasonMeaning(
        Outcome.UNREADABLE, "the request is not a Pub/Sub push", "check which client posts to the worker"
    ),
    Reason.BAD_JOB: ReasonMeaning(
        Outcome.UNREADABLE,
        "the message is not a job that this version can read",
        "check which publishers the topic has",
    ),
    Reason.NO_TOKEN: ReasonMeaning(
        Outcome.UNAUTHENTICATED, "the push carries no token", "give the subscription an OIDC token"
    ),
    Reason.BAD_TOKEN: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the token's signature, times, issuer or audience are invalid",
        "compare PUSH_AUDIENCE with the subscription's audience",
    ),
    Reason.WRONG_CALLER: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the token belongs to another service account",
        "compare PUSH_SERVICE_ACCOUNT with the subscription's service account",
        403,
    ),
    Reason.NO_CERTIFICATES: ReasonMeaning(
        Outcome.RETRY, "the certificates that verify tokens could not be fetched", "check PUSH_CERTS_URL"
    ),
    Reason.INTERNAL_ERROR: ReasonMeaning(
        Outcome.CRASHED, "an unexpected exception: a bug in Scrapeq", "report it with the log line"
    ),
}


def status_of(reason: Reason) -> int:
    """Return the HTTP status of the response to a push if its attempt ended for `reason`.

    If the worker published the job again or dead-lettered it (ACK_POLICY=settled), it responds with another
    status, which acknowledges the push.
    """
    meaning = REASON_MEANINGS[reason]
    return meaning.status or OUTCOME_MEANINGS[meaning.outcome].status

"""Outcomes: how one attempt ended. A closed set, each with a status and a log level, in one place."""

import logging
from enum import StrEnum
from typing import NamedTuple

MAX_DETAIL_CHARACTERS = 1000


class Outcome(StrEnum):
    """How one attempt ended. Only `succeeded` acknowledges, and what was settled by ACK_POLICY=settled."""

    SUCCEEDED = "succeeded"
    RETRY = "retry"  #: may work later
    DEFERRED = "deferred"  #: a retry that was published again, for when the site wants it
    FAILED = "failed"  #: will not work as it stands
    UNREADABLE = "unreadable"  #: the envelope or the job cannot be decoded
    UNAUTHENTICATED = "unauthenticated"  #: the push's token is missing or wrong
    CRASHED = "crashed"  #: an exception nobody foresaw: a bug of ours


class OutcomeMeaning(NamedTuple):
    """What Pub/Sub and the log are told: HTTP status, `logging` level."""

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
# The codes by which Pub/Sub takes a message as acknowledged: https://cloud.google.com/pubsub/docs/push
ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})


class Reason(StrEnum):
    """Why an attempt ended as it did: the code in outcomes, logs and the ledger."""

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
    BAD_TOKEN = "bad_token"  # noqa: S105 - idem
    WRONG_CALLER = "wrong_caller"
    NO_CERTIFICATES = "no_certificates"
    INTERNAL_ERROR = "internal_error"

    @classmethod
    def _missing_(cls, value: object) -> "Reason | None":
        """Return the reason that replaced a code of 0.1, so that `Reason("late")` and decoding accept it."""
        return RENAMED_REASONS.get(value) if isinstance(value, str) else None


#: Reason codes that 0.1 wrote, and the reasons that replaced them. Outcomes, dead letters and ledger rows of
#: 0.1 still hold the old codes. contract/ledger/renamed_reasons.sql is the same table.
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
    """What a reason says: the outcome it belongs to, a sentence for people, and what to do about it."""

    outcome: Outcome
    sentence: str
    remedy: str
    status: int | None = None  #: the HTTP answer where it is not the outcome's own


_WAIT = "nothing: it is tried again"
REASON_MEANINGS = {
    Reason.OK: ReasonMeaning(Outcome.SUCCEEDED, "the page was scraped", "nothing"),
    Reason.DNS: ReasonMeaning(
        Outcome.RETRY, "the host's name could not be resolved", "check the host's spelling"
    ),
    Reason.CONNECT: ReasonMeaning(Outcome.RETRY, "no connection to the site", _WAIT),
    Reason.TLS: ReasonMeaning(
        Outcome.RETRY, "the site's certificate or TLS was refused", "look at the site's TLS"
    ),
    Reason.TIMEOUT: ReasonMeaning(Outcome.RETRY, "the site stopped answering", _WAIT),
    Reason.PAGE_BUDGET_EXCEEDED: ReasonMeaning(
        Outcome.RETRY, "the page took longer than its whole budget", "raise PAGE_BUDGET_SECONDS if it repeats"
    ),
    Reason.QUEUED_TOO_LONG: ReasonMeaning(
        Outcome.RETRY, "the push waited too long for its worker", "lower CONCURRENCY"
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
        "the site answered with no page, or a part of one (204, 206, 3xx without a target)",
        "look at the page",
    ),
    Reason.TOO_MANY_REDIRECTS: ReasonMeaning(
        Outcome.FAILED, "too many redirects", "put the final URL into the crawl"
    ),
    Reason.BAD_URL: ReasonMeaning(
        Outcome.FAILED, "a URL, or a redirect's target, is not one we request", "fix it"
    ),
    Reason.REFUSED_ADDRESS: ReasonMeaning(
        Outcome.FAILED,
        "the host is not on the public internet",
        "drop the URL; FETCH_ALLOW_NETWORKS opens networks of your own",
    ),
    Reason.ROBOTS_DISALLOWED: ReasonMeaning(
        Outcome.FAILED, "the site's robots.txt disallows the page", "drop the URL"
    ),
    Reason.ROBOTS_UNAVAILABLE: ReasonMeaning(
        Outcome.RETRY, "the site's robots.txt could not be read, so nothing is allowed for now", _WAIT
    ),
    Reason.RATE_LIMITED: ReasonMeaning(
        Outcome.RETRY,
        "the host's delay, or its Retry-After, left no time for this page",
        "fewer jobs of one host at once, or a longer backoff",
    ),
    Reason.NOT_BEFORE: ReasonMeaning(
        Outcome.RETRY, "the site asked for the page to be left alone until later (Retry-After)", _WAIT
    ),
    Reason.CONTENT_TYPE: ReasonMeaning(
        Outcome.FAILED, "the answer is no HTML, XHTML, XML, JSON or text", "drop the URL"
    ),
    Reason.CHARSET: ReasonMeaning(
        Outcome.FAILED, "the text could not be decoded", "look at the page's encoding"
    ),
    Reason.TOO_LARGE: ReasonMeaning(
        Outcome.FAILED, "the page, or what was extracted, is larger than allowed", "raise FETCH_MAX_BYTES"
    ),
    Reason.DECOMPRESSION_BOMB: ReasonMeaning(
        Outcome.FAILED, "the body grew out of all proportion when it was unpacked", "drop the URL"
    ),
    Reason.MISSING_FIELD: ReasonMeaning(
        Outcome.FAILED, "a required field is not on the page", "fix the recipe, then replay"
    ),
    Reason.BAD_VALUE: ReasonMeaning(
        Outcome.FAILED, "a required field's text is not of its type", "fix the recipe, then replay"
    ),
    Reason.BAD_RECIPE: ReasonMeaning(
        Outcome.FAILED, "a selector failed when it was used", "fix the recipe, then replay"
    ),
    Reason.PUBLISH_UNCONFIRMED: ReasonMeaning(
        Outcome.RETRY, "Pub/Sub did not confirm the outcome in time", "look at the outcomes topic"
    ),
    Reason.SHUTDOWN: ReasonMeaning(Outcome.RETRY, "the worker was shutting down", _WAIT),
    Reason.BAD_ENVELOPE: ReasonMeaning(
        Outcome.UNREADABLE, "the request is no Pub/Sub push", "look at who posts to the worker"
    ),
    Reason.BAD_JOB: ReasonMeaning(
        Outcome.UNREADABLE, "the message holds no job of this version", "look at who publishes to the topic"
    ),
    Reason.NO_TOKEN: ReasonMeaning(
        Outcome.UNAUTHENTICATED, "the push carries no token", "give the subscription an OIDC token"
    ),
    Reason.BAD_TOKEN: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the token's signature, times, issuer or audience are wrong",
        "compare PUSH_AUDIENCE with the subscription's",
    ),
    Reason.WRONG_CALLER: ReasonMeaning(
        Outcome.UNAUTHENTICATED,
        "the token is of another account",
        "compare PUSH_SERVICE_ACCOUNT with the subscription's",
        403,
    ),
    Reason.NO_CERTIFICATES: ReasonMeaning(
        Outcome.RETRY, "the certificates to check tokens with could not be fetched", "look at PUSH_CERTS_URL"
    ),
    Reason.INTERNAL_ERROR: ReasonMeaning(
        Outcome.CRASHED, "an exception nobody foresaw", "report it with the log line"
    ),
}


def status_of(reason: Reason) -> int:
    """Return the HTTP status that answers a push which ended for `reason` and was not settled."""
    meaning = REASON_MEANINGS[reason]
    return meaning.status or OUTCOME_MEANINGS[meaning.outcome].status

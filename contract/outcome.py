"""Defines all outcomes, reasons and causes of an attempt."""

import logging
from enum import StrEnum
from typing import NamedTuple

MAX_DETAIL_CHARACTERS = 1000


class Outcome(StrEnum):
    """How one attempt ended.

    The message is acknowledged only if the attempt succeeded, if the job was cancelled, or if the worker
    published the job again or dead-lettered it (ACK_POLICY=settled).
    """

    SUCCEEDED = "succeeded"
    RETRY = "retry"  #: a later attempt may succeed
    CANCELLED = "cancelled"  #: an operator or a limit has ended the job's run, so its page was not requested
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
    Outcome.CANCELLED: OutcomeMeaning(204, logging.INFO),
    Outcome.DEFERRED: OutcomeMeaning(204, logging.INFO),
    Outcome.FAILED: OutcomeMeaning(422, logging.WARNING),
    Outcome.UNREADABLE: OutcomeMeaning(400, logging.ERROR),
    Outcome.UNAUTHENTICATED: OutcomeMeaning(401, logging.WARNING),
    Outcome.CRASHED: OutcomeMeaning(500, logging.ERROR),
}
#: The HTTP statuses that acknowledge a push: https://cloud.google.com/pubsub/docs/push
ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})


class Cause(StrEnum):
    """What ended an attempt: the page, the message, or the system itself.

    A job should be dead-lettered only because of its page or its message. A dead letter that is caused by the
    infrastructure is worth a replay: no request, or too few requests, showed that the page is at fault.
    """

    NONE = "none"  #: the attempt succeeded, or the job was cancelled
    PAGE = "page"  #: a request to the site, or the page's URL or host name
    MESSAGE = "message"  #: the push or its message, which cannot be read, or asks for what is not allowed
    INFRASTRUCTURE = "infrastructure"  #: waiting, a shutdown, or a fault of the queue or of the worker


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
    CORRUPT_BODY = "corrupt_body"
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
    REQUEST_REFUSED = "request_refused"
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
    DUPLICATE_DELIVERY = "duplicate_delivery"
    CANCELLED = "cancelled"
    RUN_LIMIT = "run_limit"
    PAUSED = "paused"
    DELIVERY_LIMIT = "delivery_limit"

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

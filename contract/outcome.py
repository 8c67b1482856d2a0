"""Outcomes: how one attempt ended. A closed set, each with a status and a log level, in one place."""

import json
import logging
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from contract.faults import UnreadableOutcome, parse_json_object

MAX_OUTCOME_BYTES = 8 * 1024 * 1024  #: a message has at most 10,000,000 B (Pub/Sub's quotas page)
MAX_DETAIL_CHARACTERS = 1000


class Outcome(StrEnum):
    """How one attempt ended. Only `succeeded` acknowledges."""

    SUCCEEDED = "succeeded"
    RETRY = "retry"  #: may work later
    FAILED = "failed"  #: will not work as it stands
    UNREADABLE = "unreadable"  #: the envelope or the job cannot be decoded
    UNAUTHENTICATED = "unauthenticated"  #: the push's token is missing or wrong
    CRASHED = "crashed"  #: an exception nobody foresaw: a bug of ours


class Answer(NamedTuple):
    """What Pub/Sub and the log are told: HTTP status, `logging` level."""

    status: int
    level: int


ANSWERS = {
    Outcome.SUCCEEDED: Answer(204, logging.INFO),
    Outcome.RETRY: Answer(503, logging.WARNING),
    Outcome.FAILED: Answer(422, logging.WARNING),
    Outcome.UNREADABLE: Answer(400, logging.ERROR),
    Outcome.UNAUTHENTICATED: Answer(401, logging.WARNING),
    Outcome.CRASHED: Answer(500, logging.ERROR),
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
    BUDGET = "budget"
    LATE = "late"
    CUT_SHORT = "cut_short"
    HTTP_408 = "http_408"
    HTTP_425 = "http_425"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    HTTP_403 = "http_403"
    HTTP_404 = "http_404"
    HTTP_410 = "http_410"
    HTTP_4XX = "http_4xx"
    HTTP_OTHER = "http_other"
    REDIRECTS = "redirects"
    BAD_URL = "bad_url"
    REFUSED_ADDRESS = "refused_address"
    ROBOTS = "robots"
    ROBOTS_UNAVAILABLE = "robots_unavailable"
    NO_SLOT = "no_slot"
    CONTENT_TYPE = "content_type"
    CHARSET = "charset"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    BAD_RECIPE = "bad_recipe"
    UNCONFIRMED = "unconfirmed"
    SHUTDOWN = "shutdown"
    BAD_ENVELOPE = "bad_envelope"
    BAD_JOB = "bad_job"
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a token
    BAD_TOKEN = "bad_token"  # noqa: S105 - idem
    WRONG_CALLER = "wrong_caller"
    NO_CERTIFICATES = "no_certificates"
    BUG = "bug"


class Meaning(NamedTuple):
    """What a reason says: the outcome it belongs to, a sentence for people, and what to do about it.

    `status` is the HTTP answer where it is not the outcome's own.
    """

    outcome: Outcome
    sentence: str
    remedy: str
    status: int | None = None


_WAIT = "nothing: it is tried again"
MEANINGS = {
    Reason.OK: Meaning(Outcome.SUCCEEDED, "the page was scraped", "nothing"),
    Reason.DNS: Meaning(Outcome.RETRY, "the host's name could not be resolved", "check the host's spelling"),
    Reason.CONNECT: Meaning(Outcome.RETRY, "no connection to the site", _WAIT),
    Reason.TLS: Meaning(Outcome.RETRY, "the site's certificate or TLS was refused", "look at the site's TLS"),
    Reason.TIMEOUT: Meaning(Outcome.RETRY, "the site stopped answering", _WAIT),
    Reason.BUDGET: Meaning(
        Outcome.RETRY, "the page took longer than its whole budget", "raise PAGE_BUDGET_SECONDS if it repeats"
    ),
    Reason.LATE: Meaning(Outcome.RETRY, "the push waited too long for its worker", "lower CONCURRENCY"),
    Reason.CUT_SHORT: Meaning(Outcome.RETRY, "the body ended before its announced length", _WAIT),
    Reason.HTTP_408: Meaning(Outcome.RETRY, "the site answered 408 Request Timeout", _WAIT),
    Reason.HTTP_425: Meaning(Outcome.RETRY, "the site answered 425 Too Early", _WAIT),
    Reason.HTTP_429: Meaning(
        Outcome.RETRY, "the site answered 429 Too Many Requests", "raise politeness.delay_seconds", 429
    ),
    Reason.HTTP_5XX: Meaning(Outcome.RETRY, "the site answered 5xx", _WAIT),
    Reason.HTTP_403: Meaning(Outcome.FAILED, "the site answered 403 Forbidden", "ask the site's owner"),
    Reason.HTTP_404: Meaning(Outcome.FAILED, "the site answered 404 Not Found", "drop the URL"),
    Reason.HTTP_410: Meaning(Outcome.FAILED, "the site answered 410 Gone", "drop the URL"),
    Reason.HTTP_4XX: Meaning(
        Outcome.FAILED, "the site answered another 4xx", "look at the page in a browser"
    ),
    Reason.HTTP_OTHER: Meaning(
        Outcome.FAILED,
        "the site answered with no page, or a part of one (204, 206, 3xx without a target)",
        "look at the page",
    ),
    Reason.REDIRECTS: Meaning(Outcome.FAILED, "too many redirects", "put the final URL into the crawl"),
    Reason.BAD_URL: Meaning(Outcome.FAILED, "a URL, or a redirect's target, is not one we request", "fix it"),
    Reason.REFUSED_ADDRESS: Meaning(
        Outcome.FAILED,
        "the host is not on the public internet",
        "drop the URL; FETCH_ALLOW_NETWORKS opens networks of your own",
    ),
    Reason.ROBOTS: Meaning(Outcome.FAILED, "the site's robots.txt disallows the page", "drop the URL"),
    Reason.ROBOTS_UNAVAILABLE: Meaning(
        Outcome.RETRY, "the site's robots.txt could not be read, so nothing is allowed for now", _WAIT
    ),
    Reason.NO_SLOT: Meaning(
        Outcome.RETRY,
        "the host's delay, or its Retry-After, left no time for this page",
        "fewer jobs of one host at once, or a longer backoff",
    ),
    Reason.CONTENT_TYPE: Meaning(
        Outcome.FAILED, "the answer is no HTML, XHTML, XML, JSON or text", "drop the URL"
    ),
    Reason.CHARSET: Meaning(Outcome.FAILED, "the text could not be decoded", "look at the page's encoding"),
    Reason.TOO_LARGE: Meaning(
        Outcome.FAILED, "the page, or what was extracted, is larger than allowed", "raise FETCH_MAX_BYTES"
    ),
    Reason.BOMB: Meaning(
        Outcome.FAILED, "the body grew out of all proportion when it was unpacked", "drop the URL"
    ),
    Reason.MISSING_FIELD: Meaning(
        Outcome.FAILED, "a required field is not on the page", "fix the recipe, then replay"
    ),
    Reason.BAD_VALUE: Meaning(
        Outcome.FAILED, "a required field's text is not of its type", "fix the recipe, then replay"
    ),
    Reason.BAD_RECIPE: Meaning(
        Outcome.FAILED, "a selector failed when it was used", "fix the recipe, then replay"
    ),
    Reason.UNCONFIRMED: Meaning(
        Outcome.RETRY, "Pub/Sub did not confirm the outcome in time", "look at the outcomes topic"
    ),
    Reason.SHUTDOWN: Meaning(Outcome.RETRY, "the worker was shutting down", _WAIT),
    Reason.BAD_ENVELOPE: Meaning(
        Outcome.UNREADABLE, "the request is no Pub/Sub push", "look at who posts to the worker"
    ),
    Reason.BAD_JOB: Meaning(
        Outcome.UNREADABLE, "the message holds no job of this version", "look at who publishes to the topic"
    ),
    Reason.NO_TOKEN: Meaning(
        Outcome.UNAUTHENTICATED, "the push carries no token", "give the subscription an OIDC token"
    ),
    Reason.BAD_TOKEN: Meaning(
        Outcome.UNAUTHENTICATED,
        "the token's signature, times, issuer or audience are wrong",
        "compare PUSH_AUDIENCE with the subscription's",
    ),
    Reason.WRONG_CALLER: Meaning(
        Outcome.UNAUTHENTICATED,
        "the token is of another account",
        "compare PUSH_SERVICE_ACCOUNT with the subscription's",
        403,
    ),
    Reason.NO_CERTIFICATES: Meaning(
        Outcome.RETRY, "the certificates to check tokens with could not be fetched", "look at PUSH_CERTS_URL"
    ),
    Reason.BUG: Meaning(Outcome.CRASHED, "an exception nobody foresaw", "report it with the log line"),
}


def status_of(reason: Reason) -> int:
    """Return the HTTP status that answers a push which ended for `reason`."""
    meaning = MEANINGS[reason]
    return meaning.status or ANSWERS[meaning.outcome].status


def _sendable(text: object) -> object:
    return text.encode(errors="replace").decode() if isinstance(text, str) else text


# What a page, a header or an exception says. Half a surrogate pair in it becomes `?`: UTF-8 cannot carry it
# (RFC 3629 section 3), and no outcome may be lost over it.
_Said = Annotated[str, BeforeValidator(_sendable)]


class OutcomeRecord(BaseModel):
    """What the outcomes topic carries: one for every attempt that the worker could read.

    Attributes:
        attempt: the delivery's number, from 1; 0 where Pub/Sub does not count them.
        http_status: the site's last answer; 0 where there was none.
        fetch_seconds: from the first byte sent to the last received, redirects included.
        total_seconds: from the push's arrival to this record.
        body_bytes: of the page as decoded from its transfer and content encodings.
        body_sha256: hex, of the same bytes; `""` where there was no page.
        items: a JSON array as a string, which is what a BigQuery JSON column takes.
        detail: for people; at most 1,000 characters.
        worker: revision/instance.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    job_id: str
    run_id: str
    crawl: str
    url: str
    recipe: str = ""
    attempt: Annotated[int, Field(ge=0)]
    outcome: Outcome
    reason: Reason
    final_url: _Said = ""
    http_status: int = 0
    fetched_at: AwareDatetime
    fetch_seconds: float = 0.0
    total_seconds: float = 0.0
    body_bytes: int = 0
    body_sha256: str = ""
    items: _Said = "[]"
    item_count: int = 0
    detail: Annotated[str, Field(max_length=MAX_DETAIL_CHARACTERS), BeforeValidator(_sendable)] = ""
    worker: _Said = ""

    @model_validator(mode="after")
    def _outcome_follows_from_reason(self) -> Self:
        if self.outcome is not MEANINGS[self.reason].outcome:
            raise ValueError(
                f"{self.reason} is a reason for {MEANINGS[self.reason].outcome}, not {self.outcome}"
            )
        return self

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read message data.

        Raises:
            UnreadableOutcome: with the bytes and every fault.
        """
        document = parse_json_object(data, UnreadableOutcome, max_bytes=MAX_OUTCOME_BYTES, what="outcome")
        try:
            return cls.model_validate(document)
        except ValidationError as wrong:
            raise UnreadableOutcome.from_validation(data, wrong) from None

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes: what a subscription can filter by."""
        attributes = {
            "job_id": self.job_id,
            "run_id": self.run_id,
            "crawl": self.crawl,
            "outcome": self.outcome,
            "reason": self.reason,
            "version": str(self.version),
            "traceparent": traceparent,
        }
        return {name: value for name, value in attributes.items() if value}


def items_json(items: list[dict[str, JsonValue]]) -> str:
    """Return items as the JSON string that `OutcomeRecord.items` holds."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

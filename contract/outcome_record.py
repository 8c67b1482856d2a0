"""Defines the record of one attempt, which the worker publishes to the outcomes topic."""

import json
from enum import StrEnum
from typing import Annotated, Literal, Self

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
from contract.outcome import MAX_DETAIL_CHARACTERS, Outcome, Reason
from contract.quoting import hide_userinfo
from contract.reason_meanings import REASON_MEANINGS
from contract.urls import host_of

MAX_OUTCOME_BYTES = 8 * 1024 * 1024  #: the maximum of Pub/Sub is 10,000,000 B per message (its quotas page)


def _replace_surrogates(text: object) -> object:
    return text.encode(errors="replace").decode() if isinstance(text, str) else text


def _hide_userinfo(text: object) -> object:
    return hide_userinfo(text) if isinstance(text, str) else text


#: Text from a page, a header or an exception. A lone surrogate is replaced by `?`, because UTF-8 cannot
#: encode it (RFC 3629 section 3) and the outcome must be published nevertheless.
Text = Annotated[str, BeforeValidator(_replace_surrogates)]
#: A sentence for people. It may repeat a text from a page, of which no password of a URL is stored.
Detail = Annotated[
    str,
    Field(max_length=MAX_DETAIL_CHARACTERS),
    BeforeValidator(_hide_userinfo),
    BeforeValidator(_replace_surrogates),
]


class ListingEnd(StrEnum):
    """Why a listing ends with a page."""

    LAST_PAGE = "last_page"  #: the page has no link to a next page
    MAX_PAGES = "max_pages"  #: more pages follow, but the recipe's `max_pages` is reached
    LOOP = "loop"  #: the link leads back to a page of the listing
    BAD_NEXT = "bad_next"  #: the link is not a URL that can be fetched
    TOO_LARGE = "too_large"  #: the job of the next page would exceed the maximum size of a job


class OutcomeRecord(BaseModel):
    """The record of one attempt. The worker publishes one for every job that it can decode.

    Attributes:
        version: version of the format.
        job_id: 32 hex digits.
        run_id: the run that the job belongs to.
        crawl: name of the crawl.
        url: URL of the page, as in the job.
        recipe: name of the recipe.
        attempt: number of the attempt, from 1: the number of this delivery, and with ACK_POLICY=settled in
            addition the failed requests of earlier messages; 0 if Pub/Sub does not count deliveries.
        outcome: how the attempt ended.
        reason: why the attempt ended; a code of 0.1 is read as the reason that replaced it.
        final_url: URL of the page after redirects; `""` if unknown.
        http_status: HTTP status of the site's last response; 0 if there was no response.
        fetched_at: when the page was first requested, with a time zone; if it was not requested, when the
            attempt began.
        fetch_seconds: seconds for requesting the page: connection, header and body, redirects included,
            without waiting.
        waited_seconds: seconds for which the job waited in the worker: for a page slot, its host's turn,
            Retry-After or `not_before`.
        total_seconds: seconds from the push's arrival to this record.
        body_bytes: number of bytes of the page, after decoding its transfer and content encodings.
        body_sha256: SHA-256 of the page's bytes after that decoding, in hex; `""` if there was no page.
        items: the extracted items: a JSON array in a string, as a BigQuery column of type JSON requires.
        item_count: number of items.
        detail: a sentence for people, at most 1,000 characters.
        worker: revision and instance of the worker, `revision/instance`.
        page: number of the page in its listing, from 1.
        listing: job id of the listing's first page; `""` for a job whose recipe has no `next`.
        listing_end: why no page follows; `""` if one follows, if the attempt failed, or without a listing.
        next_url: URL of the next page, for which the worker publishes a job; `""` if no page follows.
        original: `original` of the job, the first one of a chain of replacements; `""` if it replaces none.
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
    final_url: Text = ""
    http_status: int = 0
    fetched_at: AwareDatetime
    fetch_seconds: float = 0.0
    waited_seconds: float = 0.0
    total_seconds: float = 0.0
    body_bytes: int = 0
    body_sha256: str = ""
    items: Text = "[]"
    item_count: int = 0
    detail: Detail = ""
    worker: Text = ""
    page: int = 1
    listing: str = ""
    listing_end: ListingEnd | Literal[""] = ""
    next_url: Text = ""
    original: str = ""

    @model_validator(mode="after")
    def _outcome_follows_from_reason(self) -> Self:
        expected = REASON_MEANINGS[self.reason].outcome
        # A retry is deferred if the job is published again, and has failed if it was the last attempt.
        settled = (
            {Outcome.DEFERRED, Outcome.FAILED} if expected in {Outcome.RETRY, Outcome.CRASHED} else set()
        )
        if self.outcome is not expected and self.outcome not in settled:
            raise ValueError(f"{self.reason} is a reason for {expected}, not {self.outcome}")
        return self

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode message data.

        Raises:
            UnreadableOutcome: the data is not a valid outcome; the exception has the data and all faults.
        """
        document = parse_json_object(data, UnreadableOutcome, max_bytes=MAX_OUTCOME_BYTES, kind="outcome")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise UnreadableOutcome.from_validation(data, error) from None

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes, by which a subscription can filter."""
        attributes = {
            "job_id": self.job_id,
            "run_id": self.run_id,
            "crawl": self.crawl,
            "host": host_of(self.url),
            "outcome": self.outcome,
            "reason": self.reason,
            "version": str(self.version),
            "traceparent": traceparent,
        }
        return {name: value for name, value in attributes.items() if value}


def items_json(items: list[dict[str, JsonValue]]) -> str:
    """Return the items as the JSON string for `OutcomeRecord.items`."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

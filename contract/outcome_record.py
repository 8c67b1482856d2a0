"""The record of an attempt: what the outcomes topic carries."""

import json
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
from contract.outcome import MAX_DETAIL_CHARACTERS, REASON_MEANINGS, Outcome, Reason
from contract.urls import host_of

MAX_OUTCOME_BYTES = 8 * 1024 * 1024  #: a message has at most 10,000,000 B (Pub/Sub's quotas page)


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
        told = REASON_MEANINGS[self.reason].outcome
        is_deferred = self.outcome is Outcome.DEFERRED and told is Outcome.RETRY
        if self.outcome is not told and not is_deferred:
            raise ValueError(f"{self.reason} is a reason for {told}, not {self.outcome}")
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
            "host": host_of(self.url),
            "outcome": self.outcome,
            "reason": self.reason,
            "version": str(self.version),
            "traceparent": traceparent,
        }
        return {name: value for name, value in attributes.items() if value}


def items_json(items: list[dict[str, JsonValue]]) -> str:
    """Return items as the JSON string that `OutcomeRecord.items` holds."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

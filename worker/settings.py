"""Defines the settings of the worker."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC
from runtime.settings import PushSettings

#: Seconds that remain of the request's time, after the page budget, to publish the outcome and, with
#: ACK_POLICY=settled, the dead-lettered or requeued job.
PUBLISH_SECONDS = 5


class WorkerSettings(PushSettings):
    """The worker's settings.

    Attributes:
        outcomes_topic: short name of the outcomes topic.
        ack_policy: `success` to acknowledge only jobs that succeeded; `settled` to also acknowledge a failed
            or deferred job, after it was published to the dead-letter topic or to the jobs topic.
        dead_letter_topic: short name of the dead-letter topic; used with `settled`.
        jobs_topic: short name of the jobs topic; used with `settled`.
        page_budget_seconds: seconds for the pages of one job, from when its push is read. They include
            robots.txt, the wait for the host's rate limit, DNS, connection, redirects, body and extraction.
        request_timeout_seconds: request timeout of the container in seconds (Cloud Run's `timeout`).
        ack_deadline_seconds: ack deadline of the subscription in seconds; it is also Pub/Sub's push timeout.
        concurrency: maximum number of pushes that this instance handles at the same time (Cloud Run's
            `concurrency`).
        web_concurrency: number of gunicorn processes in this instance.
        fetch_max_bytes: largest size of one page in bytes, as received and as decoded.
        fetch_max_redirects: maximum number of redirects followed for one page.
    """

    outcomes_topic: Annotated[str, Field(min_length=3)] = OUTCOMES_TOPIC
    ack_policy: Literal["success", "settled"] = "success"
    dead_letter_topic: Annotated[str, Field(min_length=3)] = DEAD_LETTER_TOPIC
    jobs_topic: Annotated[str, Field(min_length=3)] = JOBS_TOPIC
    page_budget_seconds: Annotated[float, Field(gt=0)] = 40
    request_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 55
    ack_deadline_seconds: Annotated[int, Field(ge=10, le=600)] = 60
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 80
    web_concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    fetch_max_bytes: Annotated[int, Field(ge=1024)] = 5 * 1024 * 1024
    fetch_max_redirects: Annotated[int, Field(ge=0, le=20)] = 5

    # These validators belong to fields, so that all faults are reported together: pydantic calls the
    # validators of the whole model only if no field has a fault.
    @field_validator("push_audience", "push_service_account")
    @classmethod
    def _authentication_is_complete(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("push_auth") == "oidc":
            raise ValueError("must be set, or set PUSH_AUTH=none if only Pub/Sub can reach the port")
        return value

    @field_validator("request_timeout_seconds")
    @classmethod
    def _page_budget_fits_into_request(cls, value: int, info: ValidationInfo) -> int:
        budget = info.data.get("page_budget_seconds", 0)
        if budget + PUBLISH_SECONDS > value:
            raise ValueError(f"must be PAGE_BUDGET_SECONDS ({budget:g}) plus at least {PUBLISH_SECONDS}")
        return value

    @field_validator("ack_deadline_seconds")
    @classmethod
    def _request_fits_into_ack_deadline(cls, value: int, info: ValidationInfo) -> int:
        timeout = info.data.get("request_timeout_seconds", 0)
        if timeout > value:
            why = "Pub/Sub would redeliver a job that still runs"
            raise ValueError(f"must not be less than REQUEST_TIMEOUT_SECONDS ({timeout}): {why}")
        return value

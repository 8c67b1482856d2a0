"""What the worker reads from its environment."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC
from runtime.settings import PushSettings

PUBLISH_SECONDS = 5  #: kept of the request's time for confirmations, the outcome's and what is settled


class WorkerSettings(PushSettings):
    """The worker's settings.

    Attributes:
        outcomes_topic: short name of the topic that takes the outcomes.
        ack_policy: `success`, where only a success is acknowledged; or `settled`, where the worker itself
            publishes a failed job to the dead-letter topic, and one that must wait to the jobs topic.
        dead_letter_topic, jobs_topic: their short names; needed for `settled`.
        page_budget_seconds: everything for one page, from the arrival of its push on: the wait for this
            worker, robots.txt, its host's turn, name, connection, redirects, body.
        request_timeout_seconds: the container's request timeout (Cloud Run's `timeout`).
        ack_deadline_seconds: the subscription's; also Pub/Sub's push timeout.
        concurrency: pushes at once in this instance (Cloud Run's `concurrency`).
        web_concurrency: gunicorn processes in this instance.
        fetch_max_bytes: of one page, as received and as decoded.
        fetch_max_redirects: followed for one page.
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

    # Checks of fields, not of the whole model: pydantic runs those only where no field has a fault.
    @field_validator("push_audience", "push_service_account")
    @classmethod
    def _authentication_is_complete(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("push_auth") == "oidc":
            raise ValueError("must be set, or PUSH_AUTH=none where nobody else reaches the port")
        return value

    @field_validator("request_timeout_seconds")
    @classmethod
    def _a_page_ends_before_its_request(cls, value: int, info: ValidationInfo) -> int:
        budget = info.data.get("page_budget_seconds", 0)
        if budget + PUBLISH_SECONDS > value:
            raise ValueError(f"must be at least {PUBLISH_SECONDS} above PAGE_BUDGET_SECONDS ({budget:g})")
        return value

    @field_validator("ack_deadline_seconds")
    @classmethod
    def _a_request_ends_before_its_deadline(cls, value: int, info: ValidationInfo) -> int:
        timeout = info.data.get("request_timeout_seconds", 0)
        if timeout > value:
            why = "Pub/Sub would redeliver a job that runs"
            raise ValueError(f"must not be below REQUEST_TIMEOUT_SECONDS ({timeout}): {why}")
        return value

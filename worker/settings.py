"""Defines the settings of the worker."""

import os
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from contract.faults import ConfidentialFault
from contract.job import MAX_ATTEMPTS
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC
from publishing.open_publisher import check_broker
from runtime.settings import PushSettings
from worker.request_policy import RequestPolicy, parse_proxies
from worker.site_secrets import SiteSecrets

#: Seconds that remain of the request's time, after waiting and the page, for publishing: half of them for the
#: outcome, the other half for the dead letter, the requeued job or the job of the next page.
PUBLISH_SECONDS = 5


class WorkerSettings(PushSettings):
    """The worker's settings.

    Attributes:
        outcomes_topic: short name of the outcomes topic.
        ack_policy: `success` to acknowledge only jobs that succeeded; `settled` to also acknowledge a job
            that was published to the dead-letter topic, or to the jobs topic again.
        dead_letter_topic: short name of the dead-letter topic; used with `settled`.
        jobs_topic: short name of the jobs topic.
        max_attempts: number of attempts after which a job is dead-lettered. With `settled` these are failed
            requests for the page; with `success` they are deliveries, which Pub/Sub counts.
        retry_minimum_backoff_seconds: with `settled`, seconds before the second attempt.
        retry_maximum_backoff_seconds: with `settled`, the longest time between two attempts in seconds.
        page_budget_seconds: seconds for one page: robots.txt, connection, redirects, body, extraction.
        wait_budget_seconds: seconds for which a job may wait in the worker during one delivery.
        queue_seconds: seconds for which a push may wait before it reaches the container.
        request_timeout_seconds: request timeout of the container in seconds (Cloud Run's `timeout`).
        ack_deadline_seconds: ack deadline of the subscription in seconds; it is also Pub/Sub's push timeout.
        concurrency: maximum number of pushes that this instance takes at the same time (Cloud Run's
            `concurrency`); most of them may be waiting.
        page_concurrency: maximum number of pages that this instance processes at the same time.
        web_concurrency: number of gunicorn processes in this instance.
        fetch_max_bytes: largest size of one page in bytes, as received and as decoded.
        fetch_max_redirects: maximum number of redirects followed for one page.
        extraction_processes: number of processes, for each gunicorn process, that extract pages: the number
            of processors divided by that of gunicorn processes, since more only compete for the processors.
            As many extract large pages, and one those that need more than a second.
        extraction_cpu_seconds: seconds of CPU time that the extraction of one page may need.
        extraction_memory_mib: memory that the extraction of one page may need, in MiB.
        fetch_secrets: the secrets that crawls may name, each with the origins to which it may be sent:
            `NAME=shop.example,*.shop.example; NAME=http://127.0.0.1:8000`. The variable SECRET_NAME has the
            value of the secret NAME.
        fetch_proxies: comma-separated proxies that crawls may name, `http://host:port`.
    """

    outcomes_topic: Annotated[str, Field(min_length=3)] = OUTCOMES_TOPIC
    ack_policy: Literal["success", "settled"] = "success"
    dead_letter_topic: Annotated[str, Field(min_length=3)] = DEAD_LETTER_TOPIC
    jobs_topic: Annotated[str, Field(min_length=3)] = JOBS_TOPIC
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] = 10
    retry_minimum_backoff_seconds: Annotated[float, Field(ge=0, le=600)] = 10
    retry_maximum_backoff_seconds: Annotated[float, Field(ge=0, le=600)] = 600
    page_budget_seconds: Annotated[float, Field(gt=0)] = 40
    wait_budget_seconds: Annotated[float, Field(ge=0)] = 520
    queue_seconds: Annotated[float, Field(ge=0, le=60)] = 30
    request_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 570
    ack_deadline_seconds: Annotated[int, Field(ge=10, le=600)] = 600
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 300
    page_concurrency: Annotated[int, Field(ge=1, le=1000)] = 80
    web_concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    fetch_max_bytes: Annotated[int, Field(ge=1024)] = 5 * 1024 * 1024
    fetch_max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    extraction_processes: Annotated[int, Field(ge=1, le=64)] = 1
    extraction_cpu_seconds: Annotated[float, Field(gt=0, le=600)] = 10
    extraction_memory_mib: Annotated[int, Field(ge=64, le=65_536)] = 256
    fetch_secrets: str = ""
    fetch_proxies: str = ""

    # These validators belong to fields, so that all faults are reported together: pydantic calls the
    # validators of the whole model only if no field has a fault.
    @field_validator("broker_url")
    @classmethod
    def _broker_can_be_used(cls, value: str) -> str:
        return check_broker(value)

    @field_validator("push_audience", "push_service_account")
    @classmethod
    def _authentication_is_complete(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("push_auth") == "oidc":
            raise ValueError("must be set, or set PUSH_AUTH=none if only Pub/Sub can reach the port")
        return value

    @field_validator("fetch_secrets")
    @classmethod
    def _secrets_are_set(cls, value: str) -> str:
        SiteSecrets.read(value, os.environ)
        return value

    @field_validator("fetch_proxies")
    @classmethod
    def _proxies_are_valid(cls, value: str) -> str:
        try:
            parse_proxies(value)
        except ValueError as error:
            raise ConfidentialFault(str(error)) from None
        return value

    @field_validator("retry_maximum_backoff_seconds")
    @classmethod
    def _backoff_does_not_shrink(cls, value: float, info: ValidationInfo) -> float:
        minimum = info.data.get("retry_minimum_backoff_seconds", 0)
        if value < minimum:
            raise ValueError(f"must not be less than RETRY_MINIMUM_BACKOFF_SECONDS ({minimum:g})")
        return value

    @field_validator("request_timeout_seconds")
    @classmethod
    def _budgets_fit_into_request(cls, value: int, info: ValidationInfo) -> int:
        wait = info.data.get("wait_budget_seconds", 0)
        page = info.data.get("page_budget_seconds", 0)
        if wait + page + PUBLISH_SECONDS > value:
            budgets = f"WAIT_BUDGET_SECONDS ({wait:g}) plus PAGE_BUDGET_SECONDS ({page:g})"
            raise ValueError(f"must be at least {budgets} plus {PUBLISH_SECONDS}")
        return value

    @field_validator("ack_deadline_seconds")
    @classmethod
    def _request_fits_into_ack_deadline(cls, value: int, info: ValidationInfo) -> int:
        timeout = info.data.get("request_timeout_seconds", 0)
        queue = info.data.get("queue_seconds", 0)
        if timeout + queue > value:
            limit = f"REQUEST_TIMEOUT_SECONDS ({timeout}) plus QUEUE_SECONDS ({queue:g})"
            why = "Pub/Sub would redeliver a job that still runs"
            raise ValueError(f"must be at least {limit}: {why}")
        return value

    def request_policy(self) -> RequestPolicy:
        """Return what jobs may send besides a plain GET, with the values of their secrets."""
        secrets = SiteSecrets.read(self.fetch_secrets, os.environ)
        return RequestPolicy(secrets, parse_proxies(self.fetch_proxies))

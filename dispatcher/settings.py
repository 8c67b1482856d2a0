"""Defines the settings of the dispatcher."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from contract.topology import JOBS_TOPIC
from publishing.open_publisher import check_broker
from runtime.settings import PushSettings

#: Threads that never receive bodies, so that slow bodies cannot occupy all: /healthz always has a thread.
RESERVED_THREADS = 4


class DispatcherSettings(PushSettings):
    """The dispatcher's settings. The push settings are needed only for replays by push, and for shards.

    Attributes:
        jobs_topic: short name of the jobs topic.
        dispatch_topic: short name of the topic to which the dispatcher publishes the rest of a dispatch that
            does not fit into one request, and which is pushed to its `/shards`; `""` if one request must do.
        shard_urls: number of URLs that one request reads, if another can continue.
        shard_seconds: seconds after which a request stops reading, if another can continue. Pub/Sub waits for
            at most 600 s, and the last jobs must be confirmed within them.
        publish_timeout_seconds: seconds that a request waits for all its publish confirmations. It is longer
            than `shard_seconds`: a request that publishes slowly ends with a shard, and not with a failure.
        sitemap_budget_seconds: seconds for reading all sitemaps of a crawl, those that they list, and its
            file of URLs, with the pauses between requests.
        threads: number of threads of the process. A dispatch occupies one until it responds.
        sitemap_max_bytes: largest size of one sitemap in bytes, after decompression (sitemaps.org: 50 MB).
        urls_file_max_bytes: largest size of a file with URLs in bytes, as received and after decompression.
        storage_emulator_host: address `http://host:port` of an emulator of Cloud Storage; `""` for the real
            one.
    """

    jobs_topic: Annotated[str, Field(min_length=3)] = JOBS_TOPIC
    dispatch_topic: str = ""
    shard_urls: Annotated[int, Field(ge=1)] = 200_000
    shard_seconds: Annotated[float, Field(gt=0, le=500)] = 120
    publish_timeout_seconds: Annotated[float, Field(gt=0, le=1800, validate_default=True)] = 180
    sitemap_budget_seconds: Annotated[float, Field(gt=0, le=1800)] = 60
    threads: Annotated[int, Field(ge=2 * RESERVED_THREADS, le=1000)] = 64
    sitemap_max_bytes: Annotated[int, Field(ge=1024)] = 50 * 1024 * 1024
    urls_file_max_bytes: Annotated[int, Field(ge=1024)] = 512 * 1024 * 1024
    storage_emulator_host: Annotated[str, Field(pattern=r"^(https?://[^/\s]+)?$")] = ""

    # These validators belong to fields, so that all faults are reported together: pydantic calls the
    # validators of the whole model only if no field has a fault.
    @field_validator("broker_url")
    @classmethod
    def _broker_can_be_used(cls, value: str) -> str:
        return check_broker(value)

    @field_validator("push_service_account")
    @classmethod
    def _authentication_is_complete_or_absent(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("push_auth") == "oidc" and bool(value) != bool(info.data.get("push_audience")):
            raise ValueError("PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT must both be set or both be unset")
        return value

    @field_validator("dispatch_topic")
    @classmethod
    def _shards_can_be_pushed(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("push_auth") == "oidc" and not info.data.get("push_audience"):
            raise ValueError("DISPATCH_TOPIC needs PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT, or PUSH_AUTH=none")
        return value

    @field_validator("publish_timeout_seconds")
    @classmethod
    def _slow_publishing_ends_with_a_shard(cls, value: float, info: ValidationInfo) -> float:
        if info.data.get("dispatch_topic") and value <= info.data.get("shard_seconds", 0):
            raise ValueError("must be greater than SHARD_SECONDS, since DISPATCH_TOPIC is set")
        return value

    @property
    def takes_pushes(self) -> bool:
        """Whether pushes are taken: PUSH_AUTH is `none`, or the push settings are complete."""
        return self.push_auth == "none" or bool(self.push_audience)

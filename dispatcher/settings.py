"""What the dispatcher reads from its environment."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from contract.topology import JOBS_TOPIC
from runtime.settings import PushSettings


class DispatcherSettings(PushSettings):
    """The dispatcher's settings. Those of a push are for replays, and may be left out.

    Attributes:
        jobs_topic: short name of the topic that takes the jobs.
        politeness: `instance`, where each worker process spares a host by itself; or `ordered`, where jobs
            carry ordering keys, so that all workers together do. It needs a subscription with message
            ordering, and workers with ACK_POLICY=settled.
        publish_timeout_seconds: how long a dispatch waits for all its confirmations.
        sitemap_budget_seconds: how long reading a sitemap and its children may take.
        sitemap_max_bytes: size of one sitemap, unpacked (sitemaps.org allows 50 MB).
    """

    jobs_topic: Annotated[str, Field(min_length=3)] = JOBS_TOPIC
    politeness: Literal["instance", "ordered"] = "instance"
    publish_timeout_seconds: Annotated[float, Field(gt=0, le=1800)] = 120
    sitemap_budget_seconds: Annotated[float, Field(gt=0, le=1800)] = 60
    sitemap_max_bytes: Annotated[int, Field(ge=1024)] = 50 * 1024 * 1024

    # A check of a field, not of the whole model: pydantic runs that only where no field has a fault.
    @field_validator("push_service_account")
    @classmethod
    def _authentication_is_complete_or_absent(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("push_auth") == "oidc" and bool(value) != bool(info.data.get("push_audience")):
            raise ValueError("PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT are set both, or neither")
        return value

    @property
    def takes_replays(self) -> bool:
        """Whether `POST /replay` knows whom to hear."""
        return self.push_auth == "none" or bool(self.push_audience)

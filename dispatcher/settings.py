"""What the dispatcher reads from its environment."""

from typing import Annotated, Literal

from pydantic import Field

from contract.topology import JOBS_TOPIC
from service.settings import ServiceSettings


class Settings(ServiceSettings):
    """The dispatcher's settings.

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

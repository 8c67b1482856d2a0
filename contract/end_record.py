"""Defines the end record: the last message of a dispatch. Pure.

The dispatcher publishes it after Pub/Sub has confirmed all jobs of the dispatch, and the ledger keeps it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.crawl import Limits
from contract.dispatch_report import DispatchReport


class EndRecord(BaseModel):
    """The end of a dispatch.

    Attributes:
        version: 1.
        run_id: the run.
        crawl: the name of the crawl.
        dispatch_id: see `contract.dispatch_report.dispatch_id`.
        requests: number of requests of the dispatch.
        report: what became of its URLs.
        limits: limits of the run, which are kept while a command watches it.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    run_id: str
    crawl: str
    dispatch_id: str
    requests: Annotated[int, Field(ge=1)]
    report: DispatchReport
    limits: Limits = Limits()

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON, of less than 1 MB."""
        return self.model_dump_json().encode()

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes; `traceparent` is missing if it is empty."""
        names = {"run_id": self.run_id, "crawl": self.crawl, "dispatch_id": self.dispatch_id}
        names |= {"dispatch": "complete", "requests": str(self.requests)}
        return names | ({"traceparent": traceparent} if traceparent else {})

"""The environment, read once at the edge; every fault is reported at once, and none is survived."""

from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.faults import faults_of


class BadSettings(Exception):
    """The environment does not describe a service that can run; the message names every fault."""


class ServiceSettings(BaseSettings):
    """What every service reads. A field's name in capitals is its environment variable.

    Attributes:
        google_cloud_project: the project that holds the topics.
        pubsub_emulator_host: host:port of a local Pub/Sub; google-cloud-pubsub reads it too.
        port: where to listen (Cloud Run sets it).
        k_service, k_revision: set by Cloud Run; they switch logs to Cloud Logging's JSON.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    google_cloud_project: Annotated[str, Field(min_length=1)]
    pubsub_emulator_host: str = ""
    host: str = "0.0.0.0"  # noqa: S104 - Cloud Run's container contract
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    k_service: str = ""
    k_revision: str = "local"


AnySettings = TypeVar("AnySettings", bound=ServiceSettings)


def load(settings: type[AnySettings]) -> AnySettings:
    """Read the environment.

    Raises:
        BadSettings: with every fault, as in `PUSH_AUDIENCE: missing; PORT: … (got '80x')`.
    """
    try:
        return settings()
    except ValidationError as wrong:
        faults = [
            f"{fault.path.upper()}: {fault.why}" if fault.path else fault.why for fault in faults_of(wrong)
        ]
        raise BadSettings("; ".join(faults)) from None


def load_or_exit(settings: type[AnySettings]) -> AnySettings:
    """Read the environment, or end the process with one sentence on standard error and status 1."""
    try:
        return load(settings)
    except BadSettings as wrong:
        raise SystemExit(f"{settings.__module__.split('.')[0]} does not start. {wrong}") from None

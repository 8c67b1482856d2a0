"""The environment, read once at the edge; every fault is reported at once, and none is survived."""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AnyHttpUrl, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.faults import validation_faults
from guarded_http.addresses import parse_networks
from runtime import log

_PRODUCT = re.compile(r"[A-Za-z_-]+")  # RFC 9309 section 2.2.1
_CONTACT = re.compile(r"https?://[\w-]+\.[\w.-]+|[\w.+-]+@[\w-]+\.[\w.-]+")
# Where Google publishes the certificates of its OIDC tokens, in the {kid: PEM} form.
GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"


class BadSettings(Exception):
    """The environment does not describe a service that can run; the message names every fault."""


class ServiceSettings(BaseSettings):
    """What every service reads. A field's name in capitals is its environment variable.

    Attributes:
        google_cloud_project: the project that holds the topics.
        pubsub_emulator_host: host:port of a local Pub/Sub; google-cloud-pubsub reads it too.
        port: where to listen (Cloud Run sets it).
        k_service, k_revision: set by Cloud Run; they switch logs to Cloud Logging's JSON.
        user_agent: what sites see. On Cloud Run it must hold a URL or an email address of yours.
        fetch_allow_networks: comma-separated CIDRs that may be fetched from although they are not public.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    google_cloud_project: Annotated[str, Field(min_length=1)]
    pubsub_emulator_host: str = ""
    host: str = "0.0.0.0"  # noqa: S104 - Cloud Run's container contract
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    k_service: str = ""
    k_revision: str = "local"
    user_agent: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[!-~][ -~]*$")] = "scrapeq/0.1"
    fetch_allow_networks: str = ""

    # Checks of fields, not of the whole model: pydantic runs those only where no field has a fault.
    @field_validator("user_agent")
    @classmethod
    def _sites_can_reach_us(cls, value: str, info: ValidationInfo) -> str:
        if not _PRODUCT.match(value):
            raise ValueError("must begin with a product's name, as scrapeq/0.1: robots.txt calls us by it")
        if info.data.get("k_service") and not _CONTACT.search(value):
            raise ValueError("must hold a URL or an email address by which the sites' owners reach you")
        return value

    @field_validator("fetch_allow_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        parse_networks(value)
        return value


class PushSettings(ServiceSettings):
    """What a service reads that takes pushes.

    Attributes:
        push_auth: `oidc`, or `none` where whoever reaches the port may push.
        push_audience: the `aud` that the subscription's tokens carry.
        push_service_account: the account that the subscription's tokens are of.
        push_certs_url: certificates of the tokens' issuer, `{kid: PEM}`.
    """

    push_auth: Literal["oidc", "none"] = "oidc"
    push_audience: str = ""
    push_service_account: str = ""
    push_certs_url: AnyHttpUrl = AnyHttpUrl(GOOGLE_CERTS_URL)


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
            f"{fault.path.upper()}: {fault.message}" if fault.path else fault.message
            for fault in validation_faults(wrong)
        ]
        raise BadSettings("; ".join(faults)) from None


def load_or_exit(settings: type[AnySettings]) -> AnySettings:
    """Read the environment, or end the process with one sentence on standard error and status 1."""
    try:
        return load(settings)
    except BadSettings as wrong:
        raise SystemExit(f"{settings.__module__.split('.')[0]} does not start. {wrong}") from None


def log_allowed_networks(settings: ServiceSettings) -> None:
    """Log a warning if the operator allows fetches to networks that are not public."""
    if settings.fetch_allow_networks:
        fields: dict[str, object] = {"FETCH_ALLOW_NETWORKS": settings.fetch_allow_networks}
        log.event(log.WARNING, "private_networks_allowed", fields)

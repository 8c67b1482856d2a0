"""Reads a service's settings from environment variables, once at its start.

All faults are reported together, and end the process.
"""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AnyHttpUrl, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.broker_url import broker_address
from contract.faults import validation_faults
from guarded_http.addresses import parse_networks, parse_ports
from guarded_http.dns_servers import parse_servers
from runtime import log
from runtime.egress import PUBSUB, Egress, parse_addresses

_PRODUCT = re.compile(r"[A-Za-z_-]+")  # RFC 9309 section 2.2.1
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*|\*", re.ASCII)
_CONTACT = re.compile(r"https?://[\w-]+\.[\w.-]+|[\w.+-]+@[\w-]+\.[\w.-]+")
#: URL of the certificates of Google's OIDC tokens, a JSON object `{kid: PEM}`.
GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"


class BadSettings(Exception):
    """The service cannot run with this environment; the message names every fault."""


class ServiceSettings(BaseSettings):
    """The settings of every service. A field's name in capitals is its environment variable.

    Attributes:
        broker_url: URL of the broker that carries the messages instead of Pub/Sub; it may contain a password.
        google_cloud_project: the project of the topics; required on Pub/Sub.
        pubsub_emulator_host: host:port of a local Pub/Sub; google-cloud-pubsub also reads this variable.
        host: the address to listen on.
        port: the port to listen on. Cloud Run sets it.
        allowed_hosts: comma-separated host names by which the service may be addressed, in addition to
            `localhost` and addresses; `*` allows every name. Empty on Cloud Run: every name, because Cloud
            Run forwards only requests for the service's own names.
        k_service: the name of the Cloud Run service. Cloud Run sets it; logs are then written as JSON.
        k_revision: the name of the Cloud Run revision. Cloud Run sets it.
        user_agent: the `User-Agent` of requests to sites. On Cloud Run it must contain a URL or an email
            address by which the owners of the sites can reach you.
        fetch_allow_networks: comma-separated CIDRs that may be fetched from although they are not public.
        fetch_refuse_ports: comma-separated ports that are never fetched from at addresses that are not
            public.
        dns_servers: comma-separated DNS servers that look up the hosts of URLs, each an IP address with or
            without a port; empty for those of /etc/resolv.conf.
        startup_hosts: comma-separated `host:port` outside of Google's network. The start-up check `/startup`
            succeeds once Pub/Sub and one of them were reached; empty if it need not wait.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    broker_url: Annotated[str, Field(repr=False)] = ""
    google_cloud_project: Annotated[str, Field(validate_default=True)] = ""
    pubsub_emulator_host: str = ""
    host: str = "0.0.0.0"  # noqa: S104 - Cloud Run requires that a service listens on all addresses
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    allowed_hosts: str = ""
    k_service: str = ""
    k_revision: str = "local"
    user_agent: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[!-~][ -~]*$")] = "scrapeq/0.1"
    fetch_allow_networks: str = ""
    fetch_refuse_ports: str = ""
    dns_servers: str = ""
    startup_hosts: str = ""

    # These validators belong to fields, so that all faults are reported together: pydantic calls the
    # validators of the whole model only if no field has a fault.
    @field_validator("broker_url")
    @classmethod
    def _broker_is_known(cls, value: str) -> str:
        if value:
            broker_address(value)
        return value

    @field_validator("google_cloud_project")
    @classmethod
    def _pubsub_needs_a_project(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("broker_url") == "":  # it is missing if it has a fault of its own
            raise PydanticCustomError("missing", "missing")
        return value

    @field_validator("user_agent")
    @classmethod
    def _user_agent_has_product_and_contact(cls, value: str, info: ValidationInfo) -> str:
        if not _PRODUCT.match(value):
            raise ValueError(
                "must begin with a product name, for example scrapeq/0.1, which robots.txt rules can name"
            )
        if info.data.get("k_service") and not _CONTACT.search(value):
            raise ValueError(
                "must contain a URL or an email address by which the owners of the sites can reach you"
            )
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names_are_valid(cls, value: str) -> str:
        for name in filter(None, map(str.strip, value.split(","))):
            if not _HOST_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a host name: write it without scheme and port, or *")
        return value

    @field_validator("fetch_allow_networks")
    @classmethod
    def _networks_are_valid(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("fetch_refuse_ports")
    @classmethod
    def _ports_are_valid(cls, value: str) -> str:
        parse_ports(value)
        return value

    @field_validator("dns_servers")
    @classmethod
    def _dns_servers_are_valid(cls, value: str) -> str:
        parse_servers(value)
        return value

    @field_validator("startup_hosts")
    @classmethod
    def _startup_hosts_are_valid(cls, value: str) -> str:
        parse_addresses(value)
        return value

    def egress(self) -> Egress:
        """Return what finds out whether connections can leave this service."""
        broker = str(broker_address(self.broker_url)) if self.broker_url else ""
        return Egress(broker or self.pubsub_emulator_host or PUBSUB, parse_addresses(self.startup_hosts))

    @property
    def allowed_host_names(self) -> frozenset[str]:
        """The names of `allowed_hosts` in lower case; `*` if every name is allowed."""
        names = frozenset(filter(None, map(str.strip, self.allowed_hosts.lower().split(","))))
        return names or frozenset({"*"} if self.k_service else ())


class PushSettings(ServiceSettings):
    """The settings of a service that takes pushes.

    Attributes:
        push_auth: `oidc` to check each push's token; `none` to accept every push that reaches the port.
        push_audience: the audience (`aud`) of the subscription's tokens.
        push_service_account: the email address of the subscription's service account.
        push_certs_url: URL of the certificates of the tokens' issuer, a JSON object `{kid: PEM}`.
    """

    push_auth: Literal["oidc", "none"] = "oidc"
    push_audience: str = ""
    push_service_account: str = ""
    push_certs_url: AnyHttpUrl = AnyHttpUrl(GOOGLE_CERTS_URL)


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load(settings: type[SettingsT]) -> SettingsT:
    """Read the environment into `settings`.

    Raises:
        BadSettings: if any variable is missing or invalid. The message names every fault, for example
            `PUSH_AUDIENCE: missing; PORT: … (got '80x')`.
    """
    try:
        return settings()
    except ValidationError as error:
        faults = [
            f"{fault.path.upper()}: {fault.message}" if fault.path else fault.message
            for fault in validation_faults(error)
        ]
        raise BadSettings("; ".join(faults)) from None


def load_or_exit(settings: type[SettingsT]) -> SettingsT:
    """Read the environment into `settings`, or exit with the faults on standard error and status 1."""
    try:
        return load(settings)
    except BadSettings as error:
        raise SystemExit(f"{settings.__module__.split('.')[0]} does not start. {error}") from None


def log_allowed_networks(settings: ServiceSettings) -> None:
    """Log a warning if the operator allows fetches to networks that are not public."""
    if settings.fetch_allow_networks:
        fields: dict[str, object] = {"FETCH_ALLOW_NETWORKS": settings.fetch_allow_networks}
        log.event(log.WARNING, "private_networks_allowed", fields)

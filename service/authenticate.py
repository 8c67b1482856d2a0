"""Who pushes: an OIDC token of the push account, or nobody is heard."""

from typing import Protocol

from contract.outcome import Reason
from service import log
from service.settings import PushSettings


class NotHeard(Exception):
    """A push that is not answered for what it asks.

    Attributes:
        reason: `no_token`, `bad_token`, `wrong_caller` or `no_certificates`.
        detail: for people.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class Authenticate(Protocol):
    """Decides on one push."""

    def __call__(self, authorization: str) -> None:
        """Return for the push account's `Authorization` header.

        Raises:
            NotHeard: with the reason.
        """


def anyone(authorization: str) -> None:
    """Let every push in (`PUSH_AUTH=none`)."""
    del authorization


def authentication(settings: PushSettings) -> Authenticate:
    """Return what decides on pushes to a service with these settings."""
    if settings.push_auth == "none":
        log.event(log.WARNING, "pushes are not authenticated", {"PUSH_AUTH": "none"})
        return anyone
    import cachecontrol  # noqa: PLC0415 - not needed where anyone may push
    import requests  # noqa: PLC0415 - idem
    from google.auth.transport.requests import Request  # noqa: PLC0415 - idem

    from service.oidc import OidcCheck  # noqa: PLC0415 - idem

    # google-auth fetches the certificates for every token: let HTTP's own rules cache them.
    session = cachecontrol.CacheControl(requests.Session())
    return OidcCheck(
        audience=settings.push_audience,
        service_account=settings.push_service_account,
        certs_url=str(settings.push_certs_url),
        transport=Request(session=session),
    )

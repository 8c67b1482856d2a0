"""Who pushes: an OIDC token of the push account, or nobody is heard."""

from typing import Protocol

from contract.attempt import AttemptFailed
from runtime import log
from runtime.settings import PushSettings


class AuthenticationError(AttemptFailed):
    """The push is rejected: `no_token`, `bad_token`, `wrong_caller` or `no_certificates`."""


class Authenticate(Protocol):
    """Decides on one push."""

    def __call__(self, authorization: str) -> None:
        """Return for the push account's `Authorization` header.

        Raises:
            AuthenticationError: with the reason.
        """


def anyone(authorization: str) -> None:
    """Let every push in (`PUSH_AUTH=none`)."""
    del authorization


def authentication(settings: PushSettings) -> Authenticate:
    """Return what decides on pushes to a service with these settings."""
    if settings.push_auth == "none":
        log.event(log.WARNING, "push_authentication_disabled", {"PUSH_AUTH": "none"})
        return anyone
    import cachecontrol  # noqa: PLC0415 - not needed where anyone may push
    import requests  # noqa: PLC0415 - idem
    from google.auth.transport.requests import Request  # noqa: PLC0415 - idem

    from push_endpoint.oidc import OidcCheck  # noqa: PLC0415 - idem

    # google-auth fetches the certificates for every token: let HTTP's own rules cache them.
    session = cachecontrol.CacheControl(requests.Session())
    return OidcCheck(
        audience=settings.push_audience,
        service_account=settings.push_service_account,
        certs_url=str(settings.push_certs_url),
        transport=Request(session=session),
    )

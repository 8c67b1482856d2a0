"""Checks that a push has an OIDC token of the push subscription's service account."""

from typing import Protocol

from runtime import log
from runtime.settings import PushSettings


class Authenticate(Protocol):
    """Checks the token of one push."""

    def __call__(self, authorization: str) -> None:
        """Return normally if the token belongs to the push subscription's service account.

        Args:
            authorization: the request's `Authorization` header; `""` if missing.

        Raises:
            AuthenticationError: with the reason why the push is rejected.
        """


def accept_any_caller(authorization: str) -> None:
    """Accept every push (`PUSH_AUTH=none`)."""
    del authorization


def make_authenticator(settings: PushSettings) -> Authenticate:
    """Return the authenticator of a service with these settings."""
    if settings.push_auth == "none":
        log.event(log.WARNING, "push_authentication_disabled", {"PUSH_AUTH": "none"})
        return accept_any_caller
    # These imports slow down a cold start, and PUSH_AUTH=none does not need them.
    import cachecontrol  # noqa: PLC0415 - only needed to check tokens
    import requests  # noqa: PLC0415 - only needed to check tokens
    from google.auth.transport.requests import Request  # noqa: PLC0415 - only needed to check tokens

    from push_endpoint.oidc import OidcAuthenticator  # noqa: PLC0415 - only needed to check tokens

    # google-auth fetches the certificates for every token, so the session caches them as HTTP allows.
    session = cachecontrol.CacheControl(requests.Session())
    return OidcAuthenticator(
        audience=settings.push_audience,
        service_account=settings.push_service_account,
        certs_url=str(settings.push_certs_url),
        transport=Request(session=session),
    )

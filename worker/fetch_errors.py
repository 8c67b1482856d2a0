"""Translates the errors of the HTTP client into the reasons of outcomes."""

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from guarded_http.errors import FetchError, FetchErrorKind

REASONS = {
    FetchErrorKind.DNS: Reason.DNS,
    FetchErrorKind.CONNECT: Reason.CONNECT,
    FetchErrorKind.TLS: Reason.TLS,
    FetchErrorKind.TIMEOUT: Reason.TIMEOUT,
    FetchErrorKind.INCOMPLETE_BODY: Reason.INCOMPLETE_BODY,
    FetchErrorKind.CORRUPT_BODY: Reason.CORRUPT_BODY,
    FetchErrorKind.TOO_LARGE: Reason.TOO_LARGE,
    FetchErrorKind.DECOMPRESSION_BOMB: Reason.DECOMPRESSION_BOMB,
    FetchErrorKind.UNSUPPORTED_ENCODING: Reason.CONTENT_TYPE,
    FetchErrorKind.REFUSED_ADDRESS: Reason.REFUSED_ADDRESS,
    FetchErrorKind.TOO_MANY_REDIRECTS: Reason.TOO_MANY_REDIRECTS,
    FetchErrorKind.INVALID_REDIRECT: Reason.BAD_URL,
}
if REASONS.keys() != set(FetchErrorKind):
    raise AssertionError("every kind of fetch error needs a reason")


# Kinds of errors that depend on a setting, each with the setting that an operator may change.
_SETTINGS = {
    FetchErrorKind.TOO_LARGE: "FETCH_MAX_BYTES",
    FetchErrorKind.REFUSED_ADDRESS: "FETCH_ALLOW_NETWORKS allows further networks to jobs with a URL there",
}


def attempt_failed(error: FetchError) -> AttemptFailed:
    """Return the exception that ends an attempt whose page could not be fetched."""
    setting = _SETTINGS.get(error.kind)
    detail = f"{error.detail} ({setting})" if setting else error.detail
    return AttemptFailed(REASONS[error.kind], detail, http_status=error.status, final_url=error.url)

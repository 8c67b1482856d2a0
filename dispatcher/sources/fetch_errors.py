"""Translates what went wrong with a request into an error of its source: may repeating it help, or not?"""

from collections.abc import Iterator
from contextlib import contextmanager

from dispatcher.sources.source import SourceUnavailable, SourceUnreadable
from guarded_http.errors import FetchError, FetchErrorKind

#: For each kind of error, whether repeating the request may help. If so, `SourceUnavailable` is raised, else
#: `SourceUnreadable`.
IS_TEMPORARY = {
    FetchErrorKind.DNS: True,
    FetchErrorKind.CONNECT: True,
    FetchErrorKind.TLS: True,
    FetchErrorKind.TIMEOUT: True,
    FetchErrorKind.INCOMPLETE_BODY: True,
    FetchErrorKind.CORRUPT_BODY: True,
    FetchErrorKind.TOO_LARGE: False,
    FetchErrorKind.DECOMPRESSION_BOMB: False,
    FetchErrorKind.UNSUPPORTED_ENCODING: False,
    FetchErrorKind.REFUSED_ADDRESS: False,
    FetchErrorKind.TOO_MANY_REDIRECTS: False,
    FetchErrorKind.INVALID_REDIRECT: False,
}
if IS_TEMPORARY.keys() != set(FetchErrorKind):
    raise AssertionError("every kind of fetch error needs an entry")


@contextmanager
def source_errors() -> Iterator[None]:
    """Translate the errors of the HTTP client.

    Raises:
        SourceUnavailable: if repeating the request may help.
        SourceUnreadable: if it would not.
    """
    try:
        yield
    except FetchError as error:
        setting = (
            " (FETCH_ALLOW_NETWORKS allows further networks)"
            if error.kind is FetchErrorKind.REFUSED_ADDRESS
            else ""
        )
        detail = f"{error.kind}, {error}{setting}"
        if IS_TEMPORARY[error.kind]:
            raise SourceUnavailable(detail) from None
        raise SourceUnreadable(detail) from None


def check_status(status: int) -> None:
    """Check that a site answered 200.

    Raises:
        SourceUnavailable: for 408, 425, 429 and 5xx.
        SourceUnreadable: for any other status.
    """
    if status in {408, 425, 429} or status >= 500:
        raise SourceUnavailable(f"the site answered {status}")
    if status != 200:
        raise SourceUnreadable(f"the site answered {status}")

"""Returns the reason why an authenticator rejects a push."""

from contract.outcome import Reason
from push_endpoint.authentication import Authenticate
from push_endpoint.errors import AuthenticationError


def reason_of(authenticate: Authenticate, authorization: str) -> Reason:
    """Return the reason why the header is rejected; `ok` if it is accepted."""
    try:
        authenticate(authorization)
    except AuthenticationError as error:
        return error.reason
    return Reason.OK

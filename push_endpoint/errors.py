"""Defines the error of a push whose sender is not authenticated."""

from contract.attempt import AttemptFailed


class AuthenticationError(AttemptFailed):
    """The push is rejected: `no_token`, `bad_token`, `wrong_caller` or `no_certificates`."""

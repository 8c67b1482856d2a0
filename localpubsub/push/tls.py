"""Loads the CA certificates that verify https:// push endpoints."""

import ssl
from pathlib import Path

from localpubsub.errors import CannotStart


class TlsContext:
    """The TLS settings of connections to https:// push endpoints.

    Trusts the certificate authorities of this machine and those of ``ca_file``. Raises CannotStart if
    ``ca_file`` cannot be read or contains no certificate.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._context: ssl.SSLContext | None = None
        if ca_file is not None:
            try:
                self.ssl_context().load_verify_locations(ca_file)
            except OSError as error:  # ssl.SSLError is a subclass of OSError.
                raise CannotStart(
                    f"cannot read certificates from {ca_file}: {error}. --ca-file takes a PEM file."
                ) from error

    def ssl_context(self) -> ssl.SSLContext:
        """Return the context, which is created on first use because its creation takes 20 ms."""
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

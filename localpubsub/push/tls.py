"""Whom the server believes when it pushes to an https:// endpoint."""

import ssl
from pathlib import Path

from localpubsub.errors import CannotStart


class TlsContext:
    """The certificate authorities of this machine, and those of a file. CannotStart if it holds none."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self._context: ssl.SSLContext | None = None
        if ca_file is not None:
            try:
                self.context().load_verify_locations(ca_file)
            except OSError as error:  # ssl.SSLError is one
                raise CannotStart(
                    f"cannot read certificates from {ca_file}: {error}. --ca-file takes a PEM file."
                ) from error

    def context(self) -> ssl.SSLContext:
        """For connections to https:// endpoints; made at the first need, for it takes 20 ms."""
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

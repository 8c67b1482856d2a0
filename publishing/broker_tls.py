"""Trusts the certificates of brokers, and says in a sentence why TLS with one failed."""

import ssl
from collections.abc import Mapping

from contract.faults import ConfidentialFault

#: OpenSSL's codes for a certificate of another host name or address (X509_V_ERR_HOSTNAME_MISMATCH and
#: X509_V_ERR_IP_ADDRESS_MISMATCH): https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
OTHER_HOST = {62, 64}


def tls_context(files: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts the authorities of `cacertfile`, or those of this machine.

    OpenSSL finds the latter by SSL_CERT_FILE and SSL_CERT_DIR.

    Args:
        files: paths of PEM files, each of which may be missing: `cacertfile`, `certfile`, `keyfile`.

    Raises:
        ConfidentialFault: if a file cannot be used. The message can follow the word BROKER_URL.
    """
    try:
        context = ssl.create_default_context(cafile=files.get("cacertfile"))
    except OSError as error:  # ssl.SSLError is one
        raise _unusable("cacertfile", files, error) from None
    if "certfile" in files:
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(files["certfile"], files.get("keyfile"), password="")
        except OSError as error:
            raise _unusable("certfile or keyfile", files, error) from None
    return context


def _unusable(names: str, files: Mapping[str, str], error: OSError) -> ConfidentialFault:
    paths = " and ".join(files[name] for name in names.split(" or ") if name in files)
    why = str(error) if isinstance(error, ssl.SSLError) else error.strerror
    return ConfidentialFault(f"names {paths} as {names}, which cannot be used as PEM: {why}")


def describe_tls_failure(error: ssl.SSLError) -> str:
    """Return why TLS with a broker failed, and how to mend it; `ADDRESS: ` may precede the text."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {error}"
    why = f"its certificate is not trusted: {error.verify_message}"
    if error.verify_code in OTHER_HOST:
        return f"{why}; the host of BROKER_URL must be a name in the certificate"
    return (
        f"{why}; name the file of its certificate authority at the end of BROKER_URL"
        " (?cacertfile=/path/ca.pem), or in SSL_CERT_FILE"
    )

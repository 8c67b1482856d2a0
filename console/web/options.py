"""Defines what the operator's page is started with."""

import os
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from console.errors import StackNotRunningError, UsageError
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import SCHEME, VARIABLE, open_ledger
from console.stack.pubsub_address import PubsubAddress, address_of
from console.stack.stack_file import running_stack

#: https://cloud.google.com/iap/docs/signed-headers-howto#verifying_the_jwt_header
IAP_KEYS_URL: Final = "https://www.gstatic.com/iap/verify/public_key"


class Behind(StrEnum):
    """What checks each request before it reaches the page, so that the page needs no token of its own.

    IAP: Google's Identity-Aware Proxy. Its signed assertion names the user, and is verified, so a request
    that has bypassed the proxy is refused.

    IAM: Cloud Run, which serves only accounts with the role roles/run.invoker. It removes the signature of
    the caller's token, so the page cannot verify who the caller is, and is therefore read-only.
    """

    NOTHING = "nothing"
    IAP = "iap"
    IAM = "iam"


@dataclass(frozen=True)
class ConsoleOptions:
    """What the operator's page is started with.

    Attributes:
        data: data directory of the stack; its ledger is shown.
        host: address to listen on.
        port: port to listen on.
        read_only: whether every act is refused.
        token: what a browser must present once; `""` if none is needed.
        pubsub: `host:port` of a local Pub/Sub; None for that of the deployment that LEDGER names, or of the
            stack that runs in the data directory.
        dispatcher: URL of the dispatcher; None for that of the same stack.
        allowed_hosts: further host names by which the page may be addressed, in lower case.
        behind: what checks each request before it reaches the page.
        iap_audience: audience of the assertions of the Identity-Aware Proxy.
        iap_keys_url: URL of the keys that sign them.
        secret: signs the cookies. A new one makes all browsers sign in again.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8088
    read_only: bool = False
    token: str = ""
    pubsub: str | None = None
    dispatcher: str | None = None
    allowed_hosts: frozenset[str] = frozenset()
    behind: Behind = Behind.NOTHING
    iap_audience: str = ""
    iap_keys_url: str = IAP_KEYS_URL
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def ledger(self) -> Ledger:
        """The ledger that is shown."""
        return open_ledger(self.data)

    @property
    def renews(self) -> bool:
        """Whether the screens renew themselves; in BigQuery each query would be billed."""
        return not os.environ.get(VARIABLE, "").startswith(SCHEME)

    @property
    def address(self) -> PubsubAddress:
        """The Pub/Sub on which the page acts.

        Raises:
            ConsoleError: as `address_of`.
        """
        return address_of(self.pubsub, self.data)

    @property
    def pubsub_http_url(self) -> str:
        """URL of the running stack's localpubsub, which shows the backlog; `""` if the page shows another."""
        if not self.ledger.is_local:
            return ""
        try:
            addresses = running_stack(self.data).addresses
        except StackNotRunningError:
            return ""
        return addresses.pubsub_http_url if self.pubsub in {None, addresses.pubsub_host} else ""

    @property
    def dispatcher_url(self) -> str:
        """URL of the dispatcher.

        Raises:
            UsageError: the page is that of a deployment, whose dispatcher serves its scheduler only.
            StackNotRunningError: it was not given, and no stack runs in the data directory.
        """
        if self.dispatcher is None and not self.ledger.is_local:
            raise UsageError(
                "This page is that of a deployment, whose crawls Cloud Scheduler dispatches: run one of the "
                "commands of `terraform output dispatch_commands`."
            )
        return self.dispatcher or running_stack(self.data).addresses.dispatcher_url

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

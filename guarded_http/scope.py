"""Remembers whether the requests of one fetch may still go to allowed networks that are not public. Pure."""

from dataclasses import dataclass


@dataclass
class NetworkScope:
    """The addresses that one fetch may contact.

    A fetch may begin at an address that is not public if an operator allows its network. As soon as a
    response came from a public address, only public addresses may follow. Otherwise every public site could
    redirect the worker to the servers of an allowed network.

    Attributes:
        public_only: whether only public addresses may be contacted.
    """

    public_only: bool = False

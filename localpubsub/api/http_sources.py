"""Defines what the HTTP application serves in addition to the REST API.

This module imports no aiohttp, so that a server that is used over gRPC only does not import it either.
"""

from typing import NamedTuple

from localpubsub.api.injected_faults import InjectedFaults
from localpubsub.broker.state import ServerState
from localpubsub.clock import Clock
from localpubsub.push.tokens import Tokens


class HttpSources(NamedTuple):
    """The objects of one server whose content is served over HTTP only."""

    tokens: Tokens  #: Has the certificates of push tokens.
    state: ServerState  #: For the state page and the metrics.
    clock: Clock  #: The server's clock, which tests advance.
    faults: InjectedFaults  #: The faults that tests inject.

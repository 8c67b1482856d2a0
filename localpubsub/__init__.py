"""Provides a Google Pub/Sub server for laptops and tests.

Unmodified clients connect to it if ``PUBSUB_EMULATOR_HOST`` contains its address.

``python -m localpubsub`` runs it as a process. ``with localpubsub.running() as server:`` runs it in a thread
of the calling program.
"""

from localpubsub.background_server import RunningServer, running
from localpubsub.errors import CannotStart
from localpubsub.options import Options
from localpubsub.version import __version__

__all__ = ["CannotStart", "Options", "RunningServer", "__version__", "running"]

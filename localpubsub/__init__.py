"""A Google Pub/Sub for laptops and tests; unmodified clients reach it through ``PUBSUB_EMULATOR_HOST``.

``python -m localpubsub`` runs it as a process; ``with localpubsub.running() as server:`` runs it within a
program.
"""

from localpubsub.background_server import RunningServer, running
from localpubsub.errors import CannotStart
from localpubsub.options import Options

__all__ = ["CannotStart", "Options", "RunningServer", "running"]

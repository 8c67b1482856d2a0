"""Provides a Google Pub/Sub server for laptops and tests.

Unmodified clients connect to it if ``PUBSUB_EMULATOR_HOST`` contains its address.

``localpubsub`` runs it as a process. ``with localpubsub.running() as server:`` runs it in a thread of the
calling program. The pytest fixture ``pubsub`` runs it for tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from localpubsub.version import __version__

if TYPE_CHECKING:
    from localpubsub.background_server import RunningServer, running
    from localpubsub.errors import CannotStart
    from localpubsub.options import Options

__all__ = ["CannotStart", "Options", "RunningServer", "__version__", "running"]

#: Name → its module. It is imported when the name is first used: pytest imports the plugin in this package at
#: every start, also for tests that use no Pub/Sub.
_MODULES = {
    "CannotStart": "errors",
    "Options": "options",
    "RunningServer": "background_server",
    "running": "background_server",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names have different types
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

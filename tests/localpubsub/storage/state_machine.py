"""What the state machines of this folder share: a backlog, and a real store that restarts read."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

from localpubsub.backlog.message import MessageIds
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

if TYPE_CHECKING:
    from localpubsub.backlog.lease import Lease

SUBSCRIPTION: Final = 7  #: Number of the subscription in the store.
TOPIC: Final = 3  #: Number of its topic.

#: Settings of a state machine whose steps write to a file.
SETTINGS: Final = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class StoredBacklog(RuleBasedStateMachine):
    """The model of one subscription, whose confirmed changes are in a store."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = Store(self.directory / "test.sqlite")
        self.now = 1_800_000_000.0
        self.transaction = Transaction()
        self.ids = MessageIds()
        self.unacknowledged: set[int] = set()
        self.leases: list[Lease] = []

    def teardown(self) -> None:
        """Delete the store."""
        self.store.close()
        shutil.rmtree(self.directory)

    def commit(self) -> None:
        """Write the transaction, as the journal's thread does."""
        self.store.write(self.transaction)
        self.transaction = Transaction()

    def reopen(self) -> None:
        """Open the store again, as a restart after SIGKILL does."""
        self.store.close()
        self.store = Store(self.directory / "test.sqlite")
        self.ids = MessageIds(self.store.last_id())

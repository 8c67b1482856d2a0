"""Provides the base of this folder's state machines: a model of a subscription, and a real store."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

from localpubsub.backlog.message_ids import MessageIds
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

if TYPE_CHECKING:
    from localpubsub.backlog.lease import Lease

SUBSCRIPTION: Final = 7  #: Number of the subscription in the store.
TOPIC: Final = 3  #: Number of its topic.

#: Hypothesis settings for state machines; steps may be slow, because they write to a file.
SETTINGS: Final = settings(
    max_examples=500 if "CI" in os.environ else 40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class StoredBacklog(RuleBasedStateMachine):
    """A model of one subscription; its changes are written to a store.

    Attributes:
        store: the store.
        now: the time, in seconds since the epoch.
        transaction: the changes for the next commit.
        ids: allocates the message ids.
        unacknowledged: ids of the messages that must be in the backlog.
        leases: the current leases.
    """

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
        """Close and delete the store."""
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

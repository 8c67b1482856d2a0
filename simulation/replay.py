"""Models the operator, who replays dead letters at the end of a run with the dispatcher's Replayer."""

from typing import TYPE_CHECKING

from contract.outcome import Reason
from dispatcher.replay import Replayer
from publishing.publisher import Message
from push_endpoint.authentication import accept_any_caller
from simulation.ledger import JobHistory
from simulation.messages import TopicPublisher
from simulation.push import envelope

if TYPE_CHECKING:
    from simulation.world import World

PUBLISH_SECONDS = 10.0  #: seconds for which the dispatcher waits for a confirmation
REFUSED = 0.2  #: probability that the publish of a replayed job is refused


class Operator:
    """Replays dead letters.

    Args:
        world: the world whose dead letters are replayed.

    Attributes:
        is_busy: whether a replay is running.
    """

    def __init__(self, world: "World") -> None:
        self.is_busy = False
        self._world = world

    def start(self) -> None:
        """Replay each dead letter that exists now, once."""
        self.is_busy = True
        self._world.scheduler.spawn(self._replay_all)

    def _replay_all(self) -> None:
        world = self._world
        faults = world.topics["jobs"].faults
        before = faults.get("refused", 0.0)
        faults["refused"] = REFUSED
        publisher = TopicPublisher(world.topics["jobs"], PUBLISH_SECONDS)
        replayer = Replayer(accept_any_caller, publisher)
        for history in list(world.ledger.jobs.values()):
            for dead_letter in list(history.dead_letters):
                self._replay(replayer, history, dead_letter)
        world.scheduler.sleep(PUBLISH_SECONDS)
        faults["refused"] = before
        self.is_busy = False

    def _replay(self, replayer: Replayer, history: JobHistory, dead_letter: Message) -> None:
        replay = replayer.replay("", lambda: envelope(dead_letter, 1, 1))
        if replay.error is not None:
            raise replay.error
        if replay.reason is not Reason.OK:
            return
        history.dead_letters.remove(dead_letter)
        history.replays += 1
        self._world.checks.on_replayed(history)

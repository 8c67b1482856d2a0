"""Runs acts that take longer than a request, in threads, and keeps their progress.

Acts take turns at Pub/Sub, because an act holds all dead letters of the subscription while it works some off.
An act that waits, for example for its canary, does not have the turn, so others go on meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from console.dead_letters.canary import CanaryState
from console.errors import ConsoleError

MAX_KEPT = 20  #: number of acts that are kept
MAX_ENDED_SHOWN = 3  #: number of acts that have ended and are shown
MAX_OPEN = 20  #: number of acts that may be open at the same time
TURN_POLL_SECONDS = 0.2  #: seconds between two looks whether an act that waits for its turn is stopped
CLOSE_SECONDS = 3.0  #: seconds in which stopped acts record their end before the process exits
GIVEN_UP = "It was given up"
CLOSED = "The console was stopped"


class ActStopped(Exception):
    """An act has ended before it was done; the message says why, and what is left."""


@dataclass
class RunningAct:
    """An act that was started on the page.

    Attributes:
        act_id: id of the command, as the ledger has it.
        title: what it does, for example `replay 12 dead letters`.
        state: `queued` until its turn, `running`, `waiting` for its canary, `done`, `failed` or `stopped`.
        text: its progress, its result, or why it failed or was stopped.
        canary: how far the jobs of its canary are; None if it has none, or none is published yet.
        waits_until: when it waits no longer for its canary, UTC; None if it does not wait.
        started_at: when it was started, UTC.
    """

    act_id: str
    title: str
    state: str = "queued"
    text: str = ""
    canary: CanaryState | None = None
    waits_until: datetime | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)
    _why: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in {"queued", "running", "waiting"}

    @property
    def can_stop(self) -> bool:
        """Whether it can be given up now: while it publishes, it cannot."""
        return self.state in {"queued", "waiting"} and not self._stopped.is_set()

    @property
    def why_stopped(self) -> str:
        """Why it is to stop; `""` if nobody has said so."""
        return self._why if self._stopped.is_set() else ""

    def show(self, text: str) -> None:
        """Show its progress."""
        self.text = text

    def stop(self, why: str) -> None:
        """Let it stop at the end of its turn, or at once if it waits."""
        self._why = self._why or why
        self._stopped.set()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and keep it until the block ends.

        Raises:
            ActStopped: it was stopped before.
        """
        self.state = "queued"
        while not self._turn.acquire(timeout=TURN_POLL_SECONDS):
            if self._stopped.is_set():
                break
        else:
            try:
                if not self._stopped.is_set():
                    self.state = "running"
                    yield
                    return
            finally:
                self._turn.release()
        raise ActStopped(f"{self._why} before its turn. What was not done is still a dead letter.")

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits for a number of seconds, and returns whether to wait no longer.

        Args:
            seconds: the time limit of all waits.
        """
        end = time.monotonic() + seconds
        self.state, self.waits_until = "waiting", datetime.now(UTC) + timedelta(seconds=seconds)

        def pause(pause_seconds: float) -> bool:
            left = end - time.monotonic()
            return left <= 0 or self._stopped.wait(min(pause_seconds, left))

        try:
            yield pause
        finally:
            self.waits_until = None


Work = Callable[[RunningAct], str]


class Acts:
    """The acts that were started on this page, the newest first. Thread-safe."""

    def __init__(self) -> None:
        self._acts: list[RunningAct] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    @property
    def shown(self) -> list[RunningAct]:
        """The acts that are open, and the last ones that have ended."""
        newest = self.newest
        ended = [act for act in newest if not act.is_open]
        return [*(act for act in newest if act.is_open), *ended[:MAX_ENDED_SHOWN]]

    @property
    def newest(self) -> list[RunningAct]:
        """The acts that were started on this page, the newest first."""
        with self._lock:
            return list(self._acts)

    def find(self, act_id: str) -> RunningAct | None:
        """Return the act with an id; None if it was not started here, or is not kept any more."""
        return next((act for act in self.newest if act.act_id == act_id), None)

    def start(self, act_id: str, title: str, work: Work) -> RunningAct:
        """Start an act in a thread.

        Args:
            act_id: id of the command.
            title: what it does.
            work: does it, and returns its result. It takes its turn whenever it uses the dead letters.

        Raises:
            ConsoleError: too many acts have not ended.
        """
        running = RunningAct(act_id, title, _turn=self._turn)
        with self._lock:
            open_acts = [each for each in self._acts if each.is_open]
            if len(open_acts) >= MAX_OPEN:
                raise ConsoleError(f"{MAX_OPEN} acts have not ended yet. Give one up, or wait.")
            ended = [each for each in self._acts if not each.is_open]
            self._acts = sorted(
                [running, *open_acts, *ended[: max(0, MAX_KEPT - 1 - len(open_acts))]],
                key=lambda act: act.started_at,
                reverse=True,
            )
            thread = threading.Thread(target=self._run, args=(running, work), name="act", daemon=True)
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()
        return running

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Stop the acts that wait, and give all a few seconds to record how they have ended."""
        for act in self.newest:
            act.stop(CLOSED)
        end = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, end - time.monotonic()))

    @staticmethod
    def _run(running: RunningAct, work: Work) -> None:
        try:
            text, state = work(running), "done"
        except ActStopped as stop:
            text, state = str(stop), "stopped"
        except ConsoleError as error:
            text, state = str(error), "failed"
        except Exception as error:
            running.text = f"internal error: {type(error).__name__}: {error}"
            running.state = "failed"
            raise
        running.text = text
        running.state = state

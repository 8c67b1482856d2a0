"""Runs acts that take longer than a request, one at a time, in a thread, and keeps their progress."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from console.errors import ConsoleError
from console.web.options import ConsoleOptions

MAX_KEPT = 20  #: number of acts that are shown

Show = Callable[[str], None]


@dataclass
class RunningAct:
    """An act that was started on the page.

    Attributes:
        title: what it does, for example `replay 12 dead letters`.
        state: `running`, `done` or `failed`.
        text: its progress, its result, or why it failed.
        started_at: when it was started, UTC.
    """

    title: str
    state: str = "running"
    text: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Acts:
    """The acts that were started on this page, the newest first. Thread-safe."""

    def __init__(self, options: ConsoleOptions) -> None:
        self.options = options
        self._acts: list[RunningAct] = []
        self._lock = threading.Lock()

    @property
    def newest(self) -> list[RunningAct]:
        """The acts that were started on this page, the newest first."""
        with self._lock:
            return list(self._acts)

    def start(self, title: str, act: Callable[[Show], str]) -> bool:
        """Start an act in a thread; return False if another one is running, which must end first.

        Args:
            title: what it does.
            act: the act; it is given a function that shows its progress, and returns its result.
        """
        running = RunningAct(title)
        with self._lock:
            if any(each.state == "running" for each in self._acts):
                return False
            self._acts = [running, *self._acts[: MAX_KEPT - 1]]
        threading.Thread(target=self._run, args=(running, act), name="act", daemon=True).start()
        return True

    @staticmethod
    def _run(running: RunningAct, act: Callable[[Show], str]) -> None:
        def show(text: str) -> None:
            running.text = text

        try:
            running.text = act(show)
            running.state = "done"
        except ConsoleError as error:
            running.text, running.state = str(error), "failed"
        except Exception as error:
            running.text, running.state = f"internal error: {type(error).__name__}: {error}", "failed"
            raise

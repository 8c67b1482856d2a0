"""Limits how many bodies are received at the same time, so that threads remain for other requests."""

from threading import BoundedSemaphore


class BodySlots:
    """The slots of all requests of the process whose body has not been received yet.

    Args:
        count: maximum number of these requests.
    """

    def __init__(self, count: int) -> None:
        self._semaphore = BoundedSemaphore(count)

    def take(self) -> "BodySlot | None":
        """Return a slot; None if none is free. It does not wait, because that would occupy a thread, too."""
        return BodySlot(self._semaphore) if self._semaphore.acquire(blocking=False) else None


class BodySlot:
    """The slot of one request."""

    def __init__(self, semaphore: BoundedSemaphore) -> None:
        self._semaphore: BoundedSemaphore | None = semaphore

    def release(self) -> None:
        """Give the slot back, once the body was received or the request has ended."""
        if self._semaphore is not None:
            self._semaphore.release()
            self._semaphore = None

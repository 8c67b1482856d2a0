"""Lets calls fail on purpose, so that tests can see how their clients react."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

from localpubsub.api.rest_json import HTTP_STATUS
from localpubsub.errors import InvalidArgument, RequestRejected
from localpubsub.protocol.calls import Method, Services, StreamMethod

MAX_TIMES: Final = 1_000_000  #: Maximum number of calls that one fault concerns.
Parameters = ParamSpec("Parameters")
Response = TypeVar("Response")


class InjectedFault(RequestRejected):
    """A test has asked for this error.

    Attributes:
        code: name of the gRPC status code.
    """

    def __init__(self, method: str, code: str) -> None:
        super().__init__(f"A test has injected this fault ({method}).")
        self.code = code  # type: ignore[misc]  # of this error instead of its class


class InjectedFaults:
    """The faults of the next calls."""

    def __init__(self) -> None:
        self._methods: frozenset[str] = frozenset()
        self._codes: dict[str, str] = {}
        self._times: Counter[str] = Counter()

    def inject(self, method: str, code: str, times: int) -> None:
        """Let the next calls of a method fail; this replaces an earlier fault of the method.

        Args:
            method: name of the method, for example Publish.
            code: name of a gRPC status code other than OK.
            times: number of calls, at least 1.

        Raises:
            InvalidArgument: there is no such method or code, or the number is out of range.
        """
        if method not in self._methods:
            raise InvalidArgument(
                f"There is no method {method!r}; the methods are {', '.join(sorted(self._methods))}."
            )
        if code not in HTTP_STATUS:
            raise InvalidArgument(f"There is no code {code!r}; the codes are {', '.join(HTTP_STATUS)}.")
        if not 1 <= times <= MAX_TIMES:
            raise InvalidArgument(f"Invalid times given (value={times}): it must be from 1 to {MAX_TIMES}.")
        self._codes[method], self._times[method] = code, times

    def remaining(self) -> dict[str, dict[str, str | int]]:
        """Return the faults that have not happened yet: method → ``{"code": …, "times": …}``."""
        return {
            method: {"code": self._codes[method], "times": times}
            for method, times in sorted(self._times.items())
        }

    def clear(self) -> None:
        """Let no further call fail."""
        self._times.clear()

    def wrap(self, services: Services) -> Services:
        """Return the services, with methods that fail as injected."""
        self._methods = frozenset(name for methods in services.values() for name in methods)
        return {
            service: {name: self._wrap(name, method) for name, method in methods.items()}
            for service, methods in services.items()
        }

    def _wrap(self, name: str, method: Method | StreamMethod) -> Method | StreamMethod:
        if isinstance(method, StreamMethod):
            return replace(method, function=self._failing(name, method.function))
        return replace(method, function=self._failing(name, method.function))

    def _failing(
        self, name: str, function: Callable[Parameters, Awaitable[Response]]
    ) -> Callable[Parameters, Awaitable[Response]]:
        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Awaitable[Response]:
            if name in self._times:
                self._take(name)
            return function(*args, **kwargs)

        return call

    def _take(self, name: str) -> None:
        self._times[name] -= 1
        if not self._times[name]:
            del self._times[name]
        raise InjectedFault(name, self._codes[name])

"""Checks message transforms, and runs the JavaScript functions of them.

https://cloud.google.com/pubsub/docs/smts/udfs-overview. The engine is quickjs-ng, which runs in the process,
with limits of time and memory: the functions have no access to files, network or modules. A function gets the
data as text, so a message that is not UTF-8 cannot be transformed.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from localpubsub.errors import InvalidArgument, TransformFailed, Unimplemented
from localpubsub.extras import quickjs
from localpubsub.protocol.messages import MessageTransformPb, PubsubMessage, PubsubMessagePb

MAX_TRANSFORMS: Final = 5  #: Maximum number of transforms of one topic or subscription (the page above).
MAX_CODE_BYTES: Final = 20_000  #: Maximum bytes of the code of one function (the page above).
MAX_SECONDS: Final = 0.5  #: Maximum processor time of one call, in seconds (the page above).
MAX_MEMORY: Final = 128 * 2**20  #: Maximum bytes of one function's memory; localpubsub's own limit.
MAX_STACK: Final = 512 * 2**10  #: Maximum bytes of one function's stack; localpubsub's own limit.

_NAME: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
#: Calls the function with JSON, and returns JSON, or "null" for a message that is filtered.
_CALL: Final = """
(message, metadata) => {
    const result = %s(JSON.parse(message), Object.freeze(JSON.parse(metadata)));
    return result === undefined ? "undefined" : JSON.stringify(result);
}
"""


def check_transforms(transforms: Sequence[MessageTransformPb]) -> None:
    """Reject transforms that Pub/Sub rejects, or that localpubsub cannot run.

    Raises:
        InvalidArgument: there are too many transforms, or the code of one is invalid.
        Unimplemented: a transform is no JavaScript function, or quickjs-ng is not installed.
    """
    if len(transforms) > MAX_TRANSFORMS:
        raise InvalidArgument(
            f"Invalid message_transforms given: there are {len(transforms)}, the maximum is {MAX_TRANSFORMS}."
        )
    names = [transform.javascript_udf.function_name for transform in transforms]
    for transform in transforms:
        check_transform(transform)
    if len(set(names)) < len(names):
        raise InvalidArgument("Invalid message_transforms given: each needs a function_name of its own.")


def check_transform(transform: MessageTransformPb) -> None:
    """Reject one transform; see ``check_transforms``."""
    kind = transform.WhichOneof("transform")
    if kind is None:
        raise InvalidArgument("Invalid message transform given: javascript_udf must be set.")
    if kind != "javascript_udf":
        raise Unimplemented(f"localpubsub does not offer message_transforms with {kind}: use javascript_udf.")
    JavaScriptFunction(transform)


class JavaScriptFunction:
    """One compiled function; only one thread at a time may use it."""

    def __init__(self, transform: MessageTransformPb) -> None:
        """Compile the function.

        Raises:
            InvalidArgument: the name or the code is invalid.
            Unimplemented: quickjs-ng is not installed.
        """
        udf = transform.javascript_udf
        self.name = str(udf.function_name)
        if not _NAME.fullmatch(self.name):
            raise InvalidArgument(
                f"Invalid function_name given (value={self.name}): it must be an identifier."
            )
        size = len(udf.code.encode())
        if size > MAX_CODE_BYTES:
            raise InvalidArgument(
                f"Invalid code of {self.name}: it has {size} bytes, the maximum is {MAX_CODE_BYTES}."
            )
        engine = quickjs()
        context = engine.Context()
        context.set_memory_limit(MAX_MEMORY)
        context.set_max_stack_size(MAX_STACK)
        context.set_time_limit(MAX_SECONDS)
        self._error = engine.JSException
        try:
            context.eval(udf.code)
            if not context.eval(f"typeof {self.name} === 'function'"):
                raise InvalidArgument(f"Invalid code of {self.name}: it defines no function of this name.")
            self._call = context.eval(_CALL % self.name)
        except engine.JSException as error:
            raise InvalidArgument(f"Invalid code of {self.name}: {_first_line(error)}.") from error
        self._context = context

    def transform(self, message: PubsubMessagePb) -> PubsubMessagePb | None:
        """Return the transformed message, or None if the function filters it.

        Raises:
            TransformFailed: the function fails, takes too long or too much memory, or returns no message.
        """
        try:
            data = message.data.decode()
        except UnicodeDecodeError as error:
            raise TransformFailed(f"{self.name} cannot read the message: its data is not UTF-8.") from error
        argument = json.dumps({"data": data, "attributes": dict(message.attributes)})
        try:
            text = self._call(argument, json.dumps(_metadata(message)))
        except self._error as error:
            raise TransformFailed(f"{self.name} failed: {_first_line(error)}.") from error
        result = None if text in {None, "undefined"} else json.loads(text)
        if text == "null":
            return None
        return self._message(message, result)

    def _message(self, message: PubsubMessagePb, result: Any) -> PubsubMessagePb:  # noqa: ANN401 - the function may return anything
        data = result.get("data") if isinstance(result, dict) else None
        attributes = result.get("attributes", {}) if isinstance(result, dict) else None
        if (
            not isinstance(data, str)
            or not isinstance(attributes, dict)
            or not all(isinstance(value, str) for value in attributes.values())
        ):
            raise TransformFailed(
                f"{self.name} must return null, or an object with data (text) and attributes (texts by name)."
            )
        transformed = PubsubMessage()
        transformed.CopyFrom(message)
        transformed.data = data.encode(errors="replace")
        transformed.attributes.clear()
        for key, value in attributes.items():
            transformed.attributes[_valid(key)] = _valid(value)
        return transformed


class JavaScriptFunctions:
    """The enabled functions of one topic or subscription, in their order; for one thread at a time."""

    def __init__(self, transforms: Iterable[MessageTransformPb]) -> None:
        self._functions = [JavaScriptFunction(each) for each in transforms if not each.disabled]

    def steps(self, message: PubsubMessagePb) -> Iterable[PubsubMessagePb | None]:
        """Yield the message after each function, and None as the last step if it is filtered.

        Raises:
            TransformFailed: a function fails.
        """
        current: PubsubMessagePb | None = message
        for function in self._functions:
            current = function.transform(current)
            yield current
            if current is None:
                return

    def transform(self, message: PubsubMessagePb) -> PubsubMessagePb | None:
        """Return the message after all functions, or None if one filters it; TransformFailed if one fails."""
        result: PubsubMessagePb | None = message
        for result in self.steps(message):  # noqa: B007 - the last step is the result
            pass
        return result


def _valid(text: str) -> str:
    """Replace unpaired surrogates, which texts of JavaScript may contain, but not those of protobuf."""
    return text.encode(errors="replace").decode()


def _metadata(message: PubsubMessagePb) -> dict[str, str]:
    metadata = {"message_id": message.message_id, "ordering_key": message.ordering_key}
    if message.HasField("publish_time"):
        metadata["publish_time"] = message.publish_time.ToJsonString()
    return {name: value for name, value in metadata.items() if value}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or "unknown error"

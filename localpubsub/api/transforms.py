"""Implements the methods that validate and test message transforms, which exist in the REST API only.

``gcloud pubsub message-transforms`` calls them.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from localpubsub.broker.broker import Broker
from localpubsub.broker.transformer import Transformer
from localpubsub.errors import InvalidArgument, TransformFailed
from localpubsub.protocol.calls import Context, Method
from localpubsub.protocol.messages import RequestPb, ResponsePb
from localpubsub.protocol.transform_messages import (
    TestMessageTransformsRequest,
    TestMessageTransformsResponse,
    TransformedMessage,
    ValidateMessageTransformRequest,
    ValidateMessageTransformResponse,
)
from localpubsub.resources.transforms import JavaScriptFunctions, check_transform, check_transforms

_INVALID_ARGUMENT: Final = 3  #: Number of the status code.


class TransformService:
    """The methods; each may raise RequestRejected."""

    def __init__(self, broker: Broker) -> None:
        self._catalogue = broker.catalogue

    def methods(self) -> Mapping[str, Method]:
        """Return ``{name: Method}``."""
        return {
            "ValidateMessageTransform": Method(ValidateMessageTransformRequest, self.validate),
            "TestMessageTransforms": Method(TestMessageTransformsRequest, self.test),
        }

    async def validate(self, request: RequestPb, _: Context) -> ResponsePb:
        """Validate one transform without storing it."""
        await asyncio.to_thread(check_transform, request.message_transform)
        return ValidateMessageTransformResponse()

    async def test(self, request: RequestPb, _: Context) -> ResponsePb:
        """Apply the given transforms, or those of a topic or subscription, to a message.

        The response has the message after each transform; it ends with the first one that filters or fails.
        """
        if request.HasField("message_transforms"):
            transforms = request.message_transforms.message_transforms
        elif request.topic:
            transforms = self._catalogue.topic(request.topic).resource.message_transforms
        elif request.subscription:
            transforms = self._catalogue.subscription(request.subscription).resource.message_transforms
        else:
            raise InvalidArgument("One of message_transforms, topic and subscription must be set.")
        await asyncio.to_thread(check_transforms, transforms)

        def work(functions: JavaScriptFunctions) -> list[ResponsePb]:
            return _steps(functions, request.message)

        steps = await Transformer(transforms).run(work)
        return TestMessageTransformsResponse(transformed_messages=steps)


def _steps(functions: JavaScriptFunctions, message: RequestPb) -> list[ResponsePb]:
    results: list[ResponsePb] = []
    try:
        for step in functions.steps(message):
            result = TransformedMessage()
            if step is None:
                result.filtered_message.SetInParent()
            else:
                result.transformed_message.CopyFrom(step)
            results.append(result)
    except TransformFailed as error:
        failed = TransformedMessage()
        failed.failed_message.error.code = _INVALID_ARGUMENT
        failed.failed_message.error.message = str(error)
        results.append(failed)
    return results

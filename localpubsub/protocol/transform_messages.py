"""Defines the messages of the methods for message transforms, which exist in the REST API only.

The fields are those of https://pubsub.googleapis.com/$discovery/rest?version=v1. The client library has no
such messages, so they are made here, and added to the pool of the others.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.protocol.descriptors import PACKAGE, types

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
#: Message → its fields: name, type (of this package, or a basic type), and whether it is repeated.
_MESSAGES: Final[dict[str, tuple[tuple[str, str, bool], ...]]] = {
    "ValidateMessageTransformRequest": (
        ("project", "string", False),
        ("message_transform", "MessageTransform", False),
    ),
    "ValidateMessageTransformResponse": (),
    "MessageTransforms": (("message_transforms", "MessageTransform", True),),
    "TestMessageTransformsRequest": (
        ("project", "string", False),
        ("message", "PubsubMessage", False),
        ("message_transforms", "MessageTransforms", False),
        ("topic", "string", False),
        ("subscription", "string", False),
    ),
    "TransformError": (("code", "int32", False), ("message", "string", False)),
    "FilteredMessage": (),
    "FailedMessage": (("error", "TransformError", False),),
    "TransformedMessage": (
        ("transformed_message", "PubsubMessage", False),
        ("filtered_message", "FilteredMessage", False),
        ("failed_message", "FailedMessage", False),
    ),
    "TestMessageTransformsResponse": (("transformed_messages", "TransformedMessage", True),),
}
_BASIC: Final = {"string": _FIELD.TYPE_STRING, "int32": _FIELD.TYPE_INT32}


def _file() -> Any:  # noqa: ANN401 - protobuf publishes no types
    file = descriptor_pb2.FileDescriptorProto(
        name="localpubsub/transform_messages.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=[types.Topic.pb().DESCRIPTOR.file.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, repeated) in enumerate(fields, 1):
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if kind in _BASIC:
                message.field.add(name=field, number=number, label=label, type=_BASIC[kind])
            else:
                message.field.add(
                    name=field,
                    number=number,
                    label=label,
                    type=_FIELD.TYPE_MESSAGE,
                    type_name=f".{PACKAGE}.{kind}",
                )
    return file


types.add(_file())

TestMessageTransformsRequest = types.TestMessageTransformsRequest.pb()
TestMessageTransformsResponse = types.TestMessageTransformsResponse.pb()
TransformedMessage = types.TransformedMessage.pb()
ValidateMessageTransformRequest = types.ValidateMessageTransformRequest.pb()
ValidateMessageTransformResponse = types.ValidateMessageTransformResponse.pb()

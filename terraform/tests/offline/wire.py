"""Converts values, problems and schemas to the messages of Terraform's plugin protocol, and back."""

from __future__ import annotations

import json

import msgpack
import tfplugin5_pb2 as pb
from validation import Problem  # noqa: TC002 - imported at run time, like the other modules of this program
from values import UNKNOWN

NESTING = {
    "single": pb.Schema.NestedBlock.SINGLE,
    "list": pb.Schema.NestedBlock.LIST,
    "set": pb.Schema.NestedBlock.SET,
}


def decode(value: pb.DynamicValue):
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, ext_hook=lambda _code, _data: UNKNOWN, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def encode(value) -> pb.DynamicValue:
    unknown = msgpack.ExtType(0, b"\0")
    return pb.DynamicValue(msgpack=msgpack.packb(value, default=lambda _: unknown))


def diagnostic(problem: Problem) -> pb.Diagnostic:
    steps = [
        pb.AttributePath.Step(element_key_int=step)
        if isinstance(step, int)
        else pb.AttributePath.Step(attribute_name=step)
        for step in problem.path
    ]
    return pb.Diagnostic(
        severity=pb.Diagnostic.ERROR,
        summary=problem.summary,
        detail=problem.detail,
        attribute=pb.AttributePath(steps=steps) if steps else None,
    )


def block_message(block: dict, rules: dict, prefix: str = "") -> pb.Schema.Block:
    message = pb.Schema.Block()
    for name, attribute in sorted(block["attributes"].items()):
        flags = {
            flag: True for flag in ("required", "optional", "computed", "write_only") if attribute.get(flag)
        }
        flags["sensitive"] = prefix + name in rules.get("sensitive", [])
        message.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    for name, nested in sorted(block["blocks"].items()):
        message.block_types.add(
            type_name=name,
            block=block_message(nested["block"], rules, f"{prefix}{name}."),
            nesting=NESTING[nested["nesting"]],
            min_items=nested["min"],
            max_items=nested["max"],
        )
    return message


def schema_response(schema: dict, rules: dict) -> bytes:
    response = pb.GetProviderSchema.Response(
        provider=pb.Schema(block=block_message(schema["provider"], {})),
        server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
    )
    for kind, schemas in (
        ("resources", response.resource_schemas),
        ("data_sources", response.data_source_schemas),
    ):
        for name, block in schema[kind].items():
            schemas[name].block.CopyFrom(block_message(block, rules[kind].get(name, {})))
    return response.SerializeToString()

"""Tests the JavaScript functions of message transforms, and their limits."""

import pytest

from localpubsub.errors import InvalidArgument, TransformFailed, Unimplemented
from localpubsub.protocol.messages import MessageTransformPb, PubsubMessage, PubsubMessagePb, Topic
from localpubsub.resources.transforms import JavaScriptFunctions, check_transforms


def udf(code: str, name: str = "f") -> MessageTransformPb:
    """Return a transform with this code."""
    transform = Topic().message_transforms.add()
    transform.javascript_udf.function_name, transform.javascript_udf.code = name, code
    return transform


def apply(code: str, message: PubsubMessagePb) -> PubsubMessagePb | None:
    """Return the message after one function."""
    return JavaScriptFunctions([udf(code)]).transform(message)


MESSAGE = PubsubMessage(data="käse".encode(), attributes={"a": "b"}, message_id="7", ordering_key="key")


def test_function_changes_data_and_attributes() -> None:
    """A function gets data, attributes and metadata, and returns new data and attributes."""
    code = """function f(message, metadata) {
        const attributes = {...message.attributes, id: metadata.message_id, lone: "\\ud800"};
        return {data: message.data.toUpperCase(), attributes};
    }"""
    transformed = apply(code, MESSAGE)
    assert transformed is not None
    assert transformed.data.decode() == "KÄSE"
    assert dict(transformed.attributes) == {"a": "b", "id": "7", "lone": "?"}
    assert (transformed.message_id, transformed.ordering_key) == ("7", "key")


def test_functions_run_in_order_until_one_filters() -> None:
    """Each function gets the result of the one before; null filters it; disabled ones are skipped."""
    add = [udf(f"function {name}(m) {{ m.data += '{name}'; return m }}", name) for name in "abc"]
    add[1].disabled = True
    functions = JavaScriptFunctions([*add, udf("function f(m) { return m.data === 'xac' ? null : m }")])
    steps = list(functions.steps(PubsubMessage(data=b"x")))
    assert [step and step.data for step in steps] == [b"xa", b"xac", None]
    assert [step and step.data for step in functions.steps(PubsubMessage(data=b"y"))][-1] == b"yac"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("function f() { throw new Error('no') }", "f failed: Error: no"),
        ("function f() { while (true) {} }", "interrupted"),
        ("function f() { return /(a+)+$/.test('a'.repeat(40) + 'b') }", "interrupted"),
        ("function f() { const all = []; for (;;) all.push('x'.repeat(1e7) + all.length) }", "out of memory"),
        ("function f() { return f() + 1 }", "stack"),
        ("function f() { return require('fs') }", "not defined"),
        ("function f() {}", "must return null, or an object"),
        ("function f() { return 'text' }", "must return null, or an object"),
        ("function f() { return {data: 1} }", "must return null, or an object"),
        ("function f() { return {data: '', attributes: {a: 1}} }", "must return null, or an object"),
        ("function f(message, metadata) { 'use strict'; metadata.x = 1; return message }", "not extensible"),
    ],
)
def test_failing_function_is_reported(code: str, reason: str) -> None:
    """A function that fails, or exceeds its time, memory or stack, fails with its name and the reason."""
    with pytest.raises(TransformFailed, match=r"^f ") as failed:
        apply(code, MESSAGE)
    assert reason in str(failed.value)


def test_function_works_after_it_has_failed() -> None:
    """A function that has run out of memory for one message transforms the next one."""
    code = """function f(message) {
        if (message.data === "x") { const all = []; for (;;) all.push("x".repeat(1e7) + all.length) }
        return message;
    }"""
    functions = JavaScriptFunctions([udf(code)])
    with pytest.raises(TransformFailed):
        functions.transform(PubsubMessage(data=b"x"))
    assert functions.transform(MESSAGE) == MESSAGE


def test_data_that_is_not_utf_8_is_rejected() -> None:
    """A function cannot get bytes that are not text."""
    with pytest.raises(TransformFailed, match="not UTF-8"):
        apply("function f(m) { return m }", PubsubMessage(data=b"\xff"))


@pytest.mark.parametrize(
    ("transforms", "reason"),
    [
        ([udf("function f(", "f")], "Invalid code of f: SyntaxError"),
        ([udf("function g() {}", "f")], "defines no function of this name"),
        ([udf("function f() {}", "f; g")], "must be an identifier"),
        ([udf("/*" + "x" * 20_000 + "*/ function f() {}")], "the maximum is 20000"),
        ([udf("while (true) {}")], "interrupted"),
        ([udf("function f() {}"), udf("function f() {}")], "a function_name of its own"),
        ([udf(f"function f{index}() {{}}", f"f{index}") for index in range(6)], "the maximum is 5"),
        ([Topic().message_transforms.add()], "javascript_udf must be set"),
    ],
)
def test_invalid_transform_is_rejected(transforms: list[MessageTransformPb], reason: str) -> None:
    """A transform with invalid code, or too many of them, is rejected with a reason."""
    with pytest.raises(InvalidArgument) as rejected:
        check_transforms(transforms)
    assert reason in str(rejected.value)


@pytest.mark.parametrize("kind", ["compression", "ai_inference"])
def test_other_kind_of_transform_is_unimplemented(kind: str) -> None:
    """A transform that is no JavaScript function is rejected, and the error names its field."""
    transform = Topic().message_transforms.add()
    getattr(transform, kind).SetInParent()
    with pytest.raises(Unimplemented, match=kind):
        check_transforms([transform])

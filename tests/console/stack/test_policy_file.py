"""Tests that the policies of the last stack are kept in its data directory."""

from pathlib import Path

import pytest

from console.stack.policy_file import NAME, read_policy, write_policy
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions


def test_policies_of_the_last_stack_are_read(tmp_path: Path) -> None:
    """The policies are those of the last options that were written."""
    delivery = DeliveryPolicy(60, 7, 3, 44)
    write_policy(StackOptions(data=tmp_path))
    write_policy(StackOptions(data=tmp_path, delivery=delivery, ack_policy=AckPolicy.SETTLED))
    assert read_policy(tmp_path) == (AckPolicy.SETTLED, delivery)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"ack_policy": "never", "delivery": {}}', "\xff"])
def test_defaults_are_used_without_a_valid_file(tmp_path: Path, text: str | None) -> None:
    """Without a file, or if it cannot be read, the policies are the defaults of `scrapeq up`."""
    if text is not None:
        (tmp_path / NAME).write_text(text, encoding="latin-1")
    assert read_policy(tmp_path) == (AckPolicy.SUCCESS, DeliveryPolicy())

"""BROKER_URL names a broker and its address; an error never repeats the URL, which may contain a password."""

import pytest

from contract.broker_url import BrokerAddress, broker_address
from contract.faults import ConfidentialFault


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("amqp://user:secret@rabbit.example/jobs", ("amqp", "rabbit.example", 5672), "rabbit.example:5672"),
        ("amqps://rabbit.example", ("amqps", "rabbit.example", 5671), "rabbit.example:5671"),
        ("redis://:secret@redis.example", ("redis", "redis.example", 6379), "redis.example:6379"),
        ("rediss://redis.example:1/0", ("rediss", "redis.example", 1), "redis.example:1"),
        ("amqp://[::1]:5673/", ("amqp", "::1", 5673), "[::1]:5673"),
        (
            "sqs://eu-central-1/",
            ("sqs", "sqs.eu-central-1.amazonaws.com", 443),
            "sqs.eu-central-1.amazonaws.com:443",
        ),
        ("sqs+http://127.0.0.1:5000/?region=eu-west-1", ("sqs+http", "127.0.0.1", 5000), "127.0.0.1:5000"),
        ("sqs+https://sqs.example/jobs?fifo=true", ("sqs+https", "sqs.example", 443), "sqs.example:443"),
    ],
)
def test_the_address_of_a_url_is_shown_without_user_and_password(
    url: str, address: tuple[str, str, int], shown: str
) -> None:
    """The address has the default port of the scheme, and its text has neither user nor password."""
    assert broker_address(url) == BrokerAddress(*address)
    assert str(broker_address(url)) == shown


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("kafka://user:secret@host", "must begin with amqp:// or amqps:// or redis://"),
        ("user:secret@host", "must begin with amqp:// or amqps:// or redis://"),
        ("amqp://", "has no host"),
        ("amqp://user:secret@host:port", "is not a URL"),
        ("amqp://user:secret@[::1", "is not a URL"),
        ("amqp://user:secret@a..b/", "is not a URL"),
        (f"redis://user:secret@{'h' * 64}.example/", "is not a URL"),
        (f"amqp://user:secret@{'h' * 2000}", "at most 2000 characters"),
    ],
)
def test_an_invalid_url_is_explained_without_its_password(url: str, why: str) -> None:
    """The error of an invalid URL says what is wrong, and does not repeat the URL."""
    with pytest.raises(ConfidentialFault, match=why) as error:
        broker_address(url)
    assert "secret" not in str(error.value)

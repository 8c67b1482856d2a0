"""A BROKER_URL of SQS names a region or an endpoint, and never has credentials."""

from urllib.parse import urlsplit

import pytest

from contract.broker_url import broker_address
from contract.faults import ConfidentialFault
from contract.sqs_url import MAX_PREFIX_CHARACTERS, SqsUrl, read_sqs_url
from contract.topology import LEDGER_SUBSCRIPTIONS


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        (
            "sqs://eu-central-1",
            SqsUrl("eu-central-1", "", "sqs.eu-central-1.amazonaws.com", None, "", is_fifo=False),
        ),
        (
            "sqs://us-gov-west-1/production?fifo=true",
            SqsUrl("us-gov-west-1", "", "sqs.us-gov-west-1.amazonaws.com", None, "production", is_fifo=True),
        ),
        (
            "sqs://cn-north-1/",
            SqsUrl("cn-north-1", "", "sqs.cn-north-1.amazonaws.com.cn", None, "", is_fifo=False),
        ),
        (
            "sqs+http://127.0.0.1:9324/test/?fifo=false",
            SqsUrl("us-east-1", "http://127.0.0.1:9324", "127.0.0.1", 9324, "test", is_fifo=False),
        ),
        (
            "sqs+https://sqs.example?region=eu-west-1&fifo=true",
            SqsUrl("eu-west-1", "https://sqs.example", "sqs.example", None, "", is_fifo=True),
        ),
        (
            "sqs+http://[::1]:9324/",
            SqsUrl("us-east-1", "http://[::1]:9324", "::1", 9324, "", is_fifo=False),
        ),
    ],
)
def test_a_url_names_region_endpoint_and_queues(url: str, meaning: SqsUrl) -> None:
    """Region, endpoint, prefix and type of the queues are read from the URL."""
    assert read_sqs_url(urlsplit(url)) == meaning


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqs://", "has neither a region nor a host, for example sqs://eu-central-1/"),
        ("sqs:///jobs", "has neither a region nor a host"),
        ("sqs://AKIA:secret@eu-central-1/", "must not have credentials"),
        ("sqs+http://AKIA:secret@127.0.0.1:5000/", "must not have credentials"),
        ("sqs://frankfurt/secret", "has no AWS region such as eu-central-1"),
        ("sqs://eu-central-1:443/secret", "has no AWS region"),
        ("sqs+http://127.0.0.1:5000/?region=secret", "has no AWS region"),
        ("sqs+http://127.0.0.1:port/secret", "is not a URL"),
        ("sqs+http://ho st/secret", "has neither a region nor a host"),
        ("sqs://eu-central-1/?region=secret", "only these parameters, each once: fifo"),
        (
            "sqs+http://127.0.0.1/?fifo=true&fifo=true#secret",
            "only these parameters, each once: fifo, region",
        ),
        ("sqs://eu-central-1/#secret", "only these parameters"),
        ("sqs://eu-central-1/?fifo=secret", "fifo=true or fifo=false"),
        ("sqs://eu-central-1/secret/b", "letters, digits, hyphens and underscores"),
        (f"sqs://eu-central-1/{'x' * (MAX_PREFIX_CHARACTERS + 1)}", "at most 50 letters"),
    ],
)
def test_an_invalid_url_is_explained_without_repeating_it(url: str, why: str) -> None:
    """The error says what is wrong, and repeats nothing that may be a password."""
    with pytest.raises(ConfidentialFault, match=why) as error:
        broker_address(url)
    assert "secret" not in str(error.value)


def test_the_longest_name_of_a_queue_is_short_enough_for_sqs() -> None:
    """A name with the longest prefix, a hyphen and `.fifo` has at most 80 characters."""
    longest = max(map(len, LEDGER_SUBSCRIPTIONS.values()))
    assert MAX_PREFIX_CHARACTERS + 1 + longest + len(".fifo") <= 80

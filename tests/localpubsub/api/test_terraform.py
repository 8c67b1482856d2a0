"""Replays what Terraform's google provider sends, and compares the responses with those that it accepted.

``terraform_requests.jsonl`` has the Pub/Sub requests that version 7.45.0 of the provider sent to localpubsub
for ``terraform apply`` and ``terraform destroy`` of ``terraform/`` with two sets of variables,
one request a line. A second ``terraform plan``, before the destroy, found nothing to change.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import localpubsub
from tests.servers.rest_connection import RestConnection

Json: TypeAlias = Any

LINES = Path(__file__).with_name("terraform_requests.jsonl").read_text(encoding="utf-8").splitlines()
REQUESTS = [json.loads(line) for line in LINES]
STACKS = ("default", "large")


@pytest.fixture
def rest() -> Iterator[RestConnection]:
    """A connection to a new server without resources."""
    with localpubsub.running() as server:
        connection = RestConnection(server.http_url)
        yield connection
        connection.close()


def with_current_etag(rest: RestConnection, request: Json) -> Json:
    """Return the body of a request with the etag that the policy has now, as the provider reads it."""
    body = request["body"]
    if not request["path"].endswith(":setIamPolicy"):
        return body
    resource = request["path"].removesuffix(":setIamPolicy")
    status, policy = rest.send("GET", f"{resource}:getIamPolicy?options.requestedPolicyVersion=3")
    assert status == 200
    return {"policy": {**body["policy"], "etag": policy["etag"]}}


def without_etag(response: Json) -> Json:
    """Return a response without its etag, which has no meaning outside of one server."""
    return {name: value for name, value in response.items() if name != "etag"}


@pytest.mark.parametrize("stack", STACKS)
def test_requests_of_the_provider_get_the_responses_that_it_accepted(
    rest: RestConnection, stack: str
) -> None:
    """Each request, with its explicit nulls, gets the recorded response; a read then returns the same."""
    for request in (each for each in REQUESTS if each["stack"] == stack):
        method, path = request["method"], request["path"]
        status, response = rest.send(method, path, with_current_etag(rest, request))
        assert (status, without_etag(response)) == (200, without_etag(request["answer"])), path
        if method == "PUT":
            assert rest.send("GET", path) == (200, response)
        elif method == "POST":
            assert rest.send("GET", path.replace(":setIamPolicy", ":getIamPolicy")) == (200, response)
        else:
            assert rest.send("GET", path)[0] == 404
    assert rest.send("GET", "/v1/projects/example-project/topics") == (200, {})
    assert rest.send("GET", "/v1/projects/example-project/subscriptions") == (200, {})


def test_requests_contain_nulls_and_every_kind_of_subscription() -> None:
    """The recorded requests contain explicit nulls, and push, pull and BigQuery subscriptions."""
    bodies = [
        each["body"] for each in REQUESTS if "/subscriptions/" in each["path"] and each["method"] == "PUT"
    ]
    assert any(body["deadLetterPolicy"] is None for body in bodies)
    assert any(body["retryPolicy"] is None for body in bodies)
    kinds = {frozenset(body) & {"pushConfig", "bigqueryConfig"} for body in bodies}
    assert kinds == {frozenset(), frozenset({"pushConfig"}), frozenset({"bigqueryConfig"})}

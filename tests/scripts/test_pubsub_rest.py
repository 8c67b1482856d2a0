"""Tests of the REST client: counts, tokens, errors and retries."""

import json

import pytest

from scripts.pubsub_rest import MAX_TRIES, METRIC, ApiError, Pubsub
from tests.servers.site import Site, http

SUBSCRIPTION = "/v1/projects/p/subscriptions/dead"


def client_of(site: Site, *, monitoring: bool = False) -> Pubsub:
    """Return a client that uses the test's site as the API."""
    return Pubsub("p", endpoint=site.url(), monitoring=site.url() if monitoring else "", token="secret")


def sample(end_time: str, value: int) -> dict[str, object]:
    """Return a point of a time series."""
    return {"interval": {"startTime": end_time, "endTime": end_time}, "value": {"int64Value": str(value)}}


def test_count_is_the_newest_sample_of_cloud_monitoring(site: Site) -> None:
    """The count is that of the newest sample; the request has the name of the subscription and the token."""
    points = [sample("2026-11-22T06:03:00Z", 7), sample("2026-11-22T06:02:00Z", 9)]
    body = json.dumps({"timeSeries": [{"points": points}]}).encode()
    site.add("/v3/projects/p/timeSeries", http(200, body, content_type="application/json"))
    counted = client_of(site, monitoring=True).count("dead")
    assert counted is not None
    assert (counted.messages, counted.taken_at) == (7, 1795327380.0)
    [request] = site.requests
    assert request.headers["authorization"] == "Bearer secret"
    assert METRIC.replace("/", "%2F") in request.path
    assert "subscription_id%3D%22dead%22" in request.path


@pytest.mark.parametrize("response", [http(403, b"{}"), http(200, b"{}"), http(200, b"rubbish")])
def test_count_is_none_if_no_server_has_one(site: Site, response: bytes) -> None:
    """If the state page cannot be read or is invalid, the count is None instead of 0."""
    site.add("/state.json", response)
    assert client_of(site).count("dead") is None


def test_403_raises_api_error_with_googles_message(site: Site) -> None:
    """A 403 raises an error with Google's message, and the call is not retried."""
    document = {"error": {"code": 403, "message": "User not authorized", "status": "PERMISSION_DENIED"}}
    site.add(SUBSCRIPTION, http(403, json.dumps(document).encode()))
    with pytest.raises(ApiError, match="User not authorized") as caught:
        client_of(site).subscription("dead")
    assert caught.value.status == 403
    assert len(site.requests_for(SUBSCRIPTION)) == 1


def test_503_is_retried_with_growing_delays(site: Site) -> None:
    """A 503 is retried with growing delays; after the last attempt it is raised as an error."""
    delays: list[float] = []
    site.add(SUBSCRIPTION, http(503, b""))
    with pytest.raises(ApiError, match="HTTP 503"):
        Pubsub("p", endpoint=site.url(), sleep=delays.append).subscription("dead")
    assert (len(site.requests_for(SUBSCRIPTION)), delays) == (MAX_TRIES, [0.5, 1.0, 2.0])


def test_publish_with_missing_ids_raises_api_error(site: Site) -> None:
    """A response to a publish with fewer ids than messages raises an error."""
    site.add("/v1/projects/p/topics/t:publish", http(200, b'{"messageIds": ["1"]}'))
    with pytest.raises(ApiError, match="2 messages were published and 1 ids returned"):
        client_of(site).publish("t", [{"data": ""}, {"data": ""}])

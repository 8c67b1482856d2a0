"""The REST client: who is asked for a count, with which token, and what a refusal says."""

import json

import pytest

from scripts.pubsub_rest import METRIC, TRIES, Pubsub, Refused
from tests.servers.site import Site, http

SUBSCRIPTION = "/v1/projects/p/subscriptions/dead"


def at(site: Site, *, monitoring: bool = False) -> Pubsub:
    """Return a client of a site."""
    return Pubsub("p", endpoint=site.url(), monitoring=site.url() if monitoring else "", token="secret")


def sample(end_time: str, value: int) -> dict[str, object]:
    """Return a point of a time series."""
    return {"interval": {"startTime": end_time, "endTime": end_time}, "value": {"int64Value": str(value)}}


def test_cloud_monitorings_newest_sample_counts(site: Site) -> None:
    """Asked for our subscription, with our token; a sample says when it was taken."""
    points = [sample("2026-11-22T06:03:00Z", 7), sample("2026-11-22T06:02:00Z", 9)]
    told = json.dumps({"timeSeries": [{"points": points}]}).encode()
    site.add("/v3/projects/p/timeSeries", http(200, told, content_type="application/json"))
    counted = at(site, monitoring=True).count("dead")
    assert counted is not None
    assert (counted.letters, counted.taken_at) == (7, 1795327380.0)
    [asked] = site.requests
    assert asked.headers["authorization"] == "Bearer secret"
    assert METRIC.replace("/", "%2F") in asked.path
    assert "subscription_id%3D%22dead%22" in asked.path


@pytest.mark.parametrize("answer", [http(403, b"{}"), http(200, b"{}"), http(200, b"rubbish")])
def test_where_nobody_counts_nothing_is_made_up(site: Site, answer: bytes) -> None:
    """No right to read Cloud Monitoring, no sample yet, no state page: unknown, and not 0."""
    site.add("/state.json", answer)
    assert at(site).count("dead") is None


def test_a_refusal_is_googles_sentence(site: Site) -> None:
    """Not asked again: it would be refused again."""
    why = {"error": {"code": 403, "message": "User not authorized", "status": "PERMISSION_DENIED"}}
    site.add(SUBSCRIPTION, http(403, json.dumps(why).encode()))
    with pytest.raises(Refused, match="User not authorized") as refused:
        at(site).subscription("dead")
    assert refused.value.status == 403
    assert len(site.requests_for(SUBSCRIPTION)) == 1


def test_what_may_go_better_is_tried_again(site: Site) -> None:
    """A 503 now and then is the cloud's everyday; one without end is told."""
    pauses: list[float] = []
    site.add(SUBSCRIPTION, http(503, b""))
    with pytest.raises(Refused, match="HTTP 503"):
        Pubsub("p", endpoint=site.url(), sleep=pauses.append).subscription("dead")
    assert (len(site.requests_for(SUBSCRIPTION)), pauses) == (TRIES, [0.5, 1.0, 2.0])


def test_ids_that_do_not_fit_are_no_confirmation(site: Site) -> None:
    """A publish is confirmed by an id for each message."""
    site.add("/v1/projects/p/topics/t:publish", http(200, b'{"messageIds": ["1"]}'))
    with pytest.raises(Refused, match="2 messages were published and 1 ids came back"):
        at(site).publish("t", [{"data": ""}, {"data": ""}])

"""Shards are pushed to the process of a dispatcher, which may be killed, and makes every job nevertheless."""

import json
import sys
import time
from collections.abc import Iterator

import pytest
import requests
from google.pubsub_v1.types import PushConfig

from contract.job import Job
from contract.topology import DISPATCH_FILTER
from tests.servers.dispatcher_process import DispatcherProcess, running_dispatcher
from tests.servers.file_ranges import content_range, ranges, requested_start
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.site import PendingRequest, Site
from tests.servers.waiting import MAX_WAIT_SECONDS

JOBS, SHARDS = "projects/p/topics/scrape-jobs", "projects/p/topics/scrape-dispatch"
ACCOUNT, AUDIENCE = "push@p.iam.gserviceaccount.com", "the-dispatcher"
URLS = [f"https://shop.example/{number}/{'x' * 300}" for number in range(1_050)]
BODY = "\n".join(URLS).encode()


@pytest.fixture
def pubsub() -> Iterator[PubsubClient]:
    """A Pub/Sub that signs its pushes, with the topics of jobs and shards."""
    with running_localpubsub() as pubsub:
        for topic in (JOBS, SHARDS):
            pubsub.publisher.create_topic(name=topic)
        yield pubsub
        pubsub.stop_pushing()


def settings(pubsub: PubsubClient) -> dict[str, str]:
    """Return the settings of a dispatcher that reads 200 URLs in a request."""
    return {
        "DISPATCH_TOPIC": "scrape-dispatch",
        "SHARD_URLS": "200",
        "PUSH_AUDIENCE": AUDIENCE,
        "PUSH_SERVICE_ACCOUNT": ACCOUNT,
        "PUSH_CERTS_URL": pubsub.server.certs_url or "",
    }


def push_config(dispatcher: DispatcherProcess) -> PushConfig:
    """Return the configuration that pushes shards to a dispatcher."""
    token = PushConfig.OidcToken(service_account_email=ACCOUNT, audience=AUDIENCE)
    return PushConfig(push_endpoint=f"{dispatcher.url}/shards", oidc_token=token)


def pull_jobs(pubsub: PubsubClient, subscription: str) -> list[Job]:
    """Pull jobs until there is one for each URL of the file; return all of them."""
    jobs, missing = list[Job](), set(URLS)
    until = time.monotonic() + MAX_WAIT_SECONDS
    while missing and time.monotonic() < until:
        response = pubsub.subscriber.pull(subscription=subscription, max_messages=1000, timeout=60)
        pubsub.ack(subscription, response.received_messages)
        jobs += [Job.decode(each.message.data) for each in response.received_messages]
        missing -= {job.url for job in jobs}
    return jobs


def test_file_larger_than_a_request_is_dispatched_whole_by_pushed_shards(
    site: Site, pubsub: PubsubClient
) -> None:
    """Each request reads 200 URLs and more, and Pub/Sub pushes what is left to the dispatcher."""
    jobs, shards = pubsub.subscription(JOBS), pubsub.subscription(SHARDS, ack_deadline_seconds=600)
    with running_dispatcher(pubsub.server.host, **settings(pubsub)) as dispatcher:
        pushed = {"push_config": push_config(dispatcher), "filter": DISPATCH_FILTER}
        pubsub.subscription(SHARDS, **pushed, ack_deadline_seconds=600)
        response = dispatcher.dispatch(
            {"urls_file": {"url": site.add("/urls.txt", ranges(BODY))}}, run_id="run"
        )
        assert (response["published"], response["continues"]) == (200, True)
        assert sorted(job.url for job in pull_jobs(pubsub, jobs)) == sorted(URLS)
        *continued, end = [each.message for each in pubsub.pull(shards, 6)]
    assert [message.attributes["shard"] for message in continued] == ["2", "3", "4", "5", "6"]
    assert (end.attributes["dispatch"], end.attributes["requests"]) == ("complete", "6")
    assert json.loads(end.data)["report"]["counts"]["published"] == len(URLS)


@pytest.mark.skipif(sys.platform != "linux", reason="the processes of the dispatcher are found in /proc")
def test_shard_of_a_killed_dispatcher_is_continued_by_another(site: Site, pubsub: PubsubClient) -> None:
    """A dispatcher is killed within a shard; after its redelivery the dispatch is complete, with all jobs."""
    jobs, ends = pubsub.subscription(JOBS), pubsub.subscription(SHARDS, filter="attributes:dispatch")
    held: list[PendingRequest] = []

    def send_half_of_the_rest(request: PendingRequest) -> None:
        start = requested_start(request)
        if start is None:
            ranges(BODY)(request)
            return
        rest = BODY[start:]
        fields = f"Content-Length: {len(rest)}\r\n{content_range(BODY, start)}"
        head = f"HTTP/1.1 206 Partial\r\n{fields}\r\n\r\n".encode()
        request.send(head + rest[: 100 * 330])
        held.append(request)
        request.wait_until_closed()

    file = site.add("/urls.txt", send_half_of_the_rest)
    with running_dispatcher(pubsub.server.host, **settings(pubsub)) as dispatcher:
        subscription = pubsub.subscription(
            SHARDS, push_config=push_config(dispatcher), filter=DISPATCH_FILTER, ack_deadline_seconds=600
        )
        # Given a dispatcher that has read a part of a shard
        dispatcher.dispatch({"urls_file": {"url": file}}, run_id="run")
        while not held:
            time.sleep(0.05)
        # When it is killed, and another one takes its place
        dispatcher.kill()
    site.add("/urls.txt", ranges(BODY))
    with running_dispatcher(pubsub.server.host, **settings(pubsub)) as dispatcher:
        pubsub.subscriber.modify_push_config(subscription=subscription, push_config=push_config(dispatcher))
        found = pull_jobs(pubsub, jobs)
        [end] = pubsub.pull(ends)
    # Then there is one job for each URL, and the end record
    assert json.loads(end.message.data)["report"]["counts"]["published"] == len(URLS)
    assert {job.url for job in found} == set(URLS)
    assert len({job.job_id for job in found}) == len(URLS)


@pytest.mark.skipif(sys.platform != "linux", reason="the processes of the dispatcher are found in /proc")
def test_repeated_trigger_completes_a_dispatch_that_did_not_end(pubsub: PubsubClient) -> None:
    """A dispatcher is killed after its last job, before the end record; the repeated trigger publishes it."""
    jobs = pubsub.subscription(JOBS)
    # Given a dispatcher whose jobs are confirmed, and that is killed while the end record is not
    pubsub.publisher.delete_topic(topic=SHARDS)
    with running_dispatcher(pubsub.server.host, **settings(pubsub)) as dispatcher:
        response = dispatcher.dispatch({"urls": URLS[:3]}, run_id="run")
        assert "the end of the dispatch is not confirmed" in response["error"]
        dispatcher.kill()
    # When the trigger is repeated
    pubsub.publisher.create_topic(name=SHARDS)
    ends = pubsub.subscription(SHARDS)
    with running_dispatcher(pubsub.server.host, **settings(pubsub)) as dispatcher:
        again = dispatcher.dispatch({"urls": URLS[:3]}, run_id="run")
    # Then the same jobs are published, and the dispatch is complete
    [end] = pubsub.pull(ends)
    assert end.message.attributes["dispatch_id"] == again["dispatch_id"]
    ids = [each.message.attributes["job_id"] for each in pubsub.pull(jobs, 6)]
    assert (len(ids), len(set(ids))) == (6, 3)


def test_shard_without_a_token_is_rejected(pubsub: PubsubClient) -> None:
    """Only Pub/Sub can continue a dispatch: without its token the response is 401."""
    with running_dispatcher(pubsub.server.host, **settings(pubsub)) as dispatcher:
        response = requests.post(f"{dispatcher.url}/shards", json={"message": {}}, timeout=MAX_WAIT_SECONDS)
    assert response.status_code == 401
    assert "the shard was rejected" in response.json()["error"]

"""A dispatcher that is killed half way, and a request that is repeated, make the same jobs."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from contract.job import Job
from publishing.pubsub.publisher import FIRST_CHUNK_MESSAGES, MAX_CHUNK_MESSAGES
from tests.servers.dispatcher_process import running_dispatcher
from tests.servers.pubsub_client import running_localpubsub
from tests.servers.site import PendingRequest, Site, http

TOPIC = "projects/p/topics/scrape-jobs"
COUNT = MAX_CHUNK_MESSAGES + 2_000
URLS = [f"https://shop.example/{number}" for number in range(COUNT)]


@pytest.mark.skipif(sys.platform != "linux", reason="the processes of the dispatcher are found in /proc")
def test_dispatcher_that_is_killed_makes_the_same_jobs_again(site: Site) -> None:
    """The jobs before the kill are among those of the repeated request, which has one job for each URL."""
    body = "\n".join(URLS).encode()

    def send_most(request: PendingRequest) -> None:
        request.send(http(200, body[:-100], length=len(body)))
        request.wait_until_closed()

    file = site.add("/urls.txt", send_most)
    sources = {"urls_file": {"url": file}}
    with running_localpubsub() as pubsub, ThreadPoolExecutor(1) as executor:
        pubsub.publisher.create_topic(name=TOPIC)
        # No message is delivered again while the others are pulled.
        subscription = pubsub.subscription(TOPIC, ack_deadline_seconds=600)
        # Given a dispatcher that has published the first jobs, and waits for the rest of the file
        with running_dispatcher(pubsub.server.host, SITEMAP_BUDGET_SECONDS="600") as dispatcher:
            response = executor.submit(dispatcher.dispatch, sources, run_id="run")
            first = {
                Job.decode(each.message.data).job_id
                for each in pubsub.pull(subscription, FIRST_CHUNK_MESSAGES)
            }
            # When it is killed, and the request is repeated with another one
            dispatcher.kill()
            with pytest.raises(requests.RequestException):
                response.result()
        site.add("/urls.txt", http(200, body))
        repeated = pubsub.subscription(TOPIC, ack_deadline_seconds=600)
        with running_dispatcher(pubsub.server.host) as dispatcher:
            assert dispatcher.dispatch(sources, run_id="run")["published"] == COUNT
        jobs = [Job.decode(each.message.data) for each in pubsub.pull(repeated, COUNT)]
    # Then there is one job for each URL, and the first jobs are among them
    assert sorted(job.url for job in jobs) == sorted(URLS)
    assert first <= {job.job_id for job in jobs}
